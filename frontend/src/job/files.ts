/** What a job left behind, in the order that matters to whoever paid for it. */
import type { Artifact } from "../api/types";

/** Weights that can be used: the final ones, and a checkpoint's, but not the memory of its optimizer. */
export function isWeights(artifact: Artifact): boolean {
  const name = artifact.name.slice(artifact.name.lastIndexOf("/") + 1);
  return artifact.is_model || (/\.safetensors$/.test(name) && !/optim|scheduler|random_states/.test(name));
}

/** The final model first, then nearer the root before deeper, the newest checkpoint (-1000, -200) before older ones. */
export function ordered(artifacts: readonly Artifact[]): Artifact[] {
  const byName = new Intl.Collator("en", { numeric: true });
  return artifacts.toSorted(
    (a, b) =>
      Number(b.is_model) - Number(a.is_model) ||
      depth(a.name) - depth(b.name) ||
      (checkpoint(b.name) ?? 0) - (checkpoint(a.name) ?? 0) ||
      byName.compare(a.name, b.name),
  );
}

/** The model that the whole job was for: a checkpoint, the newest, only when there is nothing else. */
export function finalModel(artifacts: readonly Artifact[]): Artifact | null {
  const weights = ordered(artifacts.filter(isWeights));
  return weights.find((artifact) => checkpoint(artifact.name) === null) ?? weights[0] ?? null;
}

/** The step of a checkpoint's file; null for what is not of one. By step, for a trainer may write all files anew. */
export function checkpoint(name: string): number | null {
  const step = /(?:^|\/)checkpoint-(\d+)\//.exec(name)?.[1];
  return step === undefined ? null : Number(step);
}

function depth(name: string): number {
  return name.split("/").length;
}
