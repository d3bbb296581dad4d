import { useSignal } from "@preact/signals";
import { t } from "../i18n/i18n";
import { announce } from "./announcer";
import { Icon } from "./Icon";

interface Props {
  text: string | (() => string);
  /** What is copied, for those who hear the button without its surroundings. */
  label: string;
  /** Whether the label is shown or only spoken. */
  bare?: boolean;
}

export function CopyButton({ text, label, bare = false }: Props) {
  const copied = useSignal(false);

  async function copy(): Promise<void> {
    await toClipboard(typeof text === "function" ? text() : text);
    copied.value = true;
    announce(t("copy.done"));
    window.setTimeout(() => {
      copied.value = false;
    }, 1800);
  }

  const caption = copied.value ? t("copy.done") : label;
  return (
    <button type="button" class={bare ? "button quiet square" : "button quiet"} onClick={copy} title={caption}>
      <Icon name={copied.value ? "check" : "copy"} />
      <span class={bare ? "unseen" : undefined}>{caption}</span>
    </button>
  );
}

async function toClipboard(text: string): Promise<void> {
  if (window.isSecureContext) return navigator.clipboard.writeText(text);
  // Served over plain HTTP from another machine there is no clipboard API, only the old way.
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- see above
  document.execCommand("copy");
  field.remove();
}
