// One target: its cards with up to a year behind them, its windows, its incidents, and moving up.
import { useState } from "preact/hooks";
import { withQuery } from "../api.mjs";
import { Chart } from "../chart.mjs";
import { figure, percent, seen } from "../format.mjs";
import { html } from "../html.mjs";
import { named, t } from "../i18n.mjs";
import { useNow, useResource } from "../live.mjs";
import { GivenUp, Heading, PhaseTrack, Telemetry, Time, Verdict, Waiting, phaseName } from "../parts.mjs";
import { action, headline, next, shownVerdict } from "../standing.mjs";
import { Strip } from "../strip.mjs";
import { Explanation } from "./explanation.mjs";
import { Promotion } from "./promotion.mjs";

/** @typedef {import("../api.mjs").Schemas} Schemas */
/** @typedef {import("../chart.mjs").Mark} Mark */
/** @typedef {import("../chart.mjs").Point} Point */

const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
const MOST = 1000;
/** Beyond a week days are shown, and not windows. */
const SPANS = [365 * DAY_MS, WEEK_MS, DAY_MS, 6 * HOUR_MS, HOUR_MS];

/** `window` is the id of the decision that is explained at first, if any. @param {{name: string, window: string, scheme: string, session: Schemas["Session"]}} props */
export function TargetView({ name, window, scheme, session }) {
  const now = useNow();
  const dashboard = useResource(withQuery("/v1/dashboard", { targets: name }));
  const [span, setSpan] = useState({ ms: DAY_MS });
  const byDay = span.ms > WEEK_MS;
  // The minute, so that the address stays the same between two looks.
  const since = (/** @type {number} */ ms) => withQuery(`/v1/targets/${name}/windows`, { from: new Date(Math.floor((now - ms) / 60_000) * 60_000).toISOString(), limit: MOST });
  const day = useResource(since(DAY_MS));
  const week = useResource(span.ms === WEEK_MS ? since(WEEK_MS) : null);
  const year = useResource(byDay ? `/v1/targets/${name}/days` : null);
  const incidents = useResource(withQuery("/v1/incidents", { target: name, limit: 50 }));
  const [chosen, choose] = useState(/** @type {string | null} */ (window === "" ? null : window));
  const close = () => {
    // Where one came from, for those who go by keyboard.
    /** @type {HTMLElement | null} */ (document.querySelector(".cell[aria-pressed=true]") ?? document.getElementById("heading"))?.focus();
    choose(null);
  };
  const it = dashboard.data?.targets.find((/** @type {Schemas["DashboardTarget"]} */ target) => target.target === name);
  /** @type {Schemas["JudgedWindow"][]} */
  const windows = [...(day.data?.items ?? [])].reverse();
  /** @type {Schemas["JudgedWindow"][]} */
  const shown = week.data === null ? windows : [...week.data.items].reverse();
  /** @type {Schemas["Incident"][]} */
  const opened = incidents.data?.items ?? [];
  // Right after a move nothing is judged yet, but what was is still there to be looked at.
  const last = it?.slos.length === 0 ? windows[windows.length - 1] : undefined;
  const before = useResource(last === undefined ? null : `/v1/decisions/${last.decision_id}`, { live: false });
  /** @type {Schemas["MetricVerdict"][]} */
  const slos = (last === undefined ? it?.slos : before.data?.metrics) ?? [];
  const points = (/** @type {string} */ metric) => (byDay ? ofDays(year.data?.days ?? [], metric) : ofWindows(shown, metric));
  const marked = marks(byDay ? [] : shown, opened);
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
    <${Waiting} of=${day} />
    <${Strip} label=${t("target.windows")} windows=${windows} chosen=${chosen} choose=${choose} />
    ${chosen && html`<${Explanation} id=${chosen} close=${close} />`}
    <h2>${t("target.charts")}</h2>
    <div class="row" role="group" aria-label=${t("chart.span")}>
      ${SPANS.map((ms) => html`<button key=${ms} type="button" aria-pressed=${String(span.ms === ms)} onClick=${() => setSpan({ ms })}>${ms > DAY_MS ? t("span.d", { n: ms / DAY_MS }) : t("span.h", { n: ms / HOUR_MS })}</button>`)}
      <span class="quiet">${byDay ? t("chart.days") : t("chart.zoom")}</span>
    </div>
    <${Waiting} of=${byDay ? year : week} />
    <div class="cards">${slos.map((slo) => html`<${SloCard} key=${slo.metric} slo=${slo} points=${points(slo.metric)} marks=${marked} warnRatio=${it.warn_ratio ?? 0.8} scheme=${scheme} span=${span} byDay=${byDay} />`)}</div>
    <h2>${t("target.incidents")}</h2>
    <${Incidents} incidents=${opened} />
  `;
}

/** @param {Schemas["JudgedWindow"][]} windows @param {string} name @returns {Point[]} */
const ofWindows = (windows, name) =>
  windows.flatMap(({ window, metrics }) =>
    metrics.filter(({ metric }) => metric === name).map((it) => ({ end: Date.parse(window.end), observed: it.observed ?? null, threshold: it.threshold, verdict: it.verdict })),
  );

/** The worst of each day, at noon, so that it is that day in nearly every zone. @param {Schemas["DayTotals"][]} days @param {string} name @returns {Point[]} */
const ofDays = (days, name) =>
  days.flatMap(({ date, metrics }) =>
    metrics.filter(({ metric }) => metric === name).map((it) => ({ end: Date.parse(date) + DAY_MS / 2, observed: it.worst ?? null, threshold: it.threshold, verdict: it.verdict })),
  );

/** @param {{slo: Schemas["MetricVerdict"], points: Point[], marks: Mark[], warnRatio: number, scheme: string, span: {ms: number}, byDay: boolean}} props */
function SloCard({ slo, points, marks, warnRatio, scheme, span, byDay }) {
  const atLeast = slo.direction === "at_least";
  const used = slo.ratio != null ? t(atLeast ? "card.of.floor" : "card.of", { percent: percent(slo.ratio) }) : atLeast || slo.between ? "" : t("card.zero");
  return html`<section class=${`card slo ${slo.verdict}`} aria-label=${named("metric", slo.metric)}>
    <div class="row"><h3>${named("metric", slo.metric)}</h3><${Verdict} verdict=${slo.verdict} /></div>
    <p class="figures"><b>${seen(slo)}</b> ${t("card.observed")} · <b>${figure(slo.threshold, slo.unit)}</b> ${t(atLeast ? "card.floor" : "card.threshold")} · ${used}
      <span class="quiet"> · ${t(`card.on.${slo.on_violation}`)}</span></p>
    <${Chart} metric=${slo.metric} unit=${slo.unit} points=${points} warnRatio=${warnRatio} atLeast=${atLeast} marks=${marks} scheme=${scheme} span=${span} byDay=${byDay} />
  </section>`;
}

/** Where the phase changed, and the windows that opened incidents. @param {Schemas["JudgedWindow"][]} windows @param {Schemas["Incident"][]} incidents @returns {Mark[]} */
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
