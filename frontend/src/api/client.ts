/**
 * The one door to the API.
 *
 * Every failure leaves as an ApiError: `unreachable` when nothing answered, `timeout` when it took too long, and else
 * the code and the next step that the server sent as problem+json.
 */
import type {
  Arrival,
  ArtifactList,
  Bundle,
  CancelAnswer,
  CheckedJob,
  Consent,
  CostEstimate,
  CostQuestion,
  DataReceipt,
  DataSetting,
  Destinations,
  Foreseen,
  HardwareOption,
  InlineProgress,
  Job,
  JobConfig,
  JobEvent,
  JobPage,
  Limit,
  LimitAction,
  LogPiece,
  Metrics,
  Period,
  Provider,
  Spending,
  NewDestination,
  NewJob,
  Receipt,
  Saved,
  Status,
  Validated,
  TestedDestination,
} from "./types";
import { uploadProtocol } from "../upload/protocol";

const TIMEOUT_MS = 20_000;
/** A submit launches the run, and a completion joins thousands of parts. */
const LONG_TIMEOUT_MS = 90_000;

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    /** What to do next, in the server's words; empty when the server gave none. */
    readonly detail: string,
    /** All that the server said of it, for those who know what to look for. */
    readonly fields: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail || code);
    this.name = "ApiError";
  }

  get isMissing(): boolean {
    return this.status === 404;
  }

  get needsKey(): boolean {
    return this.status === 401;
  }
}

export interface JobQuery {
  status: Status | null;
  limit: number;
  offset: number;
}

export interface ApiOptions {
  fetch?: typeof fetch;
  /** The API key of whoever is asking; null on loopback, where none is needed. */
  key?: () => string | null;
  /** Hears the server's own time with every answer, so that durations do not depend on the visitor's clock. */
  onServerTime?: (milliseconds: number) => void;
}

export type Api = ReturnType<typeof createApi>;

