// Texts in English and Japanese.
import { useEffect, useState } from "preact/hooks";
import { own } from "./words/own.mjs";
import { story } from "./words/story.mjs";

/** @typedef {keyof typeof own | keyof typeof story} Word */
/** @typedef {"en" | "ja"} Language */

/** The page's own words, and those for what happened and what is in the way. */
const words = { ...own, ...story };
const KEY = "phasegate.language";

/** @returns {Language} */
function first() {
  const kept = localStorage.getItem(KEY);
  if (kept === "en" || kept === "ja") return kept;
  return navigator.language.startsWith("ja") ? "ja" : "en";
}

/** @type {Language} */
let language = first();
/** @type {Set<() => void>} */
const listeners = new Set();

/** @returns {Language} */
export const currentLanguage = () => language;

/** @param {Language} next */
export function setLanguage(next) {
  language = next;
  localStorage.setItem(KEY, next);
  document.documentElement.lang = next;
  listeners.forEach((listener) => listener());
}

/** Draws the caller again when the language changes. */
export function useLanguage() {
  const [, set] = useState(0);
  useEffect(() => {
    const listener = () => set((count) => count + 1);
    listeners.add(listener);
    document.documentElement.lang = language;
    return () => void listeners.delete(listener);
  }, []);
  return language;
}

/** A text as it stands in the list. @param {Word} key */
export const raw = (key) => words[key][language === "ja" ? 1 : 0];

/**
 * A text with its places filled in.
 * @param {Word} key @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  return raw(key).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** Whether there is a text for a name that came from the service. @param {string} key @returns {key is Word} */
export const known = (key) => Object.hasOwn(words, key);

/** The text for a code of the service, or the code itself where it is a new one. @param {string} prefix @param {string} code */
export function named(prefix, code) {
  const key = `${prefix}.${code}`;
  return known(key) ? t(key) : code.replaceAll("_", " ");
}
