import { expect, test } from "vitest";
import { bar, dollars, localDatasets, parseConfig, parseDataloader } from "./order";

test("a config is an object of options and nothing else", () => {
  expect(parseConfig('{"--seed": 1}')).toEqual({ value: { "--seed": 1 } });
  expect(parseConfig("")).toMatchObject({ wrong: "empty" });
  expect(parseConfig("{}")).toMatchObject({ wrong: "empty" });
  expect(parseConfig("[1]")).toMatchObject({ wrong: "shape" });
  expect(parseConfig("{,}")).toMatchObject({ wrong: "syntax" });
});

test("a dataloader is a list of datasets, and may be left out", () => {
  expect(parseDataloader("  ")).toEqual({ value: [] });
  expect(parseDataloader('[{"id": "a"}]')).toEqual({ value: [{ id: "a" }] });
  expect(parseDataloader("[1]")).toMatchObject({ wrong: "shape" });
});

test("datasets on this computer are told from those that the trainer reads itself", () => {
  const list = [
    { id: "mine" },
    { id: "also mine", type: "local", dataset_type: "image" },
    { id: "cache", type: "local", dataset_type: "text_embeds" },
    { id: "hub", type: "huggingface" },
    { id: "off", disabled: true },
  ];
  expect(localDatasets(list)).toEqual(["mine", "also mine"]);
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
