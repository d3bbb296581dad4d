/** Reads files away from the page, so that it stays quick. One message in, one answer out. */
import { hash, type Hashes } from "./reading";

export interface Task {
  number: number;
  file: Blob;
  name: string;
}

export interface Outcome {
  number: number;
  hashes: Hashes | null;
  /** Why the file could not be read; empty when it could. */
  trouble: string;
}

self.onmessage = async ({ data: tasks }: MessageEvent<Task[]>) => {
  const outcomes: Outcome[] = [];
  for (const { number, file, name } of tasks) {
    try {
      outcomes.push({ number, hashes: await hash(file, name), trouble: "" });
    } catch (error) {
      outcomes.push({ number, hashes: null, trouble: error instanceof Error ? error.message : String(error) });
    }
  }
  self.postMessage(outcomes);
};
