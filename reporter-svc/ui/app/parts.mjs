// Small pieces that several views are made of.
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem, Unreachable } from "./api.mjs";
import { ago, dayTime, percent, readable, span } from "./format.mjs";
import { html } from "./html.mjs";
import { named, raw, t } from "./i18n.mjs";
import { useNow } from "./live.mjs";
import { holds } from "./session.mjs";
import { blockerText, fill } from "./story.mjs";

/** @typedef {import("./api.mjs").Schemas} Schemas */

/** A shape for each verdict, so that colour never says it alone. @type {Record<string, string>} */
const glyphs = { ok: "✓", warn: "▲", unsure: "◑", violation: "✕", insufficient: "◌", silent: "?", missing: "?", none: "–", idle: "–" };

/** @param {{verdict: string}} props */
export function Verdict({ verdict }) {
  return html`<span class=${`verdict ${verdict}`}><span aria-hidden="true">${glyphs[verdict] ?? "?"}</span> ${named("verdict", verdict)}</span>`;
}

/** @param {{verdict: string}} props */
export const Glyph = ({ verdict }) => html`<span aria-hidden="true">${glyphs[verdict] ?? "?"}</span>`;

/** @param {string} phase */
export const phaseName = (phase) => (phase === "off" || phase === "completed" ? t(`phase.${phase}`) : phase);

/**
 * off · A 5 % · B 30 % · C 100 % · completed
 * @param {{phase: string, phases: Schemas["DashboardPhase"][]}} props
 */
export function PhaseTrack({ phase, phases }) {
  const steps = [{ id: "off", name: "", audience_ratio: 0 }, ...phases, { id: "completed", name: "", audience_ratio: 1 }];
  const at = steps.findIndex((step) => step.id === phase);
  return html`<ol class="track" aria-label=${t("track", { phase: phaseName(phase) })}>
    ${steps.map((step, index) => {
      const stand = index < at ? "passed" : index === at ? "now" : "ahead";
      const audience = step.name === "" ? "" : ` ${Math.round(step.audience_ratio * 1000) / 10} %`;
      return html`<li key=${step.id} class=${stand} aria-current=${stand === "now" ? "step" : undefined} title=${step.name}>
        <b>${phaseName(step.id)}</b>${audience}<span class="sr">, ${t(`track.${stand}`)}</span>
      </li>`;
    })}
  </ol>`;
}

/** How far a gate is, as text and as a bar. @param {{gate: Schemas["GateProgress"] | null | undefined}} props */
export function GateBar({ gate }) {
  if (!gate) return null;
  const byCount = gate.needed_batches !== null && gate.needed_batches !== undefined;
  const reached = byCount ? gate.compliant_batches : gate.compliant_ms;
  const needed = (byCount ? gate.needed_batches : gate.needed_ms) ?? 0;
  const text = byCount
    ? t("gate.batches", { n: Math.min(reached, needed), needed })
    : t("gate.time", { n: span(Math.min(reached, needed)), needed: span(needed) });
  const left = needed - reached;
  const toGo = gate.satisfied ? t("gate.done") : byCount ? t("gate.left.batches", { n: left }) : t("gate.left.time", { span: span(left) });
  return html`<div class="gate">
    <progress max=${Math.max(needed, 1)} value=${Math.min(reached, needed)} aria-label=${t("gate.title")}></progress>
    <span>${text}${gate.satisfied ? "" : ` · ${toGo}`}</span>
  </div>`;
}

/**
 * What of the telemetry was not counted, and what does not come any more; quiet, as long as nothing follows from it.
 * @param {{uncounted: Schemas["Uncounted"] | null | undefined, gate: Schemas["GateProgress"] | null | undefined}} props
 */
export function Telemetry({ uncounted, gate }) {
  return html`
    ${uncounted != null && (uncounted.share > 0 || !uncounted.lost) && html`<p class=${uncounted.over ? "" : "quiet"}>${uncountedText(uncounted)}</p>`}
    ${(uncounted?.lost ?? 0) > 0 && html`<p>${lostText(uncounted?.lost ?? 0, uncounted?.lost_files ?? [])}</p>`}
    ${(gate?.vanished ?? []).map((it) => html`<p key=${it.event}>${fill(raw("telemetry.vanished"), { ...it })}</p>`)}
  `;
}

