import type { Signal } from "@preact/signals";
import { useId } from "preact/hooks";
import { t } from "../i18n/i18n";
import { Icon } from "../ui/Icon";
import { ConsentChoice, loadConsent } from "./ConsentChoice";
import { LANGUAGES, language, THEMES, theme } from "./preferences";

const ID = "settings";

/** The browser's own popover: Escape, a click outside and the way back of the focus come with it. */
export function SettingsPopover() {
  return (
    <>
      <button type="button" class="button quiet" popovertarget={ID} aria-haspopup="dialog">
        <Icon name="gear" size={18} />
        {t("settings.title")}
      </button>
      <div
        id={ID}
        popover="auto"
        role="dialog"
        aria-label={t("settings.title")}
        class="settings"
        onToggle={(event) => {
          if (event.newState === "open") void loadConsent();
        }}
      >
        <Choice legend={t("settings.language")} options={LANGUAGES} chosen={language} word={(one) => t(`language.${one}`)} />
        <Choice legend={t("settings.theme")} options={THEMES} chosen={theme} word={(one) => t(`theme.${one}`)} />
        <ConsentChoice />
      </div>
    </>
  );
}

interface ChoiceProps<T extends string> {
  legend: string;
  options: readonly T[];
  chosen: Signal<T>;
  word: (option: T) => string;
}

function Choice<T extends string>({ legend, options, chosen, word }: ChoiceProps<T>) {
  const name = useId();
  return (
    <fieldset>
      <legend>{legend}</legend>
      <div class="segments">
        {options.map((option) => (
          <label key={option}>
            <input
              type="radio"
              name={name}
              value={option}
              checked={chosen.value === option}
              onChange={() => {
                chosen.value = option;
              }}
            />
            <span>{word(option)}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
