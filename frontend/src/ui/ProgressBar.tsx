interface Props {
  label: string;
  /** 0–100, or null when nobody can say. */
  value: number | null;
  /** What a screen reader says instead of the bare percentage. */
  text?: string;
}

export function ProgressBar({ label, value, text }: Props) {
  const bounded = value === null ? null : Math.min(100, Math.max(0, value));
  const known = bounded === null ? {} : { "aria-valuenow": Math.floor(bounded), ...(text && { "aria-valuetext": text }) };
  return (
    <div class="bar" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} {...known}>
      <div class={bounded === null ? "bar-fill bar-unknown" : "bar-fill"} style={{ width: `${bounded ?? 30}%` }} />
    </div>
  );
}
