/**
 * One archive on its way to the store: parts side by side, each tried again until it has arrived.
 *
 * The server remembers which parts have arrived. So a pause is to stop, and to go on is to start again: the same data
 * opens the same session, after a reload too, and only what is missing is sent.
 */
import { ApiError } from "../api/client";
import { Archive } from "./archive";
import { type Before, planned } from "./earlier";
import { type Manifest, summary } from "./manifest";
import type { Session, UploadProtocol } from "./protocol";
import { put, Refused } from "./putting";

const AT_ONCE = 4;
const LINKS_AT_ONCE = 8;
const TRIES = 6;

/** A file is not what was hashed; the session was given up, and nothing was started. */
export class Changed extends Error {
  constructor(readonly path: string) {
    super(`${path} was changed while it was sent.`);
  }
}

/** A part did not arrive, however often it was tried. What has arrived is kept. */
export class Broken extends Error {}

/** The upload to copy from was deleted meanwhile; nothing of it is needed, only more has to be sent. */
class SourceGone extends Error {}

/** The upload that had it all was taken by another job meanwhile. It can be copied from. */
class KeptTaken extends Error {}

export interface Sent {
  bytes: number;
  total: number;
  /** Of `bytes`, what had arrived in an earlier attempt. */
  resumed: number;
  /** Of `bytes`, what was taken over from an earlier upload inside the store. */
  copied: number;
  /** The store is still busy with that. */
  copying: boolean;
}

/**
 * The id of the complete upload, sending as little as can be: nothing when the store has it all, else what differs from
 * the latest upload of these datasets. Rejects with `ApiError`, `Changed`, `Broken` or an AbortError.
 */
export async function send(
  cloud: UploadProtocol,
  manifest: Manifest,
  consented: boolean,
  read: Before | null,
  onSent: (sent: Sent) => void,
  stop: AbortSignal,
): Promise<string> {
  const ids = manifest.datasets.map(({ id }) => id);
  let known = await cloud.earlier(manifest.root, ids);
  if (known.kept) {
    try {
      return await sendArchive(cloud, new Archive(manifest), consented, onSent, stop, true);
    } catch (error) {
      if (!(error instanceof KeptTaken)) throw error;
      known = await cloud.earlier(manifest.root, ids);
    }
  }
  const plan = known.latest && (await planned(known.latest, manifest, read, stop));
  stop.throwIfAborted();
  if (plan) {
    try {
      return await sendArchive(cloud, new Archive(manifest, plan), consented, onSent, stop);
    } catch (error) {
      if (!(error instanceof SourceGone)) throw error;
    }
  }
  return sendArchive(cloud, new Archive(manifest), consented, onSent, stop);
}

async function sendArchive(
  cloud: UploadProtocol,
  archive: Archive,
  consented: boolean,
  onSent: (sent: Sent) => void,
  stop: AbortSignal,
  isKept = false,
): Promise<string> {
  let session = await opened(cloud, archive, consented);
  if (session.state === "open" && session.part_count !== partsOf(archive, session)) {
    await cloud.abortUpload(session.upload_id);
    session = await opened(cloud, archive, consented);
  }
  if (session.state !== "open") {
    onSent({ bytes: archive.size, total: archive.size, resumed: archive.size, copied: 0, copying: false });
    return session.upload_id;
  }
  if (isKept && session.parts.length === 0) {
    await cloud.abortUpload(session.upload_id);
    throw new KeptTaken();
  }
  await copied(cloud, archive, session, onSent, stop);
  const sending = new Sending(cloud, archive, session, onSent, stop);
  try {
    await sending.parts();
    await sending.manifest();
    await cloud.completeUpload(session.upload_id, sending.arrived());
  } catch (error) {
    if (error instanceof Changed) await cloud.abortUpload(session.upload_id).catch(ignoreRefusal);
    throw error;
  }
  return session.upload_id;
}

async function opened(cloud: UploadProtocol, archive: Archive, consented: boolean): Promise<Session> {
  const { plan } = archive;
  const from = plan && { upload_id: plan.sourceId, ranges: plan.ranges };
  try {
    return await cloud.openUpload(summary(archive.manifest), archive.size, consented, from);
  } catch (error) {
    if (from && error instanceof ApiError && (isSourceGone(error) || error.isMissing)) throw new SourceGone();
    throw error;
  }
}

function partsOf(archive: Archive, session: Session): number {
  return session.copied_parts + Math.ceil((archive.size - session.copied_bytes) / session.part_bytes);
}

/** Has the store copy what is taken over; what it has copied before, it skips. */
async function copied(
  cloud: UploadProtocol,
  archive: Archive,
  session: Session,
  onSent: (sent: Sent) => void,
  stop: AbortSignal,
): Promise<void> {
  if (session.copied_parts === 0) return;
  onSent({ bytes: 0, total: archive.size, resumed: 0, copied: 0, copying: true });
  try {
    do stop.throwIfAborted();
    while ((await cloud.copyParts(session.upload_id)).left > 0);
  } catch (error) {
    if (!(error instanceof ApiError) || !isSourceGone(error)) throw error;
    await cloud.abortUpload(session.upload_id).catch(ignoreRefusal);
    throw new SourceGone();
  }
}

function isSourceGone(refusal: ApiError): boolean {
  return refusal.fields.copy_source_gone === true;
}

