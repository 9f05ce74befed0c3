// The policy lab: other limits, tried on what really happened.
import { useEffect, useState } from "preact/hooks";
import { post } from "../api.mjs";
import { figure } from "../format.mjs";
import { html } from "../html.mjs";
import { named, t } from "../i18n.mjs";
import { useResource } from "../live.mjs";
import { Choice, ErrorNote, Heading, Waiting } from "../parts.mjs";
import { Strip } from "../strip.mjs";

/** @typedef {import("../api.mjs").Schemas} Schemas */
/** @typedef {{busy: boolean, draft: any, result: any, error: Error | null}} Trial */

const HOUR_MS = 3600 * 1000;
/** @type {Record<string, number>} */
const SPANS = { day: 24 * HOUR_MS, week: 7 * 24 * HOUR_MS, month: 30 * 24 * HOUR_MS };
/** Long enough that dragging does not ask for every step on the way. */
const CALM_MS = 250;

export function Lab() {
  const policy = useResource("/v1/limits", { live: false });
  /** @type {Schemas["TargetLimits"][]} */
  const targets = policy.data?.targets ?? [];
  const [name, setName] = useState("");
  const [phaseId, setPhase] = useState("");
  const [time, setTime] = useState("day");
  const target = targets.find((it) => it.target === name) ?? targets[0];
  const phase = target?.phases.find((it) => it.id === phaseId) ?? target?.phases[0];
  return html`
    <${Heading} text=${t("lab.title")} />
    <p class="quiet">${t("lab.hint")}</p>
    <${Waiting} of=${policy} />
    ${target && phase && html`
      <div class="row">
        <${Choice} label=${t("lab.target")} value=${target.target} set=${setName} options=${targets.map((it) => [it.target, it.target])} />
        <${Choice} label=${t("lab.phase")} value=${phase.id} set=${setPhase} options=${target.phases.map((it) => [it.id, `${it.id} ${it.name}`])} />
        <${Choice} label=${t("lab.time")} value=${time} set=${setTime} options=${["day", "week", "month"].map((it) => [it, t(/** @type {any} */ (`lab.time.${it}`))])} />
      </div>
      <${Bench} key=${`${target.target}/${phase.id}`} version=${policy.data.version} target=${target.target} phase=${phase} spanMs=${SPANS[time] ?? 0} />`}
  `;
}

/** @param {{version: string, target: string, phase: Schemas["PhaseLimits"], spanMs: number}} props */
function Bench({ version, target, phase, spanMs }) {
  const [tried, setTried] = useState(/** @type {Record<string, number>} */ ({}));
  const trial = useTrial(version, target, phase, tried, spanMs);
  return html`
    <div class="columns">
      <section class="card">
        ${phase.limits.map((limit) => html`<${Slider} key=${limit.metric} limit=${limit} value=${tried[limit.metric] ?? limit.threshold}
          set=${(/** @type {number} */ value) => setTried({ ...tried, [limit.metric]: value })} />`)}
        <button type="button" onClick=${() => setTried({})}>${t("lab.reset")}</button>
      </section>
      <section class="card" aria-live="polite" aria-busy=${trial.busy}>
        <h2>${t("lab.result")}</h2>
        <${ErrorNote} error=${trial.error} />
        ${trial.busy && html`<p class="quiet">${t("lab.working")}…</p>`}
        ${trial.result && html`<${Outcome} result=${trial.result} />`}
      </section>
    </div>
    ${trial.draft && trial.draft.diff !== "" && html`<${Diff} draft=${trial.draft} />`}
  `;
}

/** Asks, once the dragging rests, for the policy with these limits and for what it would have decided. @param {string} version @param {string} target @param {Schemas["PhaseLimits"]} phase @param {Record<string, number>} tried @param {number} spanMs @returns {Trial} */
function useTrial(version, target, phase, tried, spanMs) {
  const [trial, set] = useState(/** @type {Trial} */ ({ busy: true, draft: null, result: null, error: null }));
  useEffect(() => {
    let dropped = false;
    set((before) => ({ ...before, busy: true, error: null }));
    const timer = setTimeout(async () => {
      try {
        const changes = Object.entries(tried).map(([metric, threshold]) => ({ target, phase: phase.id, metric, threshold }));
        const draft = await post("/v1/limits/drafts", { version, changes });
        const to = new Date();
        const from = new Date(to.getTime() - spanMs);
        const result = await post("/v1/backtests", { policy: draft.text, target, from: from.toISOString(), to: to.toISOString() });
        if (!dropped) set({ busy: false, draft, result, error: null });
      } catch (error) {
        if (!dropped) set((before) => ({ ...before, busy: false, error: /** @type {Error} */ (error) }));
      }
    }, CALM_MS);
    return () => {
      dropped = true;
      clearTimeout(timer);
    };
  }, [version, target, phase.id, JSON.stringify(tried), spanMs]);
  return trial;
}

