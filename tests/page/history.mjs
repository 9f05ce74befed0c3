// Windows that have passed, as a collector would have sent them: the history behind pictures and figures.
import { Running, until } from "./running.mjs";

export const WINDOW_MS = 15 * 60 * 1000;

/** The scaled-down policy with the windows of the shipped one, and telemetry that is pushed. @param {string} policy */
export const quarterly = (policy) =>
  policy
    .replace(/source: \{ jsonl: .*/, "source: { http: {} }")
    .replace("over: 8s", "over: 1h")
    .replace("window: 2s", "window: 15m")
    .replace("grace: 200ms", "grace: 30s")
    .replace("delayed_after: 20s", "delayed_after: 5m")
    .replace("watch: 6s, cadence: 1s", "watch: 30m, cadence: 5m");

/** As many names of targets. @param {number} count */
export const names = (count) => Array.from({ length: count }, (_, index) => `feature-${String(index).padStart(3, "0")}`);

/** The one target of the policy, under each of the names. @param {string} policy @param {string[]} targets */
export function multiplied(policy, targets) {
  const start = policy.indexOf("  autosave:\n");
  const end = policy.indexOf("\nretention:");
  const block = policy.slice(start, end);
  const copies = targets.map((name, index) => block.replace("  autosave:\n", `  ${name}:\n`).replace("title: AutoSave", `title: Feature ${index}`));
  return policy.slice(0, start) + copies.join("\n") + policy.slice(end);
}

/** A histogram of one value: version, maximum, its bucket and its count (shared-types/src/histogram.rs). @param {number} value @param {number} count */
function histogram(value, count) {
  const maximum = Buffer.alloc(8);
  maximum.writeDoubleLE(value);
  const bucket = Number(maximum.readBigUInt64LE() >> 42n);
  return Buffer.concat([Buffer.from([1]), maximum, varint(bucket), varint(count)]).toString("base64");
}

/** @param {number} value */
function varint(value) {
  const bytes = [];
  for (; value >= 128; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}

/**
 * What is counted in a window.
 * @typedef {{p95Ms: number, saves: number, errors: number, latencyMs: number}} Counted
 */

/**
 * A window's batch, judged by the analyzer.
 * @param {Running} running @param {string} target @param {{phase: string, epoch: number}} stay @param {number} end of the window, epoch milliseconds
 * @param {Counted} counted
 */
export async function judge(running, target, { phase, epoch }, end, { p95Ms, saves, errors, latencyMs }) {
  const at = (/** @type {number} */ ms) => new Date(ms).toISOString();
  const distribution = { unit: "ms", count: saves, p50: p95Ms, p95: p95Ms, p99: p95Ms, max: p95Ms, histogram: histogram(p95Ms, saves) };
  return running.call("all", "POST", "/v1/batches", {
    schema: "phasegate.batch/1",
    target,
    phase,
    epoch,
    window: { start: at(end - WINDOW_MS), end: at(end) },
    counters: { "autosave.save.completed": saves, "autosave.save.error": errors, "autosave.history.drift": 0 },
    distributions: { "autosave.save.completed": distribution },
    breakdowns: {},
    intake: { malformed: 0, late: 0, duplicates: 0, unknown: 0 },
    collector_latency_ms: latencyMs,
    attempts: 1,
    source: "http",
    collected_at: at(Math.min(end + latencyMs, Date.now())),
  }, running.analyzerUrl);
}

/** Starts a rollout, and waits until its first phase is there. @param {Running} running @param {string} target */
export async function begin(running, target) {
  await running.call("ana", "POST", `/v1/rollouts/${target}/start`, {});
  return standing(running, target, "A");
}

/** Waits until a rollout stands in a phase. @param {Running} running @param {string} target @param {string} phase */
export function standing(running, target, phase) {
  return until(`phase ${phase} of ${target}`, async () => {
    const it = await running.call("vi", "GET", `/v1/rollouts/${target}`);
    return it.phase === phase && it.transition?.state === "succeeded" ? it : null;
  });
}
