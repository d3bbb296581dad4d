/** Where the reader is, kept in the hash so that any static host can serve the tab from any path. */
import { computed, signal } from "@preact/signals";
import { STATUSES, type Status } from "./api/types";

export type Place =
  | { page: "jobs"; status: Status | null; offset: number }
  | { page: "job"; id: string }
  | { page: "new"; from: string | null; step: number | null }
  | { page: "spending" }
  | { page: "providers" }
  | { page: "destinations" }
  | { page: "nowhere" };

const hash = signal(location.hash);

export const place = computed(() => read(hash.value));

window.addEventListener("hashchange", () => {
  hash.value = location.hash;
});

export function read(text: string): Place {
  const [path = "", query = ""] = text.replace(/^#\/?/, "").split("?", 2);
  const [room = "", name = "", ...deeper] = path.split("/");
  if (deeper.some(Boolean)) return { page: "nowhere" };
  if (room === "" || (room === "jobs" && name === "")) {
    const wishes = new URLSearchParams(query);
    const status = STATUSES.find((word) => word === wishes.get("status")) ?? null;
    const offset = Number(wishes.get("offset") ?? 0);
    return { page: "jobs", status, offset: Number.isSafeInteger(offset) && offset > 0 ? offset : 0 };
  }
  if (room === "new" && name === "") {
    const wishes = new URLSearchParams(query);
    const step = Number(wishes.get("step") ?? NaN);
    return { page: "new", from: wishes.get("from"), step: Number.isSafeInteger(step) && step >= 0 ? step : null };
  }
  if (room === "spending" && name === "") return { page: "spending" };
  if (room === "providers" && name === "") return { page: "providers" };
  if (room === "destinations" && name === "") return { page: "destinations" };
  if (room !== "jobs") return { page: "nowhere" };
  try {
    return { page: "job", id: decodeURIComponent(name) };
  } catch {
    return { page: "nowhere" };
  }
}

export function jobLink(id: string): string {
  return `#/jobs/${encodeURIComponent(id)}`;
}

export function jobsLink(status: Status | null = null, offset = 0): string {
  const query = new URLSearchParams();
  if (status) query.set("status", status);
  if (offset > 0) query.set("offset", String(offset));
  return query.size > 0 ? `#/jobs?${query}` : "#/jobs";
}

export function destinationsLink(): string {
  return "#/destinations";
}

/** `from` names a job whose config is to begin with, and `step` a checkpoint of it to go on from. */
export function newJobLink(from: string | null = null, step: number | null = null): string {
  if (from === null) return "#/new";
  return `#/new?${new URLSearchParams(step === null ? { from } : { from, step: String(step) })}`;
}

export function spendingLink(): string {
  return "#/spending";
}

export function providersLink(): string {
  return "#/providers";
}

export function go(link: string): void {
  location.hash = link;
}
