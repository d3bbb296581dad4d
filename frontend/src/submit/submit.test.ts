import { expect, test } from "vitest";
import { bar, dollars } from "./amounts";
import { packing, slotsOf } from "./datasets";
import { readConfig, readDataloader, shown, Unusable, withOption } from "./documents";

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
