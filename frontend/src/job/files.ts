/** What a job left behind, in the order that matters to whoever paid for it. */
import type { Artifact } from "../api/types";

/** Models first, nearer the root before deeper, then by name with numbers as numbers (checkpoint-200 before -1000). */
export function ordered(artifacts: readonly Artifact[]): Artifact[] {
  const byName = new Intl.Collator("en", { numeric: true });
  return artifacts.toSorted(
    (a, b) =>
      Number(b.is_model) - Number(a.is_model) || depth(a.name) - depth(b.name) || byName.compare(a.name, b.name),
  );
}

/** The model that the whole job was for: not a checkpoint on the way when there is one nearer the root. */
export function finalModel(artifacts: readonly Artifact[]): Artifact | null {
  const models = artifacts.filter((artifact) => artifact.is_model);
  const least = Math.min(...models.map((model) => depth(model.name)));
  return (
    models
      .filter((model) => depth(model.name) === least)
      .toSorted((a, b) => b.last_modified.localeCompare(a.last_modified))[0] ?? null
  );
}

function depth(name: string): number {
  return name.split("/").length;
}
