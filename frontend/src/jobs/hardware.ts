/** The vendors' names for what they rent out: `l40s` is an order number, `NVIDIA L40S (48 GB)` is what it is. */
import { signal } from "@preact/signals";
import { api } from "../api/api";
import { ApiError } from "../api/client";
import type { Job } from "../api/types";

const names = signal<ReadonlyMap<string, string>>(new Map());
let asking = false;

/** Asks once for the whole visit. Without an answer the order numbers are shown, and the next round asks again. */
export async function loadHardware(): Promise<void> {
  if (asking || names.value.size > 0) return;
  asking = true;
  try {
    names.value = new Map((await api.hardware()).map((one) => [one.id, one.name]));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  } finally {
    asking = false;
  }
}

export function hardware(job: Job): string | null {
  const id = job.hardware_profile ?? job.hardware_type;
  return (id && names.value.get(id)) || job.hardware_type || job.hardware_profile;
}
