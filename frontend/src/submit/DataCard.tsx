import { useSignal } from "@preact/signals";
import { size, whole } from "../format/amount";
import { locale, plural, t } from "../i18n/i18n";
import { Icon } from "../ui/Icon";
import { ProgressBar } from "../ui/ProgressBar";
import { lostCaptions } from "../upload/manifest";
import { fromDrop, fromInput, type PickedFolder } from "../upload/picking";
import type { Slot } from "./datasets";
import { begunWith, keepDays } from "./draft";
import { consent, dataTrouble, manifest, pick, picked, reading, slots } from "./state";

export function DataCard() {
  const found = slots.value;
  return (
    <section class="card" aria-labelledby="submit-data">
      <h2 id="submit-data">{t("submit.data")}</h2>
      {consent.value === "deny" && found.length > 0 && (
        <p class="banner">
          <Icon name="alert" size={20} />
          <span>{t("submit.denied")}</span>
        </p>
      )}
      <p class="note">{t(found.length > 0 ? "submit.data_about" : "submit.data_elsewhere")}</p>
      {begunWith.value && !manifest.value && <p>{t("submit.pick_again", { names: begunWith.value })}</p>}
      {found.map((slot) => (
        <FolderPicker key={slot.key} slot={slot} />
      ))}
      <ReadingLine />
      <p class="refusal" role="alert">
        {dataTrouble}
      </p>
      {found.length > 0 && <Keeping />}
    </section>
  );
}

const KEEP_DAYS = [1, 3, 7, 14];

/** Data that stays makes the next run send only what changed. */
function Keeping() {
  return (
    <label class="keeping">
      <span>{t("submit.keep_data")}</span>
      <select value={keepDays} onChange={(event) => (keepDays.value = event.currentTarget.value)}>
        <option value="">{t("submit.keep_none")}</option>
        {KEEP_DAYS.map((days) => (
          <option key={days} value={days}>
            {plural("submit.keep_days", days)}
          </option>
        ))}
      </select>
    </label>
  );
}

function FolderPicker({ slot }: { slot: Slot }) {
  const over = useSignal(false);
  const wrong = useSignal(false);
  const folder = picked.value[slot.key];
  const words = slot.label ? t("submit.pick_for", { dataset: slot.label }) : t("submit.pick");

  function take(chosen: PickedFolder | null): void {
    wrong.value = chosen === null;
    if (chosen) void pick(slot.key, chosen);
  }

  return (
    <div
      class="drop"
      data-over={over.value}
      onDragOver={(event) => {
        event.preventDefault();
        over.value = true;
      }}
      onDragLeave={() => (over.value = false)}
      onDrop={async (event) => {
        event.preventDefault();
        over.value = false;
        take(await fromDrop(event.dataTransfer));
      }}
    >
      <label class="button file-button">
        <Icon name="up" />
        {words}
        <input
          type="file"
          class="unseen"
          ref={(input) => input?.setAttribute("webkitdirectory", "")}
          onChange={(event) => {
            const chosen = fromInput(event.currentTarget.files);
            event.currentTarget.value = "";
            take(chosen);
          }}
        />
      </label>
      <span class="muted">{folder ? t("submit.picked", { name: folder.name }) : t("submit.or_drop")}</span>
      {wrong.value && (
        <p class="refusal" role="alert">
          {t("submit.no_folder")}
        </p>
      )}
    </div>
  );
}

function ReadingLine() {
  const [done, under] = [manifest.value, reading.value];
  if (done) {
    const lost = lostCaptions(done);
    return (
      <>
        <p data-testid="read">
          <Icon name="check" /> {plural("submit.files", done.entries.length)}, {size(done.totalBytes, locale.value)} ·{" "}
          {plural("submit.stays", done.heldBack.length)}
        </p>
        {lost.length > 0 && (
          <p class="refusal">{t("submit.lost_captions", { names: lost.slice(0, 5).join(", "), count: lost.length })}</p>
        )}
      </>
    );
  }
  if (!under || dataTrouble.value) return null;
  return (
    <>
      <ProgressBar
        label={t("submit.reading")}
        value={under.totalBytes > 0 ? (100 * under.bytes) / under.totalBytes : null}
      />
      <p class="note number">
        {t("submit.reading_of", {
          files: whole(under.files, locale.value),
          total: whole(under.totalFiles, locale.value),
          size: size(under.totalBytes, locale.value),
        })}
      </p>
    </>
  );
}
