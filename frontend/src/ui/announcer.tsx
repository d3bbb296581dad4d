/** Says aloud, to those who listen instead of look, what has just changed. */
import { signal } from "@preact/signals";

const spoken = signal("");

export function announce(words: string): void {
  // The same words twice would be no change, and stay silent: an empty moment between makes them new.
  spoken.value = "";
  window.setTimeout(() => {
    spoken.value = words;
  }, 50);
}

export function Announcer() {
  return (
    <div class="unseen" role="status" aria-live="polite" data-testid="announcer">
      {spoken}
    </div>
  );
}
