import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { size, whole } from "../format/amount";
import { known, locale, plural, t } from "../i18n/i18n";
import { Icon } from "../ui/Icon";
import { ProgressBar } from "../ui/ProgressBar";
import { lostCaptions } from "../upload/manifest";
import { fromDrop, fromHandle, fromInput, type OnFound, type PickedFolder } from "../upload/picking";
import type { Slot } from "./datasets";
import { delivery, keepDays, trigger } from "./draft";
import { KeptFolders } from "./KeptFolders";
import { Remarks } from "./Remarks";
import { consent, dataTrouble, deliveries, look, looking, manifest, pick, picked, reading, slots } from "./state";

export function DataCard() {
  const found = slots.value;
  return (
    <section class="card" aria-labelledby="submit-data">
      <h2 id="submit-data" tabIndex={-1}>{t("submit.data")}</h2>
      {consent.value === "deny" && found.length > 0 && (
        <p class="banner">
          <Icon name="alert" size={20} />
          <span>{t("submit.denied")}</span>
        </p>
      )}
      <p class="note">{t(found.length > 0 ? "submit.data_about" : "submit.data_elsewhere")}</p>
      <KeptFolders />
      {found.map((slot) => (
        <FolderPicker key={slot.key} slot={slot} />
      ))}
      <ReadingLine />
      {manifest.value && <Remarks />}
      <p class="refusal" role="alert">
        {dataTrouble}
      </p>
      <Trigger />
      {found.length > 0 && <Keeping />}
      {found.length > 0 && <Delivery />}
    </section>
  );
}

function Trigger() {
  const about = useId();
  return (
    <div class="trigger">
      <label>
        <span>{t("submit.trigger")}</span>
        <input
          type="text"
          maxLength={500}
          autocomplete="off"
          aria-describedby={about}
          value={trigger}
          onInput={(event) => (trigger.value = event.currentTarget.value)}
        />
      </label>
      <p id={about} class="note">
        {t("submit.trigger_about")}
      </p>
    </div>
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

/** What the server lists. A way that is closed is refused before anything is sent, with the reason. */
function Delivery() {
  const ways = deliveries.value.filter((way) => way !== "auto");
  return (
    <label class="keeping">
      <span>{t("submit.way")}</span>
      <select value={delivery.value} onChange={(event) => (delivery.value = event.currentTarget.value)}>
        <option value="">{t("submit.by.auto")}</option>
        {ways.map((way) => {
          const key = `submit.by.${way}`;
          return (
            <option key={way} value={way}>
              {known(key) ? t(key) : way}
            </option>
          );
        })}
      </select>
    </label>
  );
}

/** Elsewhere the browser's dialog hides names that Windows could not have, such as `12:30.png`, and nothing tells of it. */
let pickerOpens = /windows/i.test(navigator.userAgent);

/** Says null, as for something that is no folder: what was chosen is gone, or may not be read. */
function nothingThere(error: unknown): null {
  if (error instanceof DOMException) return null;
  throw error;
}

function FolderPicker({ slot }: { slot: Slot }) {
  const over = useSignal(false);
  const wrong = useSignal(false);
  const folder = picked.value[slot.key];
  const words = slot.label ? t("submit.pick_for", { dataset: slot.label }) : t("submit.pick");

  async function take(walk: (onFound: OnFound) => Promise<PickedFolder | null>): Promise<void> {
    const chosen = await look(walk).catch(nothingThere);
    wrong.value = chosen === null;
    if (chosen) await pick(slot.key, chosen);
  }

  /** A folder from this dialog can be found again after a reload. Where it does not open, the input's does. */
  async function choose(input: HTMLInputElement): Promise<void> {
    try {
      const handle = await window.showDirectoryPicker?.({ id: "stcloud-data", mode: "read" });
      if (handle) await take((onFound) => fromHandle(handle, onFound));
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      if (error.name === "AbortError") return;
      pickerOpens = false;
      input.click();
    }
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
        await take((onFound) => fromDrop(event.dataTransfer, onFound));
      }}
    >
      <label class="button file-button">
        <Icon name="up" />
        {words}
        <input
          type="file"
          class="unseen"
          ref={(input) => input?.setAttribute("webkitdirectory", "")}
          onClick={(event) => {
            if (!pickerOpens || !window.showDirectoryPicker) return;
            event.preventDefault();
            void choose(event.currentTarget);
          }}
          onChange={(event) => {
            const chosen = fromInput(event.currentTarget.files);
            event.currentTarget.value = "";
            void take(() => Promise.resolve(chosen));
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
  if (looking.value !== null) {
    return (
      <>
        <ProgressBar label={t("submit.looking")} value={null} />
        <p class="note number">
          {t("submit.looking")}: {plural("submit.files", looking.value)}
        </p>
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
