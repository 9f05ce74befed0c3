// Shows a view, and fetches it first where it is not there yet.
import { useLayoutEffect, useState } from "preact/hooks";
import { Unreachable } from "./api.mjs";
import { html } from "./html.mjs";
import { usePulse } from "./live.mjs";
import { Waiting } from "./parts.mjs";

/** @typedef {import("./routes.mjs").Route} Route */
/** @typedef {import("./routes.mjs").View} View */

/** The first screen is drawn by then. */
const AFTER_MS = 1000;

/** Fetches all of them, so that none is missing when the service is. @param {Iterable<Route>} routes */
export function fetchAll(routes) {
  setTimeout(() => Array.from(routes, async ({ load }) => load()).forEach((it) => it.catch(() => {})), AFTER_MS);
}

/** The view, with its properties. @param {{load: Route["load"]} & Record<string, unknown>} props */
export function Later({ load, ...props }) {
  const [{ View, error }, set] = useState(/** @type {{View: View | null, error: Error | null}} */ ({ View: null, error: null }));
  const revision = usePulse((it) => it.revision);
  // Before the paint: what is there already shows at once. What is not is tried again with every sign of life.
  useLayoutEffect(() => {
    if (View === null) Promise.resolve(load()).then((found) => set({ View: found, error: null }), () => set({ View: null, error: new Unreachable() }));
  }, [View === null ? revision : null]);
  return View === null ? html`<${Waiting} of=${{ data: null, error, loading: true }} />` : html`<${View} ...${props} />`;
}
