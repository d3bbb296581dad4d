/**
 * One archive on its way to the store: parts side by side, each tried again until it has arrived.
 *
 * The server remembers which parts have arrived. So a pause is to stop, and to go on is to start again: the same data
 * opens the same session, after a reload too, and only what is missing is sent.
 */
import { ApiError } from "../api/client";
import type { Archive } from "./archive";
import { summary } from "./manifest";
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

export interface Sent {
  bytes: number;
  /** Of those, what had arrived in an earlier attempt. */
  resumed: number;
}

/** The id of the complete upload. Rejects with `ApiError`, `Changed`, `Broken` or an AbortError. */
export async function send(
  cloud: UploadProtocol,
  archive: Archive,
  consented: boolean,
  onSent: (sent: Sent) => void,
  stop: AbortSignal,
): Promise<string> {
  let session = await cloud.openUpload(summary(archive.manifest), archive.size, consented);
  if (session.state === "open" && session.part_count !== Math.ceil(archive.size / session.part_bytes)) {
    await cloud.abortUpload(session.upload_id);
    session = await cloud.openUpload(summary(archive.manifest), archive.size, consented);
  }
  if (session.state !== "open") {
    onSent({ bytes: archive.size, resumed: archive.size });
    return session.upload_id;
  }
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
      if (part.size !== this.#span(part.part_number).length) continue;
      this.#etags.set(part.part_number, part.etag);
      this.#done += part.size;
    }
    this.#resumed = this.#done;
    this.#tell();
  }

  async parts(): Promise<void> {
    const numbers = Array.from({ length: this.session.part_count }, (_, place) => place + 1);
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
    const offset = (number - 1) * this.session.part_bytes;
    return { offset, length: Math.min(this.session.part_bytes, this.archive.size - offset) };
  }

  #tell(): void {
    const moving = [...this.#underway.values()].reduce((sum, bytes) => sum + bytes, 0);
    this.onSent({ bytes: this.#done + moving, resumed: this.#resumed });
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
