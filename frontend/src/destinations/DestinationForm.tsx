import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import type { NewDestination } from "../api/types";
import { t } from "../i18n/i18n";
import { keep, test } from "./state";

const EMPTY = { name: "", token: "", bucket: "", endpoint_url: "", region: "", path_prefix: "", access: "", secret: "" };
type Field = keyof typeof EMPTY;

interface FrameProps {
  title: string;
  note: string;
  /** Whether it was kept; what was typed is emptied then. */
  save: () => Promise<boolean>;
  typed: { value: Record<Field, string> };
  children: ComponentChildren;
}

function Frame({ title, note, save, typed, children }: FrameProps) {
  const busy = useSignal(false);

  async function submit(): Promise<void> {
    busy.value = true;
    if (await save()) typed.value = { ...EMPTY };
    busy.value = false;
  }

  return (
    <form
      class="card destination-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy.value) void submit();
      }}
    >
      <h2>{title}</h2>
      <div class="destination-fields">
        <Line typed={typed} field="name" required pattern="[a-z0-9][a-z0-9_\-]*" />
        {children}
      </div>
      <p class="note">{note}</p>
      <button type="submit" class="button primary" aria-disabled={busy}>
        {t("destinations.save")}
      </button>
    </form>
  );
}

/** A new bucket, or new values for one of the same name. What is typed as a key stays in this form and goes once. */
export function DestinationForm() {
  const typed = useSignal({ ...EMPTY });

  async function save(): Promise<boolean> {
    const { name, access, secret, ...place } = typed.value;
    const body: NewDestination = { bucket: place.bucket.trim() };
    for (const field of ["endpoint_url", "region", "path_prefix"] as const) {
      if (place[field].trim()) body[field] = place[field].trim();
    }
    if (access || secret) {
      body.access_key_id = access.trim();
      body.secret_access_key = secret.trim();
    }
    const kept = await keep(name.trim(), body);
    if (kept) void test(name.trim());
    return kept;
  }

  return (
    <Frame title={t("destinations.add")} note={t("destinations.keys_note")} save={save} typed={typed}>
      <Line typed={typed} field="bucket" required />
      <Line typed={typed} field="endpoint_url" />
      <Line typed={typed} field="region" />
      <Line typed={typed} field="path_prefix" />
      <Line typed={typed} field="access" />
      <Line typed={typed} field="secret" hidden />
    </Frame>
  );
}

/** An account at the Hub, by a token of its own beside the server's. */
export function AccountForm() {
  const typed = useSignal({ ...EMPTY });
  const { name, token } = typed.value;
  const save = () => keep(name.trim(), { kind: "hub", token: token.trim() });
  return (
    <Frame title={t("destinations.add_account")} note={t("destinations.account_note")} save={save} typed={typed}>
      <Line typed={typed} field="token" hidden required />
    </Frame>
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
