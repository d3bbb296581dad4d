/** What a read folder comes to with the options of its job: remarks, and the sizes that some of them need. */
import { roleOf } from "../upload/captions";
import type { Manifest } from "../upload/manifest";
import { leastSizes, type Remark, remarksOn, tooSmall } from "../upload/remarks";
import { sizeOf } from "../upload/sizes";
import type { Options } from "./documents";

/** `isAll` says that the dataset has no other image. */
export interface Measured {
  sizes: [name: string, width: number, height: number][];
  isAll: boolean;
}

/** Of larger datasets as many are measured, spread over all of it. */
const MOST_MEASURED = 2000;
const AT_ONCE = 32;

export function judge(
  found: Manifest,
  dataloader: Options[] | null,
  config: Options,
  measured: Map<string, Measured>,
): Remark[] {
  const { limits, wrong } = leastSizes(found.surveys, dataloader, config);
  const small = limits.flatMap((limit) => {
    const known = measured.get(limit.dataset);
    return (known && tooSmall(limit, known.sizes, known.isAll)) ?? [];
  });
  return [...remarksOn(found.surveys, dataloader, config), ...wrong, ...small];
}

/** With the sizes that limits ask for and `measured` does not know; null when it knows them all. */
export async function measureFor(
  found: Manifest,
  dataloader: Options[] | null,
  config: Options,
  measured: Map<string, Measured>,
): Promise<Map<string, Measured> | null> {
  const { limits } = leastSizes(found.surveys, dataloader, config);
  const missing = new Set(limits.map(({ dataset }) => dataset).filter((dataset) => !measured.has(dataset)));
  if (missing.size === 0) return null;
  const known = new Map(measured);
  for (const dataset of missing) known.set(dataset, await sizesIn(found, dataset));
  return known;
}

async function sizesIn(found: Manifest, dataset: string): Promise<Measured> {
  const own = found.entries.filter((one) => one.dataset === dataset && one.size > 0 && roleOf(one.path) === "picture");
  const step = Math.max(1, Math.ceil(own.length / MOST_MEASURED));
  const some = own.filter((_, place) => place % step === 0);
  const sizes: Measured["sizes"] = [];
  for (let at = 0; at < some.length; at += AT_ONCE) {
    const batch = some.slice(at, at + AT_ONCE);
    const read = await Promise.all(batch.map(({ file }) => sizeOf(file)));
    batch.forEach(({ path }, place) => {
      const size = read[place];
      if (size) sizes.push([path.slice(dataset.length + 1), ...size]);
    });
  }
  const images = found.surveys.find(({ id }) => id === dataset)?.images ?? 0;
  return { sizes, isAll: sizes.length === images };
}
