/**
 * Text that arrives in pieces, kept as lines in blocks.
 *
 *   pieces ──▶ open line (as a terminal would show it) ──▶ open block ──▶ sealed blocks of 200 lines
 *
 * A sealed block never changes again, so whoever draws it draws it once: that is what keeps 50 000 lines fast.
 */
export const BLOCK_LINES = 200;

export interface Block {
  readonly id: number;
  readonly lines: readonly string[];
}

export class LogBuffer {
  private sealed: Block[] = [];
  private open: string[] = [];
  private openLine = "";
  private pieces: string[] = [];

  append(piece: string): void {
    if (piece === "") return;
    this.pieces.push(piece);
    const lines = (this.openLine + piece).split("\n");
    this.openLine = collapse(lines.pop() ?? "");
    for (const line of lines) {
      this.open.push(shown(line));
      if (this.open.length === BLOCK_LINES) {
        this.sealed.push({ id: this.sealed.length, lines: this.open });
        this.open = [];
      }
    }
  }

  /** A fresh array each time; sealed blocks in it are the very same objects as before. */
  blocks(): Block[] {
    const rest = this.openLine === "" ? this.open : [...this.open, shown(this.openLine)];
    return rest.length === 0 ? [...this.sealed] : [...this.sealed, { id: this.sealed.length, lines: [...rest] }];
  }

  get lineCount(): number {
    return this.sealed.length * BLOCK_LINES + this.open.length + (this.openLine === "" ? 0 : 1);
  }

  /** Everything, exactly as it came. */
  text(): string {
    this.pieces = [this.pieces.join("")];
    return this.pieces[0] ?? "";
  }
}

export interface Found {
  blocks: Block[];
  count: number;
}

/** The lines that contain `wish` in any case, the last `most` of them in blocks; `count` counts them all. */
export function search(blocks: readonly Block[], wish: string, most: number): Found {
  const needle = wish.toLowerCase();
  const hits = blocks.flatMap((block) => block.lines.filter((line) => line.toLowerCase().includes(needle)));
  const kept = hits.slice(-most);
  const found: Block[] = [];
  for (let start = 0; start < kept.length; start += BLOCK_LINES) {
    found.push({ id: found.length, lines: kept.slice(start, start + BLOCK_LINES) });
  }
  return { blocks: found, count: hits.length };
}

export type Tone = "plain" | "stage" | "warning" | "error";

/** How a line of the trainer's log wants to be read. */
export function tone(line: string): Tone {
  if (/^\[ERROR\]|^[\w.]*(Error|Exception):|Traceback \(most recent|\bERROR\b/.test(line)) return "error";
  if (/^\[WARN(ING)?\]|\bWARNING\b/.test(line)) return "warning";
  if (/^\[(STAGE|CHECKPOINT|EVENT|COG)\]/.test(line)) return "stage";
  return "plain";
}

/** Progress bars redraw their line after a carriage return: only what a terminal would still show is kept. */
function collapse(line: string): string {
  const cut = line.lastIndexOf("\r", line.length - 2);
  return cut === -1 ? line : line.slice(cut + 1);
}

const COLOUR_CODES = /\u001b\[[0-9;?]*[A-Za-z]/g;

function shown(line: string): string {
  const last = collapse(line);
  const text = last.endsWith("\r") ? last.slice(0, -1) : last;
  return text.includes("\u001b") ? text.replace(COLOUR_CODES, "") : text;
}
