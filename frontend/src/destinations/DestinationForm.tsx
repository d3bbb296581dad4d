import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import type { NewDestination } from "../api/types";
import { t } from "../i18n/i18n";
import { keep, test } from "./state";

const EMPTY = { name: "", token: "", bucket: "", endpoint_url: "", region: "", path_prefix: "", access: "", secret: "" };
type Field = keyof typeof EMPTY;

/** A new bucket, or new values for one of the same name. What is typed as a key stays in this form and goes once. */
export function DestinationForm() {
  const typed = useSignal({ ...EMPTY });
  const busy = useSignal(false);

  async function save(): Promise<void> {
    const { name, access, secret, ...place } = typed.value;
    const body: NewDestination = { bucket: place.bucket.trim() };
    for (const field of ["endpoint_url", "region", "path_prefix"] as const) {
      if (place[field].trim()) body[field] = place[field].trim();
    }
    if (access || secret) {
      body.access_key_id = access.trim();
      body.secret_access_key = secret.trim();
    }
    busy.value = true;
    const kept = await keep(name.trim(), body);
    busy.value = false;
    if (!kept) return;
    typed.value = { ...EMPTY };
    await test(name.trim());
  }

  return (
    <form
      class="card destination-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy.value) void save();
      }}
    >
      <h2>{t("destinations.add")}</h2>
      <div class="destination-fields">
        <Line typed={typed} field="name" required pattern="[a-z0-9][a-z0-9_\-]*" />
        <Line typed={typed} field="bucket" required />
        <Line typed={typed} field="endpoint_url" />
        <Line typed={typed} field="region" />
        <Line typed={typed} field="path_prefix" />
        <Line typed={typed} field="access" />
        <Line typed={typed} field="secret" hidden />
      </div>
      <p class="note">{t("destinations.keys_note")}</p>
      <button type="submit" class="button primary" aria-disabled={busy}>
        {t("destinations.save")}
      </button>
    </form>
  );
}

/** An account at the Hub, by a token of its own beside the server's. */
export function AccountForm() {
  const typed = useSignal({ ...EMPTY });
  const busy = useSignal(false);

  async function save(): Promise<void> {
    const { name, token } = typed.value;
    busy.value = true;
    if (await keep(name.trim(), { kind: "hub", token: token.trim() })) typed.value = { ...EMPTY };
    busy.value = false;
  }

  return (
    <form
      class="card destination-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy.value) void save();
      }}
    >
      <h2>{t("destinations.add_account")}</h2>
      <div class="destination-fields">
        <Line typed={typed} field="name" required pattern="[a-z0-9][a-z0-9_\-]*" />
        <Line typed={typed} field="token" hidden required />
      </div>
      <p class="note">{t("destinations.account_note")}</p>
      <button type="submit" class="button primary" aria-disabled={busy}>
        {t("destinations.save")}
      </button>
    </form>
  );
}

interface LineProps {
  typed: { value: Record<Field, string> };
  field: Field;
  hidden?: boolean;
  required?: boolean;
  pattern?: string;
}

function Line({ typed, field, hidden = false, required = false, pattern }: LineProps) {
  const id = useId();
  const shared = {
    id,
    autocomplete: "off",
    spellcheck: false,
    required,
    pattern,
    value: typed.value[field],
    onInput: (event: { currentTarget: HTMLInputElement }) => {
      typed.value = { ...typed.value, [field]: event.currentTarget.value };
    },
  } as const;
  return (
    <div>
      <label for={id}>{t(`destinations.field.${field}`)}</label>
      {hidden ? <input type="password" {...shared} /> : <input type="text" {...shared} />}
    </div>
  );
}
