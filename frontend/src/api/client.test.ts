import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { ApiError, createApi } from "./client";

interface Answer {
  status: number;
  body: string;
}

let server: Server | undefined;
const heard: { method: string; url: string; key: string | undefined; body: string }[] = [];

/** An API over a real socket that always gives one answer. */
async function answering({ status, body }: Answer, key: string | null = null, onServerTime?: (at: number) => void) {
  heard.length = 0;
  server = createServer((request, response) => {
    let sent = "";
    request.on("data", (piece: Buffer) => (sent += piece.toString()));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      heard.push({ method, url, key: headers["x-api-key"] as string | undefined, body: sent });
      response.writeHead(status).end(body);
    });
  });
  await new Promise<void>((ready) => server?.listen(0, "127.0.0.1", ready));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return createApi({
    fetch: (path, init) => fetch(new URL(path as string, origin), init),
    key: () => key,
    ...(onServerTime && { onServerTime }),
  });
}

afterEach(() => {
  server?.close();
  server = undefined;
});

async function refusal(work: Promise<unknown>): Promise<ApiError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

test("a problem keeps its code and its next step", async () => {
  const body = JSON.stringify({ error: "job_not_found", detail: "List the jobs to see which there are." });
  const error = await refusal((await answering({ status: 404, body })).job("j-x"));
  expect(error.code).toBe("job_not_found");
  expect(error.detail).toBe("List the jobs to see which there are.");
  expect(error.isMissing).toBe(true);
});

test("a bare failure without words is still a failure with a code", async () => {
  const error = await refusal((await answering({ status: 502, body: "<html>Bad gateway" })).job("j-x"));
  expect([error.code, error.detail]).toEqual(["http_502", ""]);
});

test("an answer that is not JSON is not taken for one", async () => {
  const error = await refusal((await answering({ status: 200, body: "<!doctype html>" })).job("j-x"));
  expect(error.code).toBe("unreadable_answer");
});

test("a server that does not answer is unreachable", async () => {
  const api = await answering({ status: 200, body: "{}" });
  await new Promise((closed) => server?.close(closed));
  const error = await refusal(api.job("j-x"));
  expect([error.status, error.code]).toEqual([0, "unreachable"]);
});

test("ids are escaped, filters are sent, and the key goes along", async () => {
  const api = await answering({ status: 200, body: '{"job": {}, "jobs": []}' }, "st_secret");
  await api.job("a/b?c");
  await api.jobs({ status: "failed", limit: 25, offset: 50 });
  expect(heard.map((one) => one.url)).toEqual([
    "/api/cloud/jobs/a%2Fb%3Fc",
    "/api/cloud/jobs?limit=25&offset=50&status=failed",
  ]);
  expect(heard[0]?.key).toBe("st_secret");
});

test("without a key none is sent", async () => {
  await (await answering({ status: 200, body: '{"job": {}}' })).job("j");
  expect(heard[0]?.key).toBeUndefined();
});

test("consent is put as JSON", async () => {
  const api = await answering({ status: 200, body: '{"success": true, "consent": "deny"}' });
  expect(await api.setConsent("deny")).toBe("deny");
  expect(heard[0]).toMatchObject({ method: "PUT", body: '{"consent":"deny"}' });
});

test("the server's clock is heard with every answer", async () => {
  const times: number[] = [];
  await (await answering({ status: 200, body: '{"job": {}}' }, null, (at) => times.push(at))).job("j");
  expect(Math.abs((times[0] ?? 0) - Date.now())).toBeLessThan(5_000);
});