/** The server discards it by itself after a day. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
}

class Sending {
  readonly #etags = new Map<number, string>();
  readonly #links = new Map<number, { url: string; until: number }>();
  readonly #underway = new Map<number, number>();
  readonly #halt = new AbortController();
  #done = 0;
  readonly #resumed: number;
  #waiting: number[] = [];

  constructor(
    readonly cloud: UploadProtocol,
    readonly archive: Archive,
    readonly session: Session,
    readonly onSent: (sent: Sent) => void,
    stop: AbortSignal,
  ) {
    stop.addEventListener("abort", () => this.#halt.abort(), { once: true });
    if (stop.aborted) this.#halt.abort();
    for (const part of session.parts) {
      if (part.part_number <= session.copied_parts) continue;
      if (part.size !== this.#span(part.part_number).length) continue;
      this.#etags.set(part.part_number, part.etag);
      this.#done += part.size;
    }
    this.#resumed = this.#done;
    this.#tell();
  }

  async parts(): Promise<void> {
    const { part_count, copied_parts } = this.session;
    const numbers = Array.from({ length: part_count - copied_parts }, (_, place) => copied_parts + place + 1);
    this.#waiting = numbers.filter((number) => !this.#etags.has(number));
    const lanes = Array.from({ length: Math.min(AT_ONCE, this.#waiting.length) }, () => this.#lane());
    const ends = await Promise.allSettled(lanes);
    const reasons = ends.flatMap((end): unknown[] => (end.status === "rejected" ? [end.reason] : []));
    // The first failure stops the others, which then fail of that.
    if (reasons.length > 0) throw reasons.find((one) => !isAbort(one)) ?? reasons[0];
  }

  /** The list of what was sent and what stayed: the receipt. */
  async manifest(): Promise<void> {
    const { manifest_url: url } = await this.cloud.upload(this.session.upload_id);
    if (!url) return;
    const lines = this.archive.lines();
    const text = new ReadableStream<string>({
      pull(control) {
        for (let count = 0; count < 500; count += 1) {
          const next = lines.next();
          if (next.done) return control.close();
          control.enqueue(next.value);
        }
      },
    });
    const packed = text.pipeThrough(new TextEncoderStream()).pipeThrough(new CompressionStream("gzip"));
    const body = await new Response(packed).blob();
    await this.#persist(
      () => put(url, body, () => undefined, this.#halt.signal),
      () => undefined,
    );
  }

  arrived(): { part_number: number; etag: string }[] {
    return [...this.#etags]
      .sort(([one], [other]) => one - other)
      .map(([part_number, etag]) => ({ part_number, etag }));
  }

  async #lane(): Promise<void> {
    try {
      for (let number = this.#waiting.shift(); number !== undefined; number = this.#waiting.shift()) {
        this.#etags.set(number, await this.#deliver(number));
        this.#underway.delete(number);
        this.#done += this.#span(number).length;
        this.#tell();
      }
    } catch (error) {
      this.#halt.abort();
      throw error;
    }
  }

  async #deliver(number: number): Promise<string> {
    const { offset, length } = this.#span(number);
    return this.#persist(
      async () =>
        put(
          await this.#link(number),
          this.archive.slice(offset, length),
          (bytes) => {
            this.#underway.set(number, bytes);
            this.#tell();
          },
          this.#halt.signal,
        ),
      async () => {
        this.#underway.delete(number);
        this.#links.delete(number);
        this.#tell();
        await this.#checkFiles(offset, length);
      },
    );
  }

  async #persist(attempt: () => Promise<string>, onRefused: () => Promise<void> | undefined): Promise<string> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        await onRefused();
        if (error.status === 404 || tries === TRIES) throw new Broken(error.message);
        await this.#rest(Math.min(10_000, 300 * 2 ** tries) * (0.75 + Math.random() / 2));
      }
    }
  }

  /** A browser refuses to read a file that was written to since it was picked, and calls that a broken connection. */
  async #checkFiles(offset: number, length: number): Promise<void> {
    for (const { file, path } of this.archive.filesIn(offset, length)) {
      try {
        await file.slice(0, 1).arrayBuffer();
      } catch {
        throw new Changed(path);
      }
    }
  }

  async #link(number: number): Promise<string> {
    const known = this.#links.get(number);
    if (known && performance.now() < known.until) return known.url;
    const ahead = this.#waiting.filter((one) => !this.#links.has(one)).slice(0, LINKS_AT_ONCE - 1);
    for (const link of await this.cloud.partLinks(this.session.upload_id, [number, ...ahead])) {
      this.#links.set(link.part_number, { url: link.url, until: performance.now() + link.expires_in * 800 });
    }
    const found = this.#links.get(number);
    if (!found) throw new Broken(`The server gave no link for part ${number}.`);
    return found.url;
  }

  #rest(milliseconds: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#halt.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(new DOMException("Stopped.", "AbortError"));
      });
    });
  }

  #span(number: number): { offset: number; length: number } {
    const { copied_parts, copied_bytes, part_bytes } = this.session;
    const offset = copied_bytes + (number - copied_parts - 1) * part_bytes;
    return { offset, length: Math.min(part_bytes, this.archive.size - offset) };
  }

  #tell(): void {
    const moving = [...this.#underway.values()].reduce((sum, bytes) => sum + bytes, 0);
    const copied = this.session.copied_bytes;
    const bytes = copied + this.#done + moving;
    this.onSent({ bytes, total: this.archive.size, resumed: this.#resumed, copied, copying: false });
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
