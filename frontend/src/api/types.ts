/** The shapes of docs/api.md, no more and no less than this tab reads. */

export const STATUSES = ["pending", "uploading", "queued", "running", "completed", "failed", "cancelled"] as const;
export type Status = (typeof STATUSES)[number];

export const PHASES = [
  "pending",
  "uploading",
  "queued",
  "launching",
  "starting",
  "running",
  "delivering",
  "cancelling",
  "completed",
  "failed",
  "cancelled",
] as const;
export type Phase = (typeof PHASES)[number];

export interface Job {
  job_id: string;
  provider: string | null;
  status: Status;
  phase: Phase | null;
  config_name: string | null;
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  cost_micros: number | null;
  cost_is_final: boolean;
  price_micros_per_second: number | null;
  hardware_type: string | null;
  hardware_profile: string | null;
  error_message: string | null;
  reason: string | null;
  metadata: JobMetadata;
  is_terminal: boolean;
  is_active: boolean;
  duration_seconds: number | null;
  queue_position?: number | null;
  cancel_requested: boolean;
  ceiling_micros?: number | null;
  projection?: Projection | null;
  stall?: Stall | null;
  attempt?: Attempt;
}

/** Where a job stands among those that train one thing, each going on from a checkpoint of the one before it. */
export interface Attempt {
  number: number;
  continue_after_cap: boolean;
  deciding: boolean;
  next_job_id: string | null;
  earlier_cost_micros: number;
  resumed_from: { job_id: string; step: number } | null;
}

export interface Checkpoint {
  step: number;
  name: string;
  complete: boolean;
  missing: string[];
  files: number;
  bytes: number;
}

export interface Saved {
  checkpoints: Checkpoint[];
  steps: {
    began_at: number;
    done: number | null;
    total: number | null;
    saved: number | null;
    at_risk: number | null;
    paid_micros: number | null;
    at_risk_micros: number | null;
  };
}

export interface Projection {
  low_micros: number;
  high_micros: number;
  ends_low: string | null;
  ends_high: string | null;
  ceiling_micros: number | null;
  fits: "yes" | "perhaps" | "no" | null;
  basis: "pace" | "estimate";
}

export interface Stall {
  code: string;
  since: string;
  detail: string;
  advice: string;
}

export interface Arrival {
  name: string;
  kind: "store" | "s3" | "hub";
  place: string;
  state: "promised" | "arrived" | "verified" | "missing" | "error" | "sending" | "failed";
  files: number;
  bytes: number;
  missing: string[];
  error: string | null;
  url: string | null;
  checked_at: string | null;
  /** How far this system has sent the model there itself; null where only the trainer has sent. */
  sending?: { sent_bytes: number; total_bytes: number } | null;
}

export interface Destination {
  name: string;
  kind: "s3" | "hub";
  /** Whose token it is, at the Hub. */
  account: string | null;
  bucket: string | null;
  region: string | null;
  endpoint_url: string | null;
  path_prefix: string;
  access_key_hint: string;
  test_passed: boolean | null;
  test_detail: string | null;
}

export interface Destinations {
  destinations: Destination[];
  default: string[];
}

/** Keys that are left out stay as they were. */
export interface NewDestination {
  kind?: "s3" | "hub";
  token?: string;
  bucket?: string;
  endpoint_url?: string;
  region?: string;
  path_prefix?: string;
  access_key_id?: string;
  secret_access_key?: string;
}

export interface TestedDestination {
  success: boolean;
  detail: string;
  steps: { name: string; passed: boolean; detail: string }[];
}

export interface JobMetadata {
  destinations?: Arrival[];
  prediction_id?: string | null;
  tracker_run_name?: string | null;
  upload_id?: string | null;
  warnings?: string[];
  deadline_seconds?: number | null;
  links?: Record<string, string>;
  config_fingerprint?: string | null;
  model_version?: string | null;
  max_run_minutes?: number | null;
  keep_data_days?: number | null;
}

export interface RemovedObject {
  bucket: string;
  key: string;
  size: number;
  deleted_at: string | null;
  absent_at: string | null;
}

/** What data a job sent, and the proof that it is gone. */
export interface DataReceipt {
  job_id: string;
  upload_id: string | null;
  state: "none" | "in_use" | "kept" | "deleting" | "deleted";
  keep_until: string | null;
  manifest: {
    root: string;
    file_count: number;
    archive_bytes: number;
    verified: boolean;
    url: string | null;
  } | null;
  receipt: { complete: boolean; object_count: number; total_bytes: number; objects: RemovedObject[] } | null;
}

export interface JobPage {
  jobs: Job[];
  total: number;
  limit: number;
  offset: number;
}

export interface JobEvent {
  at: string;
  kind: string;
  status: Status | null;
  phase: Phase | null;
  reason: string | null;
  message: string | null;
  by: string | null;
}

export interface LogPiece {
  logs: string;
  offset: number;
  next_offset: number;
  complete: boolean;
}

export interface InlineProgress {
  stage: string | null;
  last_log: string | null;
  progress: number | null;
  step: number | null;
  total_steps: number | null;
  loss: number | null;
  learning_rate: number | null;
  eta_seconds: number | null;
}

export interface MetricPoint {
  step: number;
  loss: number;
  learning_rate: number | null;
}