export function createApi(options: ApiOptions = {}) {
  const send = options.fetch ?? ((...request: Parameters<typeof fetch>) => fetch(...request));

  async function ask<T>(method: string, path: string, body?: unknown, patience = TIMEOUT_MS): Promise<T> {
    const headers: Record<string, string> = { Accept: "application/json" };
    const key = options.key?.();
    if (key) headers["X-API-Key"] = key;
    const request: RequestInit = { method, headers, signal: AbortSignal.timeout(patience), cache: "no-store" };
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
      request.body = JSON.stringify(body);
    }
    let response: Response;
    let text: string;
    try {
      response = await send(`/api/cloud${path}`, request);
      text = await response.text();
    } catch (cause) {
      const late = cause instanceof DOMException && cause.name === "TimeoutError";
      throw new ApiError(0, late ? "timeout" : "unreachable", "");
    }
    const served = Date.parse(response.headers.get("Date") ?? "");
    if (!Number.isNaN(served)) options.onServerTime?.(served);
    const answer = parsed(text);
    if (!response.ok) throw refusal(response.status, answer);
    if (answer === undefined) throw new ApiError(response.status, "unreadable_answer", "");
    return answer as T;
  }

  return {
    jobs({ status, limit, offset }: JobQuery): Promise<JobPage> {
      const query = new URLSearchParams({ limit: String(limit), offset: String(offset) });
      if (status) query.set("status", status);
      return ask("GET", `/jobs?${query}`);
    },
    job: async (id: string) => (await ask<{ job: Job }>("GET", at(id))).job,
    events: async (id: string) => (await ask<{ events: JobEvent[] }>("GET", `${at(id)}/events`)).events,
    /** The text from `offset` on. Offsets are the server's: only pass back what it gave. */
    logs: (id: string, offset: number) => ask<LogPiece>("GET", `${at(id)}/logs?offset=${offset}`),
    dataReceipt: (id: string) => ask<DataReceipt>("GET", `${at(id)}/data-receipt?limit=100`),
    progress: (id: string) => ask<InlineProgress>("GET", `${at(id)}/inline-progress`),
    metrics: (id: string) => ask<Metrics>("GET", `${at(id)}/metrics`),
    artifacts: (id: string) => ask<ArtifactList>("GET", `${at(id)}/artifacts`),
    checkpoints: (id: string) => ask<Saved>("GET", `${at(id)}/checkpoints`),
    resume: (id: string, step: number, key: string) =>
      ask<{ job_id: string }>(
        "POST",
        `${at(id)}/retry`,
        { resume: true, from_step: step, idempotency_key: key },
        LONG_TIMEOUT_MS,
      ),
    /** Some seconds of work on the tar of all files; asked again, it goes on. */
    bundle: (id: string) => ask<Bundle>("GET", `${at(id)}/artifacts.tar`, undefined, LONG_TIMEOUT_MS),
    jobConfig: (id: string, comparedWith: string | null) =>
      ask<JobConfig>("GET", `${at(id)}/config${comparedWith ? `?${new URLSearchParams({ with: comparedWith })}` : ""}`),
    receipt: (id: string) => ask<Receipt>("GET", `${at(id)}/receipt`),
    /** The same key with the same body is the same job. */
    submit: async (provider: string, order: NewJob) =>
      (await ask<{ job: Job }>("POST", `/jobs?${new URLSearchParams({ provider })}`, order, LONG_TIMEOUT_MS)).job,
    /** What would become of a job with data like this. What a submit would refuse is refused, and nothing is kept. */
    foresee: (provider: string, question: CheckedJob) =>
      ask<Foreseen>("POST", `/jobs/check?${new URLSearchParams({ provider })}`, question, LONG_TIMEOUT_MS),
    costEstimate: (order: CostQuestion) => ask<CostEstimate>("POST", "/cost-estimate", order),
    uploads: uploadProtocol((method, path, body) => ask(method, path, body, LONG_TIMEOUT_MS)),
    cancel: (id: string) => ask<CancelAnswer>("POST", `${at(id)}/cancel`, {}),
    /** Has the server look now for what had not arrived when the job ended. */
    look: async (id: string) => (await ask<{ job: Job }>("POST", `${at(id)}/look`, {}, LONG_TIMEOUT_MS)).job,
    /** Has the server send the model to these places; returns at once. */
    deliver: async (id: string, destinations: string[], repo?: string) =>
      (
        await ask<{ destinations: Arrival[] }>("POST", `${at(id)}/deliver`, {
          destinations,
          ...(repo && { hub_model_id: repo }),
        })
      ).destinations,
    remove: (id: string) => ask<{ success: boolean }>("DELETE", at(id)),
    spending: (days: number) => ask<Spending>("GET", `/metrics?days=${days}`),
    providers: async () => (await ask<{ providers: Provider[] }>("GET", "/providers")).providers,
    /** Asks the provider itself whether the server's credentials are good. */
    validate: (provider: string) => ask<Validated>("GET", `/providers/${encodeURIComponent(provider)}/validate`),
    limits: async () => (await ask<{ limits: Limit[] }>("GET", "/cost-limits")).limits,
    setLimit: (scope: string, limit: { limit_usd: number; period: Period; action: LimitAction }) =>
      ask<{ limit: Limit }>("PUT", `/cost-limits/${encodeURIComponent(scope)}`, limit),
    clearLimit: (scope: string) => ask<{ success: boolean }>("DELETE", `/cost-limits/${encodeURIComponent(scope)}`),
    /** The machine that a job without a wish gets, as `provider/machine`. */
    usualMachine: async () => {
      const found = await ask<{ hardware: (HardwareOption & { provider: string })[]; default_hardware: string }>(
        "GET",
        "/hardware-options",
      );
      const usual = found.hardware.find((one) => one.id === found.default_hardware);
      return usual ? `${usual.provider}/${usual.id}` : "";
    },
    hardware: async () => (await ask<{ hardware: HardwareOption[] }>("GET", "/hardware-options")).hardware,
    dataSetting: () => ask<DataSetting>("GET", "/data-consent/setting"),
    setConsent: async (consent: Consent) =>
      (await ask<{ consent: Consent }>("PUT", "/data-consent/setting", { consent })).consent,
    destinations: () => ask<Destinations>("GET", "/destinations"),
    chooseDestinations: async (names: string[]) =>
      (await ask<{ default: string[] }>("PUT", "/destinations", { default: names })).default,
    keepDestination: (name: string, body: NewDestination) =>
      ask<{ destination: unknown }>("PUT", destination(name), body),
    testDestination: (name: string) => ask<TestedDestination>("POST", `${destination(name)}/test`, {}),
    removeDestination: (name: string) => ask<{ success: boolean }>("DELETE", destination(name)),
  };
}

function at(jobId: string): string {
  return `/jobs/${encodeURIComponent(jobId)}`;
}

function destination(name: string): string {
  return `/destinations/${encodeURIComponent(name)}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusal(status: number, answer: unknown): ApiError {
  const problem = (typeof answer === "object" && answer !== null ? answer : {}) as Record<string, unknown>;
  const word = (name: string) => (typeof problem[name] === "string" ? problem[name] : "");
  return new ApiError(status, word("error") || `http_${status}`, word("detail") || word("message"), problem);
}
