import type { Status } from "../api/types";
import { t } from "../i18n/i18n";
import { jobsLink } from "../router";
import { CopyButton } from "../ui/CopyButton";

const SUBMIT = "./stcloud submit config.json --data ./images";
const DEMO = "make demo";

/** What to do when there is nothing to see. `beyond`: there are jobs, but this page lies after the last. */
export function EmptyJobs({ status, beyond }: { status: Status | null; beyond: boolean }) {
  if (beyond || status) {
    return (
      <section class="empty">
        <p>{beyond ? t("empty.beyond") : t("empty.filtered", { status: t(`status.${status as Status}`) })}</p>
        <a class="button" href={beyond ? jobsLink(status) : jobsLink()}>
          {beyond ? t("empty.first_page") : t("empty.show_all")}
        </a>
      </section>
    );
  }
  return (
    <section class="empty">
      <svg class="empty-art" viewBox="0 0 160 64" aria-hidden="true">
        <path class="empty-axis" d="M8 4v52h146" />
        <path class="empty-curve" d="M12 10c26 0 22 34 62 38 26 3 48 2 76 3" />
      </svg>
      <h2>{t("empty.title")}</h2>
      <p>{t("empty.submit")}</p>
      <Command text={SUBMIT} />
      <p>{t("empty.demo")}</p>
      <Command text={DEMO} />
    </section>
  );
}

function Command({ text }: { text: string }) {
  return (
    <div class="command">
      <code>
        {/* A line breaks between words, never after the hyphens of an option. */}
        {text.split(" ").map((word, place) => [place > 0 && " ", <span class="word">{word}</span>])}
      </code>
      <CopyButton text={text} label={t("copy.command")} bare />
    </div>
  );
}
