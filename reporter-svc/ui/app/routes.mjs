// Where one can be: a line a view, by the first part of the path. What nobody sees first is fetched when it is opened, or a moment after
// the first screen, so that this one waits for fewer files.
import { Overview } from "./views/overview.mjs";

/** @typedef {import("preact").ComponentType<any>} View */
/**
 * `title` puts it into the navigation. `of`: what the next parts of the path are to the view, where another one begins it anew; `within`:
 * the parts after them, which only lead to a place in it.
 * @typedef {{title?: import("./i18n.mjs").Word, of?: string[], within?: string[], load: () => View | Promise<View>}} Route
 */

/** Also for a path that leads nowhere. @type {Route} */
export const home = { title: "overview.title", load: () => Overview };

/** @type {Map<string, Route>} */
export const routes = new Map(Object.entries({
  "": home,
  "targets": { of: ["name", "window"], load: async () => (await import("./views/target.mjs")).TargetView },
  "incidents": { of: ["id"], within: ["message"], load: async () => (await import("./views/incident.mjs")).IncidentView },
  "lab": { title: "lab.title", load: async () => (await import("./views/lab.mjs")).Lab },
  "messages": { title: "messages.title", load: async () => (await import("./views/messages.mjs")).Messages },
  "audit": { title: "audit.title", of: ["target", "about"], load: async () => (await import("./views/audit.mjs")).Audit },
}));

/** Instead of all of them, until one has shown a token. @type {Route} */
export const wayIn = { load: async () => (await import("./views/signin.mjs")).SignIn };
