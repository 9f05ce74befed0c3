// Views that nobody sees first: fetched when they are opened, or a moment after the first screen, so that it waits for fewer files.
import { useLayoutEffect, useState } from "preact/hooks";
import { Unreachable } from "./api.mjs";
import { html } from "./html.mjs";
import { usePulse } from "./live.mjs";
import { Waiting } from "./parts.mjs";

/** @typedef {import("preact").ComponentType<any>} View */

const VIEWS = {
  Audit: async () => (await import("./views/audit.mjs")).Audit,
  IncidentView: async () => (await import("./views/incident.mjs")).IncidentView,
  Lab: async () => (await import("./views/lab.mjs")).Lab,
  Messages: async () => (await import("./views/messages.mjs")).Messages,
  SignIn: async () => (await import("./views/signin.mjs")).SignIn,
  TargetView: async () => (await import("./views/target.mjs")).TargetView,
};

/** The first screen is drawn by then. */
const AFTER_MS = 1000;

/** Fetches all of them, so that none is missing when the service is. */
export function fetchAll() {
  setTimeout(() => Object.values(VIEWS).forEach((view) => view().catch(() => {})), AFTER_MS);
}

/** One of them, and its properties. @param {{view: keyof typeof VIEWS} & Record<string, unknown>} props */
export function Later({ view, ...props }) {
  const [{ View, error }, set] = useState(/** @type {{View: View | null, error: Error | null}} */ ({ View: null, error: null }));
  const revision = usePulse((it) => it.revision);
  // Before the paint: what is there already shows at once. What is not is tried again with every sign of life.
  useLayoutEffect(() => {
    if (View === null) VIEWS[view]().then((found) => set({ View: found, error: null }), () => set({ View: null, error: new Unreachable() }));
  }, [View === null ? revision : null]);
  return View === null ? html`<${Waiting} of=${{ data: null, error, loading: true }} />` : html`<${View} ...${props} />`;
}
