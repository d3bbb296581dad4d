import { useEffect, useState } from "preact/hooks";

const DARK = matchMedia("(prefers-color-scheme: dark)");

/** Canvas colours do not follow the system by themselves: whoever paints must hear of the change. */
export function useSystemTheme(): "light" | "dark" {
  const [dark, setDark] = useState(DARK.matches);
  useEffect(() => {
    const heard = () => setDark(DARK.matches);
    DARK.addEventListener("change", heard);
    return () => DARK.removeEventListener("change", heard);
  }, []);
  return dark ? "dark" : "light";
}
