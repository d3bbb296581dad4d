const STROKES = {
  alert: "M12 3.5 21.5 20h-19zM12 10v4.5M12 17.2v.1",
  back: "M14.5 6 8.5 12l6 6",
  box: "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clock: "M12 7v5l3.5 2M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  cross: "M7 7l10 10M17 7L7 17",
  dot: "M12 9.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z",
  down: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  bin: "M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  gear: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4zM9 14.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4z",
  next: "M9.5 6l6 6-6 6",
  shield: "M12 3.5l7.5 3v5c0 4.5-3 7.7-7.5 9-4.5-1.3-7.5-4.5-7.5-9v-5zM8.5 12l2.5 2.5 4.5-5",
  spin: "M12 4a8 8 0 1 1-7.4 5",
  stop: "M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17zM9.5 9.5h5v5h-5z",
  up: "M12 20V8M7 12.500l5-5 5 5M5 4h14",
} as const;

export type IconName = keyof typeof STROKES;

/** Decoration only: the words next to it carry the meaning. */
export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class={`icon icon-${name}`} width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={STROKES[name]} />
    </svg>
  );
}
