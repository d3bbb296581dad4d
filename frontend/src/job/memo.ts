import { Component, type ComponentChildren, type ComponentType, h } from "preact";

/** Draws again only when a prop is another value. (Preact keeps its own in a compatibility layer ten times the size.) */
export function memo<P extends object>(View: ComponentType<P>): ComponentType<P> {
  return class Remembered extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const now = this.props as Record<string, unknown>;
      return Object.entries(next).some(([name, value]) => now[name] !== value);
    }

    override render(props: P): ComponentChildren {
      return h(View, props);
    }
  };
}
