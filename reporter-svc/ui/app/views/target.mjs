// One target: its cards with the last 24 hours behind them, its windows, its incidents, and moving up.
import { useState } from "preact/hooks";
import { withQuery } from "../api.mjs";
import { Chart } from "../chart.mjs";
import { figure, percent } from "../format.mjs";
import { html } from "../html.mjs";
import { named, t } from "../i18n.mjs";
import { useNow, useResource } from "../live.mjs";
import { GivenUp, Heading, PhaseTrack, Telemetry, Time, Verdict, Waiting, phaseName } from "../parts.mjs";
import { action, headline, next, shownVerdict } from "../standing.mjs";
import { Strip } from "../strip.mjs";
import { Explanation } from "./explanation.mjs";
import { Promotion } from "./promotion.mjs";

/** @typedef {import("../api.mjs").Schemas} Schemas */

const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;
const MOST = 1000;
const HOURS = [24, 6, 1];

/** `window` is the id of the decision that is explained at first, if any. @param {{name: string, window: string, scheme: string, session: Schemas["Session"]}} props */
export function TargetView({ name, window, scheme, session }) {
  const now = useNow();
  const dashboard = useResource(withQuery("/v1/dashboard", { targets: name }));
  // The minute, so that the address stays the same between two looks.
  const from = new Date(Math.floor((now - DAY_MS) / 60_000) * 60_000).toISOString();
  const decisions = useResource(withQuery("/v1/decisions", { target: name, from, limit: MOST }));
  const incidents = useResource(withQuery("/v1/incidents", { target: name, limit: 50 }));
  const [chosen, choose] = useState(/** @type {string | null} */ (window === "" ? null : window));
  const [span, setSpan] = useState({ ms: DAY_MS });
  const close = () => {
    // Where one came from, for those who go by keyboard.
    /** @type {HTMLElement | null} */ (document.querySelector(".cell[aria-pressed=true]") ?? document.getElementById("heading"))?.focus();
    choose(null);
  };
  const it = dashboard.data?.targets.find((/** @type {Schemas["DashboardTarget"]} */ target) => target.target === name);
  /** @type {Schemas["DecisionRecord"][]} */
  const windows = [...(decisions.data?.items ?? [])].reverse();
  /** @type {Schemas["Incident"][]} */
  const opened = incidents.data?.items ?? [];
  // Right after a move nothing is judged yet, but what was is still there to be looked at.
  const slos = it === undefined || it.slos.length > 0 ? it?.slos : windows[windows.length - 1]?.metrics;
  if (!it) return html`<${Heading} text=${name} /><${Waiting} of=${dashboard} />`;
  return html`
    <p><a href="#/">← ${t("target.back")}</a></p>
    <${Heading} text=${it.title ?? name} />
    <div class="row"><${Verdict} verdict=${shownVerdict(it, now)} /><span class="headline">${headline(it, now)}</span></div>
    ${action(it, now) !== "" && html`<p><b>${t("action.title")}:</b> ${action(it, now)}</p>`}
    ${it.rollback_active && html`<div class="banner" role="alert"><b>${t("banner.rollback")}</b> · ${t("banner.rollback.detail")}
      ${it.incident && html` <a href=${`#/incidents/${it.incident}`}>${t("banner.open", { incident: it.incident })}</a>`}</div>`}
    <${GivenUp} givenUp=${it.given_up} />
    <${PhaseTrack} phase=${it.phase} phases=${it.phases} />
    <${Telemetry} uncounted=${it.uncounted} gate=${it.gate} />
    <p><b>${t("next.title")}:</b> ${next(it, now)}</p>
    <${Promotion} target=${it} session=${session} changed=${dashboard.refresh} />
    <h2>${t("target.windows")}</h2>
    <${Waiting} of=${decisions} />
    <${Strip} label=${t("target.windows")} windows=${windows} chosen=${chosen} choose=${choose} />
    ${chosen && html`<${Explanation} id=${chosen} close=${close} />`}
    <h2>${t("target.charts")}</h2>
    <div class="row" role="group" aria-label=${t("chart.span")}>
      ${HOURS.map((hours) => html`<button key=${hours} type="button" aria-pressed=${String(span.ms === hours * HOUR_MS)} onClick=${() => setSpan({ ms: hours * HOUR_MS })}>${t("span.h", { n: hours })}</button>`)}
      <span class="quiet">${t("chart.zoom")}</span>
    </div>
    <div class="cards">${(slos ?? []).map((/** @type {Schemas["MetricVerdict"]} */ slo) => html`<${SloCard} key=${slo.metric} slo=${slo} windows=${windows} incidents=${opened} warnRatio=${it.warn_ratio ?? 0.8} scheme=${scheme} span=${span} />`)}</div>
    <h2>${t("target.incidents")}</h2>
    <${Incidents} incidents=${opened} />
  `;
}

/** @param {{slo: Schemas["MetricVerdict"], windows: Schemas["DecisionRecord"][], incidents: Schemas["Incident"][], warnRatio: number, scheme: string, span: {ms: number}}} props */
function SloCard({ slo, windows, incidents, warnRatio, scheme, span }) {
  const points = windows.flatMap((it) => {
    const metric = it.metrics.find((candidate) => candidate.metric === slo.metric);
    return metric ? [{ end: Date.parse(it.window.end), observed: metric.observed ?? null, threshold: metric.threshold, verdict: metric.verdict }] : [];
  });
  const atLeast = slo.direction === "at_least";
  const used = slo.ratio != null ? t(atLeast ? "card.of.floor" : "card.of", { percent: percent(slo.ratio) }) : atLeast ? "" : t("card.zero");
  return html`<section class=${`card slo ${slo.verdict}`} aria-label=${named("metric", slo.metric)}>
    <div class="row"><h3>${named("metric", slo.metric)}</h3><${Verdict} verdict=${slo.verdict} /></div>
    <p class="figures"><b>${figure(slo.observed, slo.unit)}</b> ${t("card.observed")} · <b>${figure(slo.threshold, slo.unit)}</b> ${t(atLeast ? "card.floor" : "card.threshold")} · ${used}
      <span class="quiet"> · ${t(`card.on.${slo.on_violation}`)}</span></p>
    <${Chart} metric=${slo.metric} unit=${slo.unit} points=${points} warnRatio=${warnRatio} atLeast=${atLeast} marks=${marks(windows, incidents)} scheme=${scheme} span=${span} />
  </section>`;
}

/** Where the phase changed, and the windows that opened incidents. @param {Schemas["DecisionRecord"][]} windows @param {Schemas["Incident"][]} incidents */
function marks(windows, incidents) {
  const phases = windows.flatMap((it, index) => {
    const before = windows[index - 1];
    const changed = before !== undefined && before.epoch !== it.epoch && before.phase !== it.phase;
    return changed ? [{ at: Date.parse(it.window.start), text: t("chart.phase", { phase: it.phase }), kind: /** @type {const} */ ("phase") }] : [];
  });
  const opened = incidents.map((it) => ({ at: Date.parse(it.window.end), text: it.id, kind: /** @type {const} */ ("incident") }));
  return [...phases, ...opened];
}

/** @param {{incidents: Schemas["Incident"][]}} props */
function Incidents({ incidents }) {
  if (incidents.length === 0) return html`<p class="quiet">${t("none")}</p>`;
  return html`<div class="scroll"><table>
    <thead><tr><th>${t("col.id")}</th><th>${t("col.opened")}</th><th>${t("col.state")}</th><th>${t("col.phase")}</th><th>${t("col.metric")}</th><th>${t("incident.rollback")}</th></tr></thead>
    <tbody>${incidents.map((it) => html`<tr key=${it.id}>
      <td><a href=${`#/incidents/${it.id}`}>${it.id}</a></td><td><${Time} at=${it.opened_at} /></td><td>${named("incident_state", it.state)} · ${it.priority}</td>
      <td>${phaseName(it.phase)}</td><td>${named("metric", it.metric)}</td>
      <td>${it.rollback ? `${phaseName(it.rollback.from)} → ${phaseName(it.rollback.to)}: ${named("move", it.rollback.state)}` : "–"}</td>
    </tr>`)}</tbody>
  </table></div>`;
}
