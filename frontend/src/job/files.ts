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

/** The model that the whole job was for: not a checkpoint on the way when there is one nearer the root. */
export function finalModel(artifacts: readonly Artifact[]): Artifact | null {
  const models = artifacts.filter(isWeights);
  const least = Math.min(...models.map((model) => depth(model.name)));
  return (
    models
      .filter((model) => depth(model.name) === least)
      .toSorted((a, b) => b.last_modified.localeCompare(a.last_modified))[0] ?? null
  );
}

function checkpoint(name: string): number | null {
  const step = /(?:^|\/)checkpoint-(\d+)\//.exec(name)?.[1];
  return step === undefined ? null : Number(step);
}

function depth(name: string): number {
  return name.split("/").length;
}