export interface Metrics {
  points: MetricPoint[];
  total_steps: number | null;
  /** The step of the checkpoint that the run went on from; 0 for none. */
  began_at?: number;
}

export interface Artifact {
  name: string;
  key: string;
  size: number;
  etag: string;
  last_modified: string;
  url: string;
  is_model: boolean;
}

export interface ArtifactList {
  artifacts: Artifact[];
  total_size: number;
}

/** A tar of a job's files; `url` is null while the store puts it together. */
export interface Bundle {
  digest: string;
  filename: string;
  done_bytes: number;
  total_bytes: number;
  url: string | null;
}

export interface CancelAnswer {
  status: Status;
  confirmed: boolean;
  detail?: string;
}

export interface HardwareOption {
  id: string;
  name: string;
}

export const CONSENTS = ["ask", "allow", "deny"] as const;
export type Consent = (typeof CONSENTS)[number];

export interface DataSetting {
  consent: Consent;
  /** The ways by which data may reach a trainer, of which `auto` is the server's own choice. */
  deliveries: string[];
}

export interface ConfigDifference {
  path: string;
  kind: "added" | "removed" | "changed";
  before: unknown;
  after: unknown;
}

export interface JobConfig {
  config: Record<string, unknown>;
  dataloader_config: Record<string, unknown>[];
  lycoris_config: Record<string, unknown> | null;
  snapshot: {
    abbrev: string | null;
    branch: string | null;
    was_dirty: boolean;
    committed: boolean;
    name: string | null;
    error: string | null;
  } | null;
  /** From the other job to this one; only when there is another to compare with. */
  differences?: ConfigDifference[];
}

export const PERIODS = ["daily", "weekly", "monthly"] as const;
export type Period = (typeof PERIODS)[number];

export const ACTIONS = ["warn", "block", "stop"] as const;
export type LimitAction = (typeof ACTIONS)[number];

export interface Limit {
  scope: string;
  enabled: boolean;
  limit_micros: number;
  spent_micros: number;
  held_micros: number;
  percent_used: number;
  period: Period;
  action: LimitAction;
  is_exceeded: boolean;
  is_warning: boolean;
  starts_at: string;
  resets_at: string;
}

export interface Spending {
  total_cost_micros: number;
  held_micros: number;
  wasted_micros: number;
  job_count: number;
  active_jobs: number;
  avg_job_duration_seconds: number | null;
  success_rate: number | null;
  cost_by_day: { date: string; total_jobs: number; spent_micros: number }[];
  spend_by_day: { date: string; provider: string; spent_micros: number; held_micros: number }[];
}

export interface Machine {
  id: string;
  label: string;
  gpu_count: number;
  vram_gb: number;
  micros_per_second: number;
  as_of: string;
}

export interface Provider {
  id: string;
  name: string;
  description: string;
  configured: boolean;
  coming_soon: boolean;
  /** What is missing, in the server's words. */
  detail: string | null;
  supports: string[];
  hardware_profile: string | null;
  hardware_profiles: Machine[];
}

export interface Validated {
  valid: boolean;
  username: string | null;
  error: string | null;
}

export interface Cheaper {
  provider: string;
  hardware: string;
  label: string;
  seconds: number;
  micros: number;
  as_of: string;
}

export interface Receipt {
  job_id: string;
  cost_micros: number | null;
  cost_is_final: boolean;
  estimate_low_micros: number | null;
  estimate_high_micros: number | null;
  against_estimate: "below" | "within" | "above" | null;
  off_percent: number | null;
  stages: { name: string; seconds: number }[];
  steps: number | null;
  seconds_per_step: number | null;
  wasted_micros: number;
  cheaper: Cheaper[];
  complete: boolean;
}

export interface Estimate {
  low_micros: number;
  high_micros: number;
  low_seconds: number;
  high_seconds: number;
  how: string[];
}

export interface PricedOffer {
  id: string;
  name: string;
  provider: string;
  micros_per_second: number;
  configured: boolean;
  /** Null when nobody knows how much memory the job needs. */
  fits: boolean | null;
  cheapest: boolean;
  fastest: boolean;
  estimate: Estimate | null;
}

export interface CostEstimate {
  message: string | null;
  offers: PricedOffer[];
}

export interface CostQuestion {
  config: Record<string, unknown>;
  dataloader_config: Record<string, unknown>[];
  image_count?: number;
  file_count?: number;
  total_bytes?: number;
}

/** The body of `POST /api/cloud/jobs`, as this tab sends it. */
export interface NewJob {
  config: Record<string, unknown>;
  idempotency_key: string;
  config_name?: string;
  hardware_profile?: string;
  max_cost_usd?: number;
  keep_data_days?: number;
  resume_job_id?: string;
  from_step?: number;
  continue_after_cap?: boolean;
  dataloader_config?: Record<string, unknown>[];
  lycoris_config?: Record<string, unknown>;
  upload_id?: string;
  delivery?: string;
}

/** The body of `POST /api/cloud/jobs/check`: a job without its data, which is only told of. */
export interface CheckedJob extends Omit<NewJob, "idempotency_key" | "upload_id"> {
  data: { image_count: number; file_count: number; total_bytes: number };
}

export interface Foreseen {
  delivery: { mode: string; why: string };
  warnings: string[];
  cost_limit_warnings: string[];
}
