import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { MetricPoint, Metrics } from "../api/types";
import { loss, rate, whole } from "../format/amount";
import { locale, t } from "../i18n/i18n";
import { theme } from "../settings/preferences";
import { smoothed } from "./losses";
import { useSystemTheme } from "./system_theme";

const HEIGHT = 230;
const ROOM = 4;

interface Props {
  metrics: Metrics;
  /** Whether more is to come: the curve then leaves room for it. */
  growing: boolean;
}

/** Drawn anew when the colours or the language change, and only fed when numbers arrive. */
export function LossChart({ metrics, growing }: Props) {
  const stand = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const pointed = useSignal<number | null>(null);
  const newest = useRef<Props>({ metrics, growing });
  newest.current = { metrics, growing };
  const systemTheme = useSystemTheme();

  useEffect(() => {
    const box = stand.current;
    if (!box) return undefined;
    const drawn = new uPlot(options(box, newest, (place) => (pointed.value = place)), series(newest.current.metrics), box);
    chart.current = drawn;
    const resized = new ResizeObserver(() => drawn.setSize({ width: box.clientWidth, height: HEIGHT }));
    resized.observe(box);
    return () => {
      resized.disconnect();
      drawn.destroy();
      chart.current = null;
    };
  }, [theme.value, systemTheme, locale.value]);

  useEffect(() => chart.current?.setData(series(metrics)), [metrics, growing]);

  const point = metrics.points[pointed.value ?? metrics.points.length - 1];
  return (
    <figure class="chart">
      <div ref={stand} class="chart-stand" data-testid="loss-chart" aria-hidden="true" />
      <figcaption class="legend number">
        <span class="legend-raw">{t("loss.raw")}</span>
        <span class="legend-smooth">{t("loss.smoothed")}</span>
        {point && <span class="legend-point">{caption(point)}</span>}
      </figcaption>
    </figure>
  );
}

function caption(point: MetricPoint): string {
  const parts = [
    t("progress.step", { step: whole(point.step, locale.value) }),
    t("progress.loss", { loss: loss(point.loss, locale.value) }),
  ];
  if (point.learning_rate !== null) parts.push(t("progress.rate", { rate: rate(point.learning_rate) }));
  return parts.join(" · ");
}

function series({ points }: Metrics): uPlot.AlignedData {
  const losses = points.map((point) => point.loss);
  return [points.map((point) => point.step), losses, smoothed(losses)];
}

/** Room for what is still to come, but never so much that the curve is squeezed into a corner. */
function horizon(last: number, { metrics, growing }: Props): number {
  return growing ? Math.max(last, Math.min(metrics.total_steps ?? last, last * ROOM)) : last;
}

/** As many decimals as tell one tick from the next. */
function tick(value: number, spacing: number): string {
  const digits = String(spacing).split(".")[1]?.length ?? 0;
  return value.toLocaleString(locale.value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function options(
  box: HTMLElement,
  newest: { readonly current: Props },
  onPoint: (place: number | null) => void,
): uPlot.Options {
  const style = getComputedStyle(box);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--muted"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: `12px ${style.fontFamily}`,
  };
  return {
    width: box.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { time: false, range: (_, least, most) => [Math.min(least, most - 1), horizon(most, newest.current)] } },
    axes: [
      { ...axis, size: 34, values: (_, steps) => steps.map((step) => whole(step, locale.value)) },
      { ...axis, size: 52, values: (_, values, __, ___, spacing) => values.map((value) => tick(value, spacing)) },
    ],
    series: [
      {},
      { stroke: colour("--loss-raw"), width: 1, points: { show: false } },
      { stroke: colour("--accent"), width: 2.5, points: { show: false } },
    ],
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  };
}
