import { known, t } from "../i18n/i18n";
import { Icon } from "../ui/Icon";
import { foreseen } from "./state";

/** How the data will reach the trainer, and what the server says of the job: known before the first byte leaves. */
export function ForeseenPart() {
  const found = foreseen.value;
  if (!found) return null;
  const { mode, why } = found.delivery;
  const way = `submit.way.${mode}`;
  const warnings = [...found.warnings, ...found.cost_limit_warnings];
  return (
    <section class="foreseen" aria-labelledby="submit-way" data-testid="foreseen" data-mode={mode}>
      <h3 id="submit-way">{t("submit.way")}</h3>
      {known(way) && <p>{t(way)}</p>}
      <p class="note">{why}</p>
      {warnings.length > 0 && (
        <>
          <h3 id="submit-warnings">{t("submit.warnings")}</h3>
          <ul class="remarks" aria-labelledby="submit-warnings">
            {warnings.map((warning) => (
              <li key={warning} data-weight="warning">
                <Icon name="alert" /> {warning}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
