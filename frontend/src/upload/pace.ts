/** How fast bytes move, and how long the rest will take: over the last seconds, since lines change. */

const WINDOW_MS = 8000;

export class Pace {
  #marks: { at: number; bytes: number }[] = [];

  mark(bytes: number, at: number): void {
    this.#marks.push({ at, bytes });
    while (this.#marks.length > 2 && (this.#marks[1]?.at ?? at) < at - WINDOW_MS) this.#marks.shift();
  }

  /** Bytes a second; null until there is a second to judge by. */
  get speed(): number | null {
    const [first, last] = [this.#marks[0], this.#marks.at(-1)];
    if (!first || !last || last.at - first.at < 1000) return null;
    return Math.max(0, ((last.bytes - first.bytes) * 1000) / (last.at - first.at));
  }

  secondsFor(left: number): number | null {
    return this.speed ? left / this.speed : null;
  }
}
