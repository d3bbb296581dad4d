import { useEffect, useState } from "preact/hooks";

/** This machine's own clock, once a second: for countdowns to timers that run on it. */
export function useTick(): number {
  const [at, setAt] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setAt(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return at;
}
