import { t } from "../i18n/i18n";
import { imageCount } from "../upload/manifest";
import { dollars } from "./amounts";
import { type Options, readDataloader, readObject, Unusable } from "./documents";
import { ceiling, configText, dataloaderText, goesOn, machineId } from "./draft";
import { EstimatePanel } from "./EstimatePanel";
import { manifest } from "./state";

export function MachineCard() {
  const found = manifest.value;
  return (
    <section class="card" aria-label={t("submit.machine")}>
      <EstimatePanel
        config={readObject(configText.value)}
        dataloader={readable(dataloaderText.value)}
        data={
          found && {
            images: imageCount(found),
            files: found.entries.length,
            bytes: found.totalBytes,
          }
        }
        chosen={machineId.value}
        onChoose={(machine) => (machineId.value = machine)}
      />
      <div class="new-more">
        <label>
          <span>{t("submit.ceiling")}</span>
          <input
            type="text"
            inputMode="decimal"
            autocomplete="off"
            value={ceiling}
            aria-invalid={ceiling.value.trim() !== "" && dollars(ceiling.value) === null}
            onInput={(event) => (ceiling.value = event.currentTarget.value)}
          />
        </label>
        <label>
          <span>{t("submit.goes_on")}</span>
          <select value={goesOn.value} onChange={(event) => (goesOn.value = event.currentTarget.value)}>
            <option value="">{t("submit.goes_on_usual")}</option>
            <option value="yes">{t("submit.goes_on_yes")}</option>
            <option value="no">{t("submit.goes_on_no")}</option>
          </select>
        </label>
      </div>
    </section>
  );
}

function readable(text: string): Options[] {
  try {
    return readDataloader(text) ?? [];
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return [];
  }
}
