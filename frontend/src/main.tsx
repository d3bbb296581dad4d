import { render } from "preact";
import { App } from "./App";
import "./styles/tokens.css";
import "./styles/page.css";
import "./styles/controls.css";
import "./styles/jobs.css";
import "./styles/job.css";
import "./styles/receipt.css";
import "./styles/log.css";
import "./styles/settings.css";
import "./styles/spending.css";
import "./styles/submit.css";
import "./styles/providers.css";
import "./styles/destinations.css";

const root = document.getElementById("app");
if (root) render(<App />, root);
