// What is shown follows the service: a stream says that something changed, and what is on the page is fetched again.
// A poll is the safety net. When neither works for a while the page is stale, and says so: silence is never green.
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Problem, get } from "./api.mjs";

const POLL_MS = 15_000;
const STALE_MS = 35_000;
const APART_MS = 800;

/** @typedef {{revision: number, stream: "connecting" | "live" | "lost", heardAt: number | null, skewMs: number}} Pulse */

/** @type {Pulse} */
let pulse = { revision: 0, stream: "connecting", heardAt: null, skewMs: 0 };
/** @type {Set<() => void>} */
const listeners = new Set();
/** @type {EventSource | null} */
let source = null;
let failures = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let again;

/** Of late, at which revision which targets have changed; `null`: anything may have. @type {{revision: number, targets: string[] | null}[]} */
let news = [];
const NEWS_KEPT = 100;

/** Something has changed. @param {string[] | null} targets @param {Partial<Pulse>} [change] */
function changed(targets, change = {}) {
  const revision = pulse.revision + 1;
  news = [...news, { revision, targets }].slice(-NEWS_KEPT);
  tell({ ...change, revision });
}

/** What has changed after a revision; `null`: anything may have. @param {number} revision @returns {string[] | null} */
function changedAfter(revision) {
  const later = news.filter((it) => it.revision > revision);
  if (later.length < pulse.revision - revision || later.some((it) => it.targets === null)) return null;
  return [...new Set(later.flatMap((it) => it.targets ?? []))];
}

/** @param {Partial<Pulse>} change */
function tell(change) {
  pulse = { ...pulse, ...change };
  listeners.forEach((listener) => listener());
}

/** Notes an answer of the service, and by how much this machine's clock differs from its. @param {string} [serverTime] */
export function heard(serverTime) {
  const skewMs = serverTime === undefined ? pulse.skewMs : Date.parse(serverTime) - Date.now();
  tell({ heardAt: Date.now(), skewMs });
}

/** Once the first screen can be seen. What comes later would keep it waiting, and waits instead. @type {Promise<void>} */
export const painted = new Promise((done) => {
  const look = (/** @type {PerformanceObserverEntryList} */ list) => list.getEntriesByName("first-contentful-paint").length > 0 && done();
  new PerformanceObserver(look).observe({ type: "paint", buffered: true });
  // Not every browser tells.
  setTimeout(done, 1000);
});

/** Begins to listen; called once somebody is known to be allowed to. */
export function connect() {
  close();
  const stream = new EventSource("/v1/stream");
  source = stream;
  stream.addEventListener("open", () => {
    failures = 0;
    tell({ stream: "live", heardAt: Date.now() });
  });
  stream.addEventListener("dashboard", (event) => {
    const { targets = null } = JSON.parse(event.data);
    changed(targets, { stream: "live", heardAt: Date.now() });
  });
  stream.addEventListener("error", () => {
    // The browser gives up for good on an HTTP error, so the reconnecting is done here, ever more slowly.
    stream.close();
    failures += 1;
    tell({ stream: "lost" });
    again = setTimeout(connect, Math.min(1000 * 2 ** failures, 15_000));
  });
}

function close() {
  clearTimeout(again);
  source?.close();
  source = null;
}

/** Listens no more: nothing is shown that could grow old. */
export function disconnect() {
  close();
  failures = 0;
  tell({ stream: "connecting", heardAt: null });
}

setInterval(() => {
  if (source !== null || failures > 0) changed(pulse.stream === "live" ? [] : null);
}, POLL_MS);

/** What is picked of the pulse; the caller is drawn again when that changes. @template T @param {(pulse: Pulse) => T} pick @returns {T} */
export function usePulse(pick) {
  const [value, set] = useState(() => pick(pulse));
  useEffect(() => {
    const listener = () => set(() => pick(pulse));
    listener();
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return value;
}

/** The time, every second; by the service's clock. */
export function useNow() {
  const [now, set] = useState(Date.now() + pulse.skewMs);
  useEffect(() => {
    const timer = setInterval(() => set(Date.now() + pulse.skewMs), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** Whether nothing was heard for so long that what is shown may be wrong. @param {Pulse} pulse */
export function isStale(pulse) {
  return pulse.heardAt !== null && Date.now() - pulse.heardAt > STALE_MS;
}

/**
 * How a part of an answer is asked for, where it is known which targets have changed, and put into the whole. Asked with no
 * targets, the smallest part: a sign of life.
 * @typedef {{path: (whole: any, targets: string[]) => string, join: (whole: any, part: any) => any}} Parts
 */

/**
 * What a path answers, fetched again whenever the service says that something changed. The last good answer stays
 * while a newer one is missing; `error` says that it is.
 * @template T
 * @param {string | null} path
 * @param {{live?: boolean, parts?: Parts}} [options]
 * @returns {{data: T | null, error: Error | null, loading: boolean, refresh: () => void}}
 */
export function useResource(path, { live = true, parts } = {}) {
  const revision = usePulse((it) => it.revision);
  const [state, set] = useState(/** @type {{path: string | null, data: any, error: Error | null}} */ ({ path: null, data: null, error: null }));
  const [asked, ask] = useState(0);
  const last = useRef({ path: /** @type {string | null} */ (null), at: 0 });
  // The last good answer, and the revision before which it was asked for.
  const good = useRef({ path: /** @type {string | null} */ (null), data: /** @type {any} */ (null), revision: 0 });
  // Before the paint: a first view does not wait for a frame that shows nothing.
  useLayoutEffect(() => {
    if (path === null) return undefined;
    let left = false;
    const look = async () => {
      last.current = { path, at: Date.now() };
      try {
        const { revision: asOf } = pulse;
        const whole = good.current;
        const targets = parts && whole.path === path ? changedAfter(whole.revision) : null;
        const answer = await get(parts && targets !== null ? parts.path(whole.data, targets) : path);
        heard(answer?.updated_at);
        // An answer counts even if news came meanwhile: the next look is on its way.
        if (last.current.path === path) {
          const data = parts && targets !== null ? parts.join(whole.data, answer) : answer;
          good.current = { path, data, revision: asOf };
          set({ path, data, error: null });
        }
      } catch (error) {
        if (error instanceof Problem) heard();
        if (!left) set((before) => ({ path, data: before.path === path ? before.data : null, error: /** @type {Error} */ (error) }));
      }
    };
    const wait = last.current.path === path ? Math.max(0, APART_MS - (Date.now() - last.current.at)) : 0;
    const timer = wait > 0 ? setTimeout(look, wait) : void look();
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [path, live ? revision : 0, asked]);
  const refresh = useCallback(() => ask((count) => count + 1), []);
  const current = state.path === path;
  return { data: current ? state.data : null, error: current ? state.error : null, loading: path !== null && !current, refresh };
}
