/** The upload protocol of docs/api.md, "Uploads", as far as a browser speaks it. */
import type { Summary } from "./manifest";

export interface Session {
  upload_id: string;
  state: "open" | "complete" | "used" | "discarding" | "aborted" | "deleted";
  part_bytes: number;
  part_count: number;
  parts: { part_number: number; size: number; etag: string }[];
  manifest_url: string | null;
}

export interface PartLink {
  part_number: number;
  url: string;
  expires_in: number;
}

export interface Earlier {
  agreed_at: string | null;
}

type Ask = <T>(method: string, path: string, body?: unknown) => Promise<T>;

export function uploadProtocol(ask: Ask) {
  const at = (id: string) => `/uploads/${encodeURIComponent(id)}`;
  return {
    earlier: (root: string, datasets: string[]) =>
      ask<Earlier>("GET", `/data-consent/earlier?${new URLSearchParams({ root, datasets: datasets.join(",") })}`),
    openUpload: (manifest: Summary, archiveBytes: number, consented: boolean) =>
      ask<Session>("POST", "/uploads", {
        manifest,
        archive_bytes: archiveBytes,
        ...(consented && { consent: { root: manifest.root } }),
      }),
    upload: (id: string) => ask<Session>("GET", at(id)),
    partLinks: async (id: string, numbers: number[]) =>
      (await ask<{ parts: PartLink[] }>("POST", `${at(id)}/parts`, { part_numbers: numbers })).parts,
    completeUpload: (id: string, parts: { part_number: number; etag: string }[]) =>
      ask<{ state: string }>("POST", `${at(id)}/complete`, { parts }),
    abortUpload: (id: string) => ask<{ success: boolean }>("DELETE", at(id)),
  };
}

export type UploadProtocol = ReturnType<typeof uploadProtocol>;
