import { expect, test } from "vitest";
import { BLOCK_LINES, LogBuffer, search, tone } from "./log_buffer";

function lines(log: LogBuffer): string[] {
  return log.blocks().flatMap((block) => block.lines);
}

test("lines come out whole however the text is cut", () => {
  const text = "first\r\nsecond \u001b[31mred\u001b[0m\n  4%|▍| 2/50\r  8%|▊| 4/50\r 12%|█| 6/50\nlast";
  const expected = ["first", "second red", " 12%|█| 6/50", "last"];
  for (let size = 1; size <= text.length; size += 1) {
    const log = new LogBuffer();
    for (let at = 0; at < text.length; at += size) log.append(text.slice(at, at + size));
    expect(lines(log), `pieces of ${size}`).toEqual(expected);
    expect(log.text()).toBe(text);
  }
});

test("an open line is shown before it ends and replaced when it goes on", () => {
  const log = new LogBuffer();
  log.append("Steps: 1%");
  expect(lines(log)).toEqual(["Steps: 1%"]);
  log.append("\rSteps: 2%");
  expect(lines(log)).toEqual(["Steps: 2%"]);
  expect(log.lineCount).toBe(1);
});

test("blank lines stay", () => {
  const log = new LogBuffer();
  log.append("a\n\nb\n");
  expect(lines(log)).toEqual(["a", "", "b"]);
});

test("a full block is never touched again", () => {
  const log = new LogBuffer();
  log.append("x\n".repeat(BLOCK_LINES + 1));
  const [before] = log.blocks();
  log.append("y\n".repeat(BLOCK_LINES));
  expect(log.blocks()[0]).toBe(before);
  expect(log.lineCount).toBe(2 * BLOCK_LINES + 1);
});

test("a search ignores case, counts everything and keeps the newest", () => {
  const log = new LogBuffer();
  for (let n = 0; n < 1000; n += 1) log.append(`Line ${n} ${n % 2 ? "odd" : "EVEN"}\n`);
  const found = search(log.blocks(), "even", 3);
  expect(found.count).toBe(500);
  expect(found.blocks.flatMap((block) => block.lines)).toEqual(["Line 994 EVEN", "Line 996 EVEN", "Line 998 EVEN"]);
});

test.each([
  ["[STAGE] ⏳ Training", "stage"],
  ["[CHECKPOINT] Checkpoint saved", "stage"],
  ["[WARN] dataset: small images", "warning"],
  ["[ERROR] Trainer: stopped", "error"],
  ["Traceback (most recent call last):", "error"],
  ["torch.OutOfMemoryError: CUDA out of memory", "error"],
  ["Steps: 45%|████| 450/1000 [lr=1e-4, step_loss=0.1]", "plain"],
])("%s reads as %s", (line, expected) => {
  expect(tone(line)).toBe(expected);
});
