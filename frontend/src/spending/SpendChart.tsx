import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { money } from "../format/money";
import { locale } from "../i18n/i18n";
import { useSystemTheme } from "../job/system_theme";
import { theme } from "../settings/preferences";
import type { Stack } from "./books";
import { shownDay, vendor } from "./SpendCard";

const HEIGHT = 240;
const COLOURS = ["--accent", "--busy", "--wait", "--calm"];

/** Bars by day, the providers of a day on top of each other. Drawn anew when numbers, colours or language change. */
export function SpendChart({ stacked }: { stacked: Stack }) {
  const stand = useRef<HTMLDivElement>(null);
  const pointed = useSignal<number | null>(null);
  const systemTheme = useSystemTheme();
  const drawnFrom = JSON.stringify(stacked);

  useEffect(() => {
    const box = stand.current;
    if (!box) return undefined;
    const drawn = new uPlot(options(box, stacked, (place) => (pointed.value = place)), data(stacked), box);
    const resized = new ResizeObserver(() => drawn.setSize({ width: box.clientWidth, height: HEIGHT }));
    resized.observe(box);
    return () => {
      resized.disconnect();
      drawn.destroy();
    };
  }, [drawnFrom, theme.value, systemTheme, locale.value]);

  const place = pointed.value ?? stacked.days.length - 1;
  const at = stacked.days[place];
  return (
    <figure class="chart">
      <div ref={stand} class="chart-stand" data-testid="spend-chart" aria-hidden="true" />
      <figcaption class="legend number">
        {stacked.providers.map((provider, row) => (
          <span key={provider} class="legend-swatch" style={{ "--swatch": `var(${COLOURS[row % COLOURS.length]})` }}>
            {`${vendor(provider)} ${money(stacked.own[row]?.[place] ?? 0, locale.value)}`}
          </span>
        ))}
        {at !== undefined && (
          <span class="legend-point">{shownDay(new Date(at * 1000).toISOString().slice(0, 10))}</span>
        )}
      </figcaption>
    </figure>
  );
}

/** The tallest first, so that each shorter bar covers the lower part of it. */
function data({ days, tops }: Stack): uPlot.AlignedData {
  return [days, ...tops.toReversed().map((row) => row.map((micros) => micros / 1_000_000))];
}

function options(box: HTMLElement, { providers }: Stack, onPoint: (place: number | null) => void): uPlot.Options {
  const style = getComputedStyle(box);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--muted"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: `12px ${style.fontFamily}`,
  };
  const bars = uPlot.paths.bars?.({ size: [0.7, 40], radius: 0.1 });
  const short = (seconds: number) =>
    new Date(seconds * 1000).toLocaleDateString(locale.value, { day: "numeric", month: "short", timeZone: "UTC" });
  return {
    width: box.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: {
      x: { time: false, range: (_, least, most) => [least - 43_200, most + 43_200] },
      y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 34, space: 70, incrs: [1, 2, 7, 14, 30, 60].map((days) => days * 86_400), values: (_, all) => all.map(short) },
      { ...axis, size: 64, values: (_, all) => all.map((dollars) => money(Math.round(dollars * 1_000_000), locale.value)) },
    ],
    series: [
      {},
      ...providers.toReversed().map((_, place) => {
        const fill = colour(COLOURS[(providers.length - 1 - place) % COLOURS.length] ?? "--accent");
        return { fill, stroke: fill, width: 0, paths: bars, points: { show: false } } as uPlot.Series;
      }),
    ],
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  };
}
