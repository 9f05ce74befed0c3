// Hops and blockers in words: a text of the list for the kind and form that the API names, filled with the facts it gives. The texts'
// places and sections are told in domain/src/story/words/fill.rs.
import { dayTime, readable, span, windowText } from "./format.mjs";
import { known, named, raw, t } from "./i18n.mjs";

/** @typedef {import("./api.mjs").Schemas} Schemas */
/** @typedef {Record<string, unknown>} Facts */

/** Facts that have words of their own, by their name. @type {Record<string, string>} */
const prefixes = { verdict: "verdict", cause: "cause", violated: "metric", broken_by: "metric", item: "item" };
const phases = new Set(["phase", "from", "to", "named"]);

/** @param {string} name @param {unknown} fact @returns {string} */
function shown(name, fact) {
  if (fact === null || fact === undefined) return "";
  if (typeof fact === "boolean") return t(fact ? "value.true" : "value.false");
  if (typeof fact === "number") return name.endsWith("_ms") ? span(fact) : String(fact);
  if (Array.isArray(fact)) return fact.map((it) => shown(name, it)).join(name === "command" ? " " : name === "any_of" ? " / " : ", ");
  if (typeof fact === "object") return windowText(/** @type {{start: string, end: string}} */ (fact));
  const text = String(fact);
  const prefix = prefixes[name];
  if (prefix !== undefined && known(`${prefix}.${text}`)) return named(prefix, text);
  if (phases.has(name) && known(`phase.${text}`)) return named("phase", text);
  return /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text) ? dayTime(text) : text;
}

/** @param {string} text @param {Facts} facts @returns {{text: string, whole: boolean}} */
function places(text, facts) {
  let whole = true;
  const filled = text.replace(/\{(\w+)\}/g, (_, name) => {
    const fact = shown(name, facts[name]);
    whole &&= fact !== "";
    return fact;
  });
  return { text: filled, whole };
}

/** @param {string} text @param {Facts} facts */
export function fill(text, facts) {
  const parts = text.split(/\[([^\]]*)\]/);
  return parts.map((part, index) => {
    if (index % 2 === 0) return places(part, facts).text;
    const [then = "", otherwise = ""] = part.split("|");
    const shownThen = places(then, facts);
    return shownThen.whole ? shownThen.text : places(otherwise, facts).text;
  }).join("");
}

/** The sentence for a kind, in the form that its facts name; none: this page does not know it. @param {string} prefix @param {string} kind @param {Facts} facts */
function sentence(prefix, kind, facts) {
  const how = facts["how"];
  const key = typeof how === "string" ? `${prefix}.${kind}.${how}` : `${prefix}.${kind}`;
  return known(key) ? fill(raw(key), facts) : undefined;
}

/** How a target stands. @param {Schemas["Standing"]} it */
export const standingText = (it) => sentence("standing", it.code, /** @type {Facts} */ (it.data ?? {})) ?? it.sentence;

/** What to do about it, and who may; empty: nothing. @param {Schemas["Standing"]} it */
export function actionText({ code, action, who, data }) {
  if (action == null) return "";
  const what = sentence("action", code, /** @type {Facts} */ (data ?? {})) ?? action;
  return who === undefined || who.length === 0 ? what : `${what} (${who.join(", ")})`;
}

/** What is in the way. Some say within their own sentence what a check does not find, or why a rollback waits. @param {Schemas["Blocker"]} blocker */
export function blockerText({ code, detail, data }) {
  const facts = /** @type {Facts} */ (data ?? {});
  const [key, own] = [`blocker.${code}`, `blocked.${code}`];
  const within = sentence("checked", "lack", facts) ?? sentence("told", "rollback_waiting", facts);
  const text = (within !== undefined && known(own) ? fill(raw(own), { ...facts, within }) : sentence("blocked", code, facts)) ?? readable(detail);
  return known(key) ? t(key, { detail: text }) : `${code.replaceAll("_", " ")}: ${text}`;
}

/** What a check of evidence goes by; what was signed says what it said then. @param {Schemas["EvidenceItem"]} item */
export function figuresText({ figures, figures_data }) {
  const told = (figures_data ?? []).map((it) => sentence("checked", "figure", /** @type {Facts} */ (it)));
  return told.length > 0 && !told.includes(undefined) ? told.join("; ") : readable(figures ?? "");
}

/** What keeps an item from being complete: other items, and at last what its check does not find. @param {Schemas["EvidenceItem"]} item */
export function missingText({ missing, missing_data }) {
  const lack = missing_data == null ? undefined : sentence("checked", "lack", /** @type {Facts} */ (missing_data));
  const items = missing_data == null ? missing : missing.slice(0, -1);
  const last = missing_data == null ? [] : [lack ?? readable(missing[missing.length - 1] ?? "")];
  return [...items.map((it) => (known(`item.${it}`) ? named("item", it) : readable(it))), ...last].join("; ");
}

/** What happened, and what it says of itself. What was logged before hops had facts says what it said. @param {Schemas["TimelineEntry"]} entry */
export function hopText({ kind, detail, data }) {
  const facts = /** @type {Facts} */ (data ?? {});
  const hop = facts["hop"];
  const told = typeof hop === "string" ? sentence("told", hop, facts) : undefined;
  return { title: named("hop", told === undefined ? kind : String(hop)), text: told ?? readable(detail) };
}
