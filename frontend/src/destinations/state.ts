/** What the server knows of destinations, and what this page has asked it to do. */
import { signal } from "@preact/signals";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import type { Destinations, NewDestination, TestedDestination } from "../api/types";
import { t } from "../i18n/i18n";
import { announce } from "../ui/announcer";
import { explain } from "../ui/Trouble";

export const known = signal<Destinations | null>(null);
export const refused = signal("");
/** The result of the newest test of each destination, step by step. */
export const tested = signal<Record<string, TestedDestination>>({});
export const testing = signal<string | null>(null);

export async function load(): Promise<void> {
  await attempt(async () => {
    known.value = await api.destinations();
  });
}

export async function keep(name: string, body: NewDestination): Promise<boolean> {
  return attempt(async () => {
    await api.keepDestination(name, body);
    known.value = await api.destinations();
    announce(t("destinations.kept", { name }));
  });
}

export async function test(name: string): Promise<void> {
  testing.value = name;
  await attempt(async () => {
    const found = await api.testDestination(name);
    tested.value = { ...tested.value, [name]: found };
    announce(found.detail);
    known.value = await api.destinations();
  });
  testing.value = null;
}

/** An ApiError is for the dialog that asked. */
export async function remove(name: string): Promise<void> {
  await api.removeDestination(name);
  known.value = await api.destinations();
}

export async function choose(names: string[]): Promise<void> {
  const before = known.value;
  if (before) known.value = { ...before, default: names };
  const kept = await attempt(async () => {
    const chosen = await api.chooseDestinations(names);
    if (known.value) known.value = { ...known.value, default: chosen };
    announce(t("settings.saved"));
  });
  if (!kept) known.value = before;
}

async function attempt(work: () => Promise<void>): Promise<boolean> {
  refused.value = "";
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    refused.value = explain(error);
    return false;
  }
}
