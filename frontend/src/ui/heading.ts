import { useEffect, useRef } from "preact/hooks";

let firstPage = true;

/**
 * A ref for a page's `<h1 tabIndex={-1}>`, which gets the focus when the page opens: without a page load a screen
 * reader would not notice, and the keyboard would start from nowhere. Not on the first page, whose load says it all.
 */
export function useHeading() {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (!firstPage) heading.current?.focus({ preventScroll: true });
    if (!firstPage) window.scrollTo(0, 0);
    firstPage = false;
  }, []);
  return heading;
}

/** For when the thing that had the focus is gone. */
export function focusHeading(): void {
  document.querySelector<HTMLElement>("h1")?.focus();
}