/** What did not get through to people. @param {{givenUp: Schemas["GivenUp"][] | null | undefined}} props */
export function GivenUp({ givenUp }) {
  if (!givenUp || givenUp.length === 0) return null;
  return html`<div class="note error" role="alert"><b>${t("given_up.title")}</b>
    <ul>${givenUp.map((it) => html`<li key=${it.effect}>${readable(it.lane)} · ${it.kind} · <${Time} at=${it.at} />: ${readable(it.reason)}
      ${it.incident && html` <a href=${`#/incidents/${it.incident}`}>${it.incident}</a>`}</li>`)}</ul></div>`;
}

/** @param {Schemas["Uncounted"]} it */
function uncountedText({ reason, share, commonest, example }) {
  const seen = [example?.found, example?.text].filter((part) => part != null).join(" ");
  const facts = { share: percent(share), commonest: readable(commonest ?? ""), line: example?.line, seen: readable(seen), meant: example?.meant };
  return fill(raw(`telemetry.${reason}`), facts);
}

/** Files that were not read to their end. @param {number} n @param {Schemas["LostFile"][]} named */
function lostText(n, named) {
  const bytes = (/** @type {Schemas["LostFile"]} */ it) => it.bytes == null ? raw("telemetry.lost.unknown") : t("telemetry.lost.bytes", { n: it.bytes });
  const files = named.map((it) => `${readable(it.file)} (${bytes(it)})`).join(", ");
  return fill(raw("telemetry.lost"), { n, files, more: n > named.length ? n - named.length : undefined });
}

/** @param {{blockers: Schemas["Blocker"][]}} props */
export function Blockers({ blockers }) {
  return html`<ul class="blockers">
    ${blockers.map((it) => html`<li key=${it.code + it.detail}>${blockerText(it)}</li>`)}
  </ul>`;
}

/** What went wrong, where it happened. @param {{error: Error | null}} props */
export function ErrorNote({ error }) {
  if (error === null) return null;
  const text = error instanceof Unreachable ? t("error.unreachable") : error.message;
  const blockers = error instanceof Problem ? error.blockers : [];
  return html`<div class="note error" role="alert">
    <b>${t("error.title")}</b> ${text}
    ${blockers.length > 0 && html`<${Blockers} blockers=${blockers} />`}
  </div>`;
}

/** @param {{of: {loading: boolean, error: Error | null, data: unknown}}} props */
export function Waiting({ of }) {
  if (of.error !== null) return html`<${ErrorNote} error=${of.error} />`;
  return of.loading ? html`<p class="quiet loading" aria-live="polite">${t("loading")}…</p>` : null;
}

/** A time, with how long ago it was. @param {{at: string | null | undefined}} props */
export function Time({ at }) {
  const now = useNow();
  if (!at) return html`<span>–</span>`;
  return html`<time datetime=${at} title=${at}>${dayTime(at)} <span class="quiet">(${ago(at, now)})</span></time>`;
}

/**
 * A button that does something at the service, and says what came of it, or which role it takes.
 * @param {{act: () => Promise<unknown>, label: string, session: Schemas["Session"], roles: string[], done?: () => void, kind?: string, disabled?: boolean}} props
 */
export function Act({ act, label, session, roles, done, kind = "", disabled = false }) {
  const allowed = holds(session, roles);
  const [state, set] = useState(/** @type {{busy: boolean, error: Error | null, said: boolean}} */ ({ busy: false, error: null, said: false }));
  const run = async (/** @type {Event} */ event) => {
    event.preventDefault();
    set({ busy: true, error: null, said: false });
    try {
      await act();
      set({ busy: false, error: null, said: true });
      done?.();
    } catch (error) {
      set({ busy: false, error: /** @type {Error} */ (error), said: false });
    }
  };
  return html`<span class="act">
    <button type="button" class=${kind} disabled=${disabled || !allowed || state.busy} onClick=${run}>${label}</button>
    ${!allowed && html`<small>${t("act.needs", { roles: roles.join(" / ") })}</small>`}
    <span class="said" role="status">${state.said ? t("act.done") : ""}</span>
    <${ErrorNote} error=${state.error} />
  </span>`;
}

/** @param {{label: string, value: string, set: (value: string) => void, area?: boolean, type?: string, hint?: string}} props */
export function Field({ label, value, set, area = false, type = "text", hint }) {
  const id = useRef(`f${Math.random().toString(36).slice(2)}`).current;
  const onInput = (/** @type {any} */ event) => set(event.currentTarget.value);
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${area ? html`<textarea id=${id} rows="3" value=${value} onInput=${onInput} />` : html`<input id=${id} type=${type} value=${value} onInput=${onInput} autocomplete="off" />`}
    ${hint && html`<small>${hint}</small>`}
  </div>`;
}

/**
 * @param {{label: string, value: string, set: (value: string) => void, options: [string, string][]}} props
 */
export function Choice({ label, value, set, options }) {
  const id = useRef(`c${Math.random().toString(36).slice(2)}`).current;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select id=${id} value=${value} onChange=${(/** @type {any} */ event) => set(event.currentTarget.value)}>
      ${options.map(([key, text]) => html`<option key=${key} value=${key} selected=${key === value}>${text}</option>`)}
    </select>
  </div>`;
}

let moved = false;

/** Called when another view is about to be shown: its heading takes the focus over. */
export function leaveFocus() {
  moved = true;
  /** @type {HTMLElement | null} */ (document.activeElement)?.blur();
}

/** The page's title follows what is shown, and the reader of a view that was moved to starts at its heading. @param {{text: string}} props */
export function Heading({ text }) {
  useEffect(() => {
    // Also after a view was drawn anew because its data came: focus on what is gone falls back to the body.
    if (moved && document.activeElement === document.body) document.getElementById("heading")?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    document.title = `${text} · Phasegate`;
  }, [text]);
  return html`<h1 tabindex="-1" id="heading">${text}</h1>`;
}
