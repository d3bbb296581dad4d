import { whole } from "../format/amount";
import { locale, t } from "../i18n/i18n";
import { Icon } from "../ui/Icon";
import { captionFromName } from "../upload/captions";
import { printable } from "../upload/order";
import { type Remark, weightOf } from "../upload/remarks";
import { skipsDiscovery } from "./datasets";
import { readObject } from "./documents";
import { configText } from "./draft";
import { listed, remarks } from "./state";

/** What is wrong with captions and pictures, each with what to do; read out as it changes. */
export function Remarks() {
  const skips = skipsDiscovery(readObject(configText.value), listed());
  return (
    <ul class="remarks" aria-label={t("submit.remarks")} aria-live="polite">
      {remarks.value.map((one) => {
        const weight = weightOf(one.sign);
        return (
          <li key={`${one.sign} ${one.dataset}`} class={weight === "note" ? "note" : "refusal"} data-weight={weight}>
            <Icon name={weight === "note" ? "check" : "alert"} /> {words(one)}
          </li>
        );
      })}
      {skips && (
        <li class="refusal" data-weight="warning">
          <Icon name="alert" /> {t("submit.remark.skips")}
        </li>
      )}
    </ul>
  );
}

function words({ sign, dataset, count, total, names, told }: Remark): string {
  return t(`submit.remark.${sign}`, {
    dataset,
    told,
    count: whole(count, locale.value),
    total: whole(total, locale.value),
    names: names.map(printable).join(", ") + (count > names.length ? ", …" : ""),
    example: names[0] ? captionFromName(names[0]) : "",
  });
}
