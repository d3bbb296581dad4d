/** The order of a job as the draft has it now, and the question what would become of it. */
import { api } from "../api/api";
import type { Foreseen, NewJob } from "../api/types";
import { imageCount, type Manifest } from "../upload/manifest";
import type { PickedFolder } from "../upload/picking";
import { dollars } from "./amounts";
import { packing, withTrigger } from "./datasets";
import { readConfig, readDataloader, readLycoris } from "./documents";
import { ceiling, configText, dataloaderText, delivery, goesOn, jobName, keepDays } from "./draft";
import { lycorisText, machineId, startOf, startText, trigger } from "./draft";
import { newKey, type Order } from "./unanswered";

type Picked = Partial<Record<string, PickedFolder>>;

const USUAL_PROVIDER = "replicate";

/** `usualName` is for a job that was not given one; without an `uploadId` no data of this machine goes with it. */
export function newOrder(picked: Picked, usualName: string | undefined, uploadId: string | undefined): Order {
  const { provider, job } = wanted(picked, usualName, uploadId !== undefined);
  return {
    provider,
    at: Date.now(),
    job: { ...job, idempotency_key: newKey(), ...(uploadId !== undefined && { upload_id: uploadId }) },
  };
}

/** Throws an `ApiError` for what would be refused once the data is there. */
export function foresee(picked: Picked, found: Manifest): Promise<Foreseen> {
  const { provider, job } = wanted(picked, found.datasets[0]?.id, true);
  const data = { image_count: imageCount(found), file_count: found.entries.length, total_bytes: found.totalBytes };
  return api.foresee(provider, { ...job, data });
}

function wanted(
  picked: Picked,
  usualName: string | undefined,
  hasData: boolean,
): { provider: string; job: Omit<NewJob, "idempotency_key"> } {
  const packed = packing(readDataloader(dataloaderText.value), picked);
  const { config, dataloader } = withTrigger(readConfig(configText.value), packed.dataloader, trigger.value);
  const lycoris = readLycoris(lycorisText.value);
  const [provider = USUAL_PROVIDER, hardware] = machineId.value ? machineId.value.split("/") : [];
  const name = jobName.value.trim() || usualName;
  const most = dollars(ceiling.value);
  const start = startOf(startText.value);
  const job = {
    config,
    ...(name && { config_name: name }),
    ...(hardware && { hardware_profile: hardware }),
    ...(most !== null && { max_cost_usd: most }),
    ...(start && { resume_job_id: start.job, from_step: start.step }),
    ...(goesOn.value && { continue_after_cap: goesOn.value === "yes" }),
    ...(hasData && keepDays.value !== "" && { keep_data_days: Number(keepDays.value) }),
    ...(hasData && delivery.value !== "" && { delivery: delivery.value }),
    ...(dataloader && { dataloader_config: dataloader }),
    ...(lycoris && { lycoris_config: lycoris }),
  };
  return { provider, job };
}
