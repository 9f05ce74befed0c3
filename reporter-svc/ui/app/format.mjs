// Numbers, times and spans as people read them.
import { currentLanguage, t } from "./i18n.mjs";

// English and Japanese write numbers and times of day alike. The browser's own formats would keep the first screen waiting.

/** `1,234.5`. @param {number} value @param {number} digits behind the point at most */
function number(value, digits) {
  const [whole = "", part] = String(Number(value.toFixed(digits))).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return part === undefined ? grouped : `${grouped}.${part}`;
}

const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
/** @param {Date} date */
const minutes = (date) => `${two(date.getHours())}:${two(date.getMinutes())}`;
/** @param {Date} date */
const seconds = (date) => `${minutes(date)}:${two(date.getSeconds())}`;
/** Made once a language: that takes far longer than to use it. @type {Map<string, Intl.DateTimeFormat>} */
const days = new Map();

function day() {
  const locale = currentLanguage() === "ja" ? "ja-JP" : "en-GB";
  const known = days.get(locale) ?? new Intl.DateTimeFormat(locale, { month: "short", day: "numeric" });
  days.set(locale, known);
  return known;
}

/** @param {number | null | undefined} value @param {string} unit */
export function figure(value, unit) {
  if (value === null || value === undefined) return "–";
  const digits = value === 0 || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  const text = number(value, digits);
  return unit === "" ? text : unit === "%" ? `${text} %` : `${text} ${unit}`;
}

/** What was observed, or the bounds of it. @param {import("./api.mjs").Schemas["MetricVerdict"]} it */
export function seen({ observed, between, unit }) {
  if (!between) return figure(observed, unit);
  const { lower, upper } = between;
  return upper == null ? `> ${figure(lower, unit)}` : `${figure(lower, "")}–${figure(upper, unit)}`;
}

/** @param {number | null | undefined} ratio */
export function percent(ratio) {
  if (ratio === null || ratio === undefined) return "–";
  return `${number(ratio * 100, ratio < 0.1 ? 1 : 0)} %`;
}

/** @param {string | number | null | undefined} at */
export function clockTime(at) {
  if (at === null || at === undefined) return "–";
  return seconds(new Date(at));
}

/** The day alone. @param {number} at */
export const dayText = (at) => day().format(at);

/** Day and time; the day only when it is not today. @param {string | number | null | undefined} at */
export function dayTime(at) {
  if (at === null || at === undefined) return "–";
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  if (today) return clockTime(at);
  return `${day().format(date)} ${clockTime(at)}`;
}

/** A window, by the clock. @param {{start: string, end: string} | null | undefined} window */
export function windowText(window) {
  if (!window) return "–";
  const short = Date.parse(window.end) - Date.parse(window.start) < 60_000;
  const one = (/** @type {string} */ at) => (short ? seconds : minutes)(new Date(at));
  return `${one(window.start)}–${one(window.end)}`;
}

/** A text of the service, with its windows and times by the clock. @param {string} text */
export function readable(text) {
  return text
    .replace(/(\d{4}-\d\d-\d\dT)([\d:.]+Z)\/(\d{4}-\d\d-\d\dT)?([\d:.]+Z)/g, (_, day, start, otherDay, end) => windowText({ start: day + start, end: (otherDay ?? day) + end }))
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (at) => dayTime(at));
}

/** `3 d 4 h`, `12 min 5 s`, `1.2 s`, `40 ms`: two units at most. @param {number} ms */
export function span(ms) {
  if (ms !== 0 && Math.abs(ms) < 100) return t("span.ms", { n: Math.round(Math.abs(ms)) });
  const all = Math.abs(ms) / 1000;
  if (all < 10 && all % 1 !== 0) return t("span.s", { n: all.toFixed(1) });
  const whole = Math.round(all);
  const parts = /** @type {const} */ ([["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]]);
  const shown = [];
  let rest = whole;
  for (const [name, size] of parts) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n > 0 || (name === "s" && shown.length === 0)) shown.push(t(`span.${name}`, { n }));
    else if (shown.length > 0) break;
    if (shown.length === 2) break;
  }
  return shown.join(" ");
}

/** @param {string | number} at @param {number} now */
export function ago(at, now) {
  const ms = now - new Date(at).getTime();
  return ms < 0 ? t("in", { span: span(-ms) }) : t("ago", { span: span(ms) });
}
