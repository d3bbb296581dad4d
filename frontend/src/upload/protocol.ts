/** The upload protocol of docs/api.md, "Uploads", as far as a browser speaks it. */
import type { Range } from "./copies";
import type { Summary } from "./manifest";

export interface Session {
  upload_id: string;
  state: "open" | "complete" | "used" | "discarding" | "aborted" | "deleted";
  part_bytes: number;
  part_count: number;
  /** Parts 1 to this one are copied inside the store, and the others sent from `copied_bytes` on. */
  copied_parts: number;
  copied_bytes: number;
  parts: { part_number: number; size: number; etag: string }[];
  manifest_url: string | null;
}

export interface PartLink {
  part_number: number;
  url: string;
  expires_in: number;
}

/** The last upload of the same datasets. */
export interface Latest {
  upload_id: string;
  root: string;
  sent_at: string;
  manifest_url: string | null;
  copyable: boolean;
}

export interface Earlier {
  agreed_at: string | null;
  /** An upload of exactly this data that is there still. */
  kept: { upload_id: string; expires_at: string } | null;
  latest: Latest | null;
}

export interface CopyFrom {
  upload_id: string;
  ranges: Range[];
}

type Ask = <T>(method: string, path: string, body?: unknown) => Promise<T>;

export function uploadProtocol(ask: Ask) {
  const at = (id: string) => `/uploads/${encodeURIComponent(id)}`;
  return {
    earlier: (root: string, datasets: string[]) =>
      ask<Earlier>("GET", `/data-consent/earlier?${new URLSearchParams({ root, datasets: datasets.join(",") })}`),
    openUpload: (manifest: Summary, archiveBytes: number, consented: boolean, copyFrom: CopyFrom | null) =>
      ask<Session>("POST", "/uploads", {
        manifest,
        archive_bytes: archiveBytes,
        ...(copyFrom && { copy_from: copyFrom }),
        ...(consented && { consent: { root: manifest.root } }),
      }),
    upload: (id: string) => ask<Session>("GET", at(id)),
    /** Copies for a while inside the store; to be asked again until nothing is left. */
    copyParts: (id: string) => ask<{ copied: number; left: number }>("POST", `${at(id)}/copies`, {}),
    partLinks: async (id: string, numbers: number[]) =>
      (await ask<{ parts: PartLink[] }>("POST", `${at(id)}/parts`, { part_numbers: numbers })).parts,
    completeUpload: (id: string, parts: { part_number: number; etag: string }[]) =>
      ask<{ state: string }>("POST", `${at(id)}/complete`, { parts }),
    abortUpload: (id: string) => ask<{ success: boolean }>("DELETE", at(id)),
  };
}

export type UploadProtocol = ReturnType<typeof uploadProtocol>;
