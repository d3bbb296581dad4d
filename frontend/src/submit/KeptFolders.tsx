import { t } from "../i18n/i18n";
import { Icon } from "../ui/Icon";
import { begunWith } from "./draft";
import { forget, goOn, heldUp, lost, waiting } from "./kept";
import { looking, manifest, reading } from "./state";

/** What became of the folders of a draft that a reload has interrupted, and how to go on. */
export function KeptFolders() {
  const names = waiting.value.map(({ handle }) => handle.name).join(", ");
  const isReading = looking.value !== null || (reading.value !== null && !manifest.value);
  return (
    <div class="kept" data-testid="kept">
      <div role="status">
        <Story names={names} isReading={isReading} />
      </div>
      <div role="alert">
        {lost.value.map(({ slot, handle, why }) => (
          <p key={slot} class="refusal">
            {t(`submit.kept_${why}`, { name: handle.name })} {begunWith.value && t("submit.kept_rest")}
          </p>
        ))}
      </div>
      {(names !== "" || lost.value.length > 0) && (
        <div class="kept-actions">
          {names !== "" && (
            <button type="button" class="button primary" onClick={() => leave(goOn())}>
              <Icon name="next" />
              {t("submit.kept_go_on", { names })}
            </button>
          )}
          <button type="button" class="button" onClick={() => leave(forget())}>
            {t("submit.forget")}
          </button>
        </div>
      )}
    </div>
  );
}

/** The button goes away with what it does, and the keyboard would start from nowhere. */
function leave(underway: Promise<void>): void {
  void underway;
  document.getElementById("submit-data")?.focus({ preventScroll: true });
}

function Story({ names, isReading }: { names: string; isReading: boolean }) {
  const begun = begunWith.value;
  if (heldUp.value) return <p>{t(`submit.held_${heldUp.value}`, { names: begun })}</p>;
  if (manifest.value || lost.value.length > 0) return null;
  if (names) return <p>{t(begun ? "submit.kept_begun" : "submit.kept_chosen", { names: begun || names })}</p>;
  if (!begun) return null;
  return <p>{t(isReading ? "submit.kept_reading" : "submit.pick_again", { names: begun })}</p>;
}
