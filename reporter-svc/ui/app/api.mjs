// Calls to the reporter's own API, and nothing else. A session lives in a cookie that scripts cannot read; the header
// on every change proves that the call comes from this page.

/** @typedef {import("reporter-api").components["schemas"]} Schemas */

/** What a call was refused with, as the service said it. */
export class Problem extends Error {
  /** @param {number} status @param {Partial<Schemas["Problem"]>} body */
  constructor(status, body) {
    super(body.detail ?? body.title ?? `HTTP ${status}`);
    this.status = status;
    this.code = (body.type ?? "").split(":").pop() ?? "";
    this.blockers = body.blockers ?? [];
  }
}

/** Anything that went wrong between here and the service. */
export class Unreachable extends Error {}

/** A random key, so that a repeat on the way is not a second act. */
function requestKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What came from outside is shown without what hides or turns it (OP-8), as everywhere else. */
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
/** @param {string} text */
const visible = (text) => text.replace(HIDDEN, "\ufffd");

/**
 * One call; the answer's JSON, or its text where it is not JSON.
 * @param {string} method @param {string} path @param {unknown} [body] @param {Record<string, string>} [headers]
 */
export async function call(method, path, body, headers = {}) {
  /** @type {Record<string, string>} */
  const sent = { accept: "application/json", ...headers };
  if (method !== "GET") {
    // What was answered before, even that nobody is signed in, may be otherwise now.
    early.clear();
    sent["x-phasegate-request"] = "1";
    sent["idempotency-key"] = requestKey();
    if (body !== undefined) sent["content-type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(60_000),
    });
  } catch (error) {
    throw new Unreachable(String(error));
  }
  const text = await response.text();
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  const value = isJson && text !== "" ? JSON.parse(text, (_, it) => (typeof it === "string" ? visible(it) : it)) : text;
  if (!response.ok) throw new Problem(response.status, isJson ? value : {});
  return value;
}

/** What was asked for ahead, each answer for its first taker. @type {Map<string, Promise<any>>} */
const early = new Map();
/** Later it may be out of date, and is asked for again. */
const EARLY_MS = 5000;

/** Asks for what will be shown, before there is a view that shows it; resolves once it was answered, with whatever. @param {string} path */
export function ahead(path) {
  const answer = call("GET", path);
  early.set(path, answer);
  setTimeout(() => early.delete(path), EARLY_MS);
  return answer.then(() => {}, () => {});
}

/** @param {string} path */
export function get(path) {
  const answer = early.get(path) ?? call("GET", path);
  early.delete(path);
  return answer;
}
/** @param {string} path @param {unknown} body */
export const post = (path, body) => call("POST", path, body);
/** @param {string} path @param {unknown} body */
export const put = (path, body) => call("PUT", path, body);

/**
 * A path with its query; what is empty is left out.
 * @param {string} path @param {Record<string, string | number | null | undefined>} query
 */
export function withQuery(path, query) {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString();
  return text === "" ? path : `${path}?${text}`;
}
