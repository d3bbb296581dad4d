import { expect, test } from "vitest";
import { bar, dollars } from "./amounts";
import { manifestOf } from "../upload/manifest";
import { packing, skipsDiscovery, slotsOf, withTrigger } from "./datasets";
import { readConfig, readDataloader, shown, Unusable, withOption } from "./documents";
import { judge, measureFor } from "./judging";

function refusal(text: string, read: (text: string) => unknown): string {
  try {
    read(text);
    return "";
  } catch (error) {
    return (error as Unusable).code;
  }
}

test("a config is an object of options, with numbers where numbers belong", () => {
  expect(readConfig('{"--seed": 1}')).toEqual({ "--seed": 1 });
  expect(refusal("", readConfig)).toBe("empty");
  expect(refusal("{}", readConfig)).toBe("empty");
  expect(refusal("[1]", readConfig)).toBe("no_object");
  expect(refusal('{"a"}', readConfig)).toBe("json");
  expect(refusal('{"a": 1,}', readConfig)).toBe("comma");
  expect(refusal('{"a": 1, // b\n}', readConfig)).toBe("comments");
  expect(refusal('{"--max_train_steps": "many"}', readConfig)).toBe("steps");
  expect(refusal('{"pretrained_model_name_or_path": "/models/x"}', readConfig)).toBe("model_path");
});

test("a field changes the option under the name that the config gives it", () => {
  expect(JSON.parse(withOption('{"--lora_rank": 4}', "lora_rank", "16"))).toEqual({ "--lora_rank": 16 });
  expect(JSON.parse(withOption('{"lora_rank": 4, "seed": 1}', "lora_rank", ""))).toEqual({ seed: 1 });
  expect(JSON.parse(withOption("", "validation_prompt", "a fern "))).toEqual({ validation_prompt: "a fern " });
  expect(shown(0.0001)).toBe("0.0001");
});

test("datasets on this computer are told from those that the trainer reads itself; two may share a folder", () => {
  const listed = [
    { id: "mine", instance_data_dir: "/data/a" },
    { id: "the same", instance_data_dir: "/data/a", resolution: 512 },
    { id: "also mine", type: "local", dataset_type: "image" },
    { id: "cache", type: "local", dataset_type: "text_embeds" },
    { id: "hub", type: "huggingface" },
    { id: "off", disabled: true, instance_data_dir: "/secret" },
  ];
  expect(refusal("[1]", readDataloader)).toBe("no_list");
  const slots = slotsOf(listed);
  expect(slots.map(({ label }) => label)).toEqual(["mine", "also mine"]);
  const picked = Object.fromEntries(slots.map(({ key }, place) => [key, { name: `folder ${place}`, files: [] }]));
  const packed = packing(listed, picked);
  expect(packed.sources.map(({ id }) => id)).toEqual(["mine", "also-mine"]);
  expect(packed.dataloader?.map((one) => one.instance_data_dir)).toEqual(
    ["mine", "mine", "also-mine", undefined, undefined, undefined],
  );
  expect(slotsOf(null)).toHaveLength(1);
  expect(packing(null, { only: { name: "My pictures!", files: [] } }).sources.map(({ id }) => id)).toEqual(["My-pictures"]);
});

test("an amount is read as people write it", () => {
  expect(dollars("6")).toBe(6);
  expect(dollars(" 2,50 ")).toBe(2.5);
  for (const text of ["", "0", "-1", "six", "1e999"]) expect(dollars(text)).toBeNull();
});

test("bars stay on their track and can be seen", () => {
  expect(bar(1, 3, 4)).toEqual({ left: 25, width: 50 });
  expect(bar(5, 9, 4)).toEqual({ left: 100, width: 1 });
});

test("a trigger is the trainer's own option for all datasets but regularisation data, as the command line sets it", () => {
  expect(withTrigger({ seed: 1, instance_prompt: "old" }, null, "  sks  dog ")).toEqual({
    config: { seed: 1, "--instance_prompt": "sks dog", "--prepend_instance_prompt": true },
    dataloader: null,
  });
  const entries = [{ id: "a" }, { id: "b", is_regularisation_data: true }, { id: "c", instance_prompt: "own" }];
  expect(withTrigger({}, entries, "sks").dataloader).toEqual([
    entries[0],
    { ...entries[1], prepend_instance_prompt: false },
    entries[2],
  ]);
  expect(withTrigger({ seed: 1 }, null, " ")).toEqual({ config: { seed: 1 }, dataloader: null });
});

test("skipped discovery is seen in the config and in a dataset", () => {
  expect(skipsDiscovery({ "--skip_file_discovery": "vae" }, null)).toBe(true);
  expect(skipsDiscovery({}, [{ id: "a", skip_file_discovery: "text" }])).toBe(true);
  expect(skipsDiscovery({ skip_file_discovery: "" }, [{ id: "a" }])).toBe(false);
});

function gif(width: number): File {
  return new File([Uint8Array.from([...Buffer.from("GIF89a"), width, 0, 64, 0, ...Array<number>(30).fill(0)])], "");
}

test("pictures are measured when a limit asks for it, once, and refused when none is left", async () => {
  const entry = (name: string, width: number) => {
    const file = gif(width);
    return { dataset: "set", path: `set/${name}`, file, size: file.size, sha256: "0".repeat(64), crc32: 0 };
  };
  const found = manifestOf(["set"], [entry("a.gif", 64), entry("b.gif", 32)], []);
  const loader = [{ instance_data_dir: "set", minimum_image_size: 64, resolution_type: "pixel", caption_strategy: "csv" }];
  expect(await measureFor(found, null, {}, new Map())).toBeNull();
  const known = await measureFor(found, loader, {}, new Map());
  expect(known?.get("set")).toEqual({ sizes: [["a.gif", 64, 64], ["b.gif", 32, 64]], isAll: true });
  if (!known) return;
  expect(await measureFor(found, loader, {}, known)).toBeNull();
  const signs = (minimum: number) =>
    judge(found, [{ ...loader[0], minimum_image_size: minimum }], {}, known).map(({ sign, count }) => [sign, count]);
  expect(signs(64)).toEqual([["too_small", 1]]);
  expect(signs(65)).toEqual([["all_too_small", 2]]);
  expect(signs(32)).toEqual([]);
});