/** @param {{limit: Schemas["Limit"], value: number, set: (value: number) => void}} props */
function Slider({ limit, value, set }) {
  const top = limit.threshold > 0 ? limit.threshold * 2 : 5;
  const step = limit.threshold > 0 ? limit.threshold / 100 : 1;
  const id = `limit-${limit.metric}`;
  const metric = named("metric", limit.metric);
  const atLeast = limit.direction === "at_least";
  const label = limit.unit === "" ? t(atLeast ? "lab.floor.bare" : "lab.limit.bare", { metric }) : t(atLeast ? "lab.floor" : "lab.limit", { metric, unit: limit.unit });
  const change = (/** @type {any} */ event) => set(Math.round(Number(event.currentTarget.value) * 10_000) / 10_000);
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <div class="row">
      <input id=${id} type="range" min="0" max=${top} step=${step} value=${value} onInput=${change} aria-valuetext=${figure(value, limit.unit)} />
      <input type="number" min="0" step="any" value=${value} onChange=${change} aria-label=${label} />
    </div>
    <small>${t("lab.limit.now", { value: figure(limit.threshold, limit.unit) })}</small>
  </div>`;
}

/** What a letter of the answer's strip stands for. @type {Record<string, string>} */
const LETTERS = { o: "ok", i: "insufficient", w: "warn", u: "unsure", v: "violation", "-": "missing" };

/** @param {{result: any}} props */
function Outcome({ result }) {
  return html`
    <p class="summary"><span>${t("lab.windows", { n: result.decisions })}</span>
      <span class="chip">${t("lab.changed", { n: result.changes.total })}</span>
      <span class=${`chip ${result.rollbacks.gained > 0 ? "warn" : ""}`}>${t("lab.gained", { n: result.rollbacks.gained })}</span>
      <span class=${`chip ${result.rollbacks.lost > 0 ? "incident" : ""}`}>${t("lab.lost", { n: result.rollbacks.lost })}</span></p>
    <h3>${t("lab.strip.old")}</h3><${Strip} label=${t("lab.strip.old")} windows=${cells(result.strip, "old")} />
    <h3>${t("lab.strip.new")}</h3><${Strip} label=${t("lab.strip.new")} windows=${cells(result.strip, "new")} />
  `;
}

/** The strip's columns as cells; a window ends where the next begins. @param {any} strip @param {"old" | "new"} side */
function cells(strip, side) {
  return strip.start_ms.map((/** @type {number} */ start, /** @type {number} */ index) => {
    const end = strip.start_ms[index + 1] ?? start + (start - (strip.start_ms[index - 1] ?? start));
    return {
      decision_id: `${start}/${index}`,
      window: { start: new Date(start).toISOString(), end: new Date(end).toISOString() },
      verdict: LETTERS[strip[side][index]] ?? "none",
      changed: strip.old[index] !== strip.new[index],
    };
  });
}

/** @param {{draft: Schemas["Draft"]}} props */
function Diff({ draft }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(draft.diff);
    setCopied(true);
  };
  const kind = (/** @type {string} */ line) => (line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : "");
  return html`<section class="card"><div class="row"><h2>${t("lab.diff")}</h2>
    <button type="button" class="end" onClick=${copy}>${copied ? t("lab.copied") : t("lab.copy")}</button></div>
    <ul>${draft.changes.map((line) => html`<li key=${line}>${line}</li>`)}</ul>
    <pre class="diff" tabindex="0">${draft.diff.split("\n").map((line, index) => html`<span key=${index} class=${kind(line)}>${line}${"\n"}</span>`)}</pre>
  </section>`;
}
