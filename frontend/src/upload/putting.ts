/** One body to one presigned link. The browser reads it from the disk while it goes. */

export class Refused extends Error {
  constructor(readonly status: number) {
    super(status === 0 ? "The connection broke." : `The store answered HTTP ${status}.`);
  }
}

/** The ETag. Rejects with `Refused`, or with an AbortError when `stop` says so. */
export function put(url: string, body: Blob, onSent: (bytes: number) => void, stop: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const halt = () => request.abort();
    stop.addEventListener("abort", halt, { once: true });
    request.upload.onprogress = ({ loaded }) => onSent(Math.min(loaded, body.size));
    request.onload = () => {
      const etag = (request.getResponseHeader("ETag") ?? "").replaceAll('"', "");
      if (request.status >= 200 && request.status < 300 && etag) resolve(etag);
      else reject(new Refused(request.status));
    };
    request.onerror = () => reject(new Refused(0));
    request.onabort = () => reject(new DOMException("Stopped.", "AbortError"));
    request.onloadend = () => stop.removeEventListener("abort", halt);
    request.open("PUT", url);
    if (stop.aborted) halt();
    else request.send(body);
    if (stop.aborted) reject(new DOMException("Stopped.", "AbortError"));
  });
}
