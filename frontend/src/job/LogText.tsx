import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { memo } from "./memo";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../i18n/i18n";
import { type Block, tone } from "./log_buffer";

/** Nearer than this to the end counts as the end. */
const NEAR_PX = 24;

/** A log as short as this is drawn whole: nothing is gained by skipping what is out of view. */
const PLAIN_BLOCKS = 10;

interface Props {
  blocks: readonly Block[];
  wish: string;
  wrap: boolean;
  follow: Signal<boolean>;
}

/**
 * In a long log, blocks outside the view are skipped by the browser (`content-visibility`), so the whole log can be in the page:
 * selected, found with Ctrl-F, and read by a screen reader. It does not announce itself: it would never stop talking.
 */
export function LogText({ blocks, wish, wrap, follow }: Props) {
  const view = useRef<HTMLDivElement>(null);
  const lastTop = useRef(0);

  useLayoutEffect(() => {
    if (follow.value) toEnd();
  }, [blocks, wrap, follow.value]);

  useEffect(() => {
    const box = view.current;
    if (!box) return undefined;
    const resized = new ResizeObserver(() => follow.value && toEnd());
    resized.observe(box);
    return () => resized.disconnect();
  }, []);

  function toEnd(tries = 3): void {
    const box = view.current;
    if (!box) return;
    box.scrollTop = box.scrollHeight;
    lastTop.current = box.scrollTop;
    // Blocks get their true height when they come into view: the end may have moved further down.
    if (tries > 0) requestAnimationFrame(() => follow.value && toEnd(tries - 1));
  }

  function scrolled(): void {
    const box = view.current;
    if (!box) return;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
    if (box.scrollTop < lastTop.current - 1 && !atEnd) follow.value = false;
    else if (atEnd) follow.value = true;
    lastTop.current = box.scrollTop;
  }

  return (
    <div
      ref={view}
      class={`log${wrap ? " log-wrapped" : ""}${blocks.length > PLAIN_BLOCKS ? " log-long" : ""}`}
      role="log"
      aria-live="off"
      aria-label={t("log.title")}
      tabIndex={0}
      onScroll={scrolled}
    >
      {blocks.map((block) => (
        <LogBlock key={block.id} block={block} wish={wish} />
      ))}
    </div>
  );
}

const LogBlock = memo(function LogBlock({ block, wish }: { block: Block; wish: string }) {
  return (
    <div class="log-block" style={{ "--lines": block.lines.length }}>
      {pieces(block, wish)}
    </div>
  );
});

/** Plain lines stay one text; only lines that stand out get an element. */
function pieces(block: Block, wish: string): ComponentChildren[] {
  const out: ComponentChildren[] = [];
  let plain = "";
  for (const line of block.lines) {
    const voice = tone(line);
    if (voice === "plain" && wish === "") {
      plain += `${line}\n`;
      continue;
    }
    out.push(plain, <span class={`line-${voice}`}>{marked(line, wish)}</span>);
    plain = "\n";
  }
  out.push(plain);
  return out;
}

function marked(line: string, wish: string): ComponentChildren {
  if (wish === "") return line;
  const out: ComponentChildren[] = [];
  const lower = line.toLowerCase();
  const needle = wish.toLowerCase();
  let from = 0;
  for (let hit = lower.indexOf(needle); hit !== -1; hit = lower.indexOf(needle, from)) {
    out.push(line.slice(from, hit), <mark>{line.slice(hit, hit + needle.length)}</mark>);
    from = hit + needle.length;
  }
  out.push(line.slice(from));
  return out;
}
