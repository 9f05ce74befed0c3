// Why a window got its verdict: its figures, the limits with the place they come from, and whether it comes out the
// same when it is decided again.
import { figure, percent, seen, windowText } from "../format.mjs";
import { html } from "../html.mjs";
import { known, named, t } from "../i18n.mjs";
import { useResource } from "../live.mjs";
import { Telemetry, Time, Verdict, Waiting, phaseName } from "../parts.mjs";

/** @typedef {import("../api.mjs").Schemas} Schemas */

/** @param {{id: string, close: () => void}} props */
export function Explanation({ id, close }) {
  const decision = useResource(`/v1/decisions/${id}`, { live: false });
  const again = useResource(`/v1/decisions/${id}/explanation`, { live: false });
  const it = /** @type {Schemas["DecisionRecord"] | null} */ (decision.data);
  if (it === null) return html`<${Waiting} of=${decision} />`;
  const cause = `why.cause.${it.cause}`;
  return html`<section class="card why" aria-labelledby="why">
    <div class="row"><h3 id="why">${t("why.title", { window: windowText(it.window) })}</h3><${Verdict} verdict=${it.verdict} />
      <button type="button" class="end" onClick=${close}>${t("why.close")}</button></div>
    <p>${known(cause) ? t(cause) : it.cause} ${t("col.phase")} ${phaseName(it.phase)}${it.stale ? ` (${t("target.window.stale")})` : ""}.
      ${it.incident && html` <a href=${`#/incidents/${it.incident}`}>${it.incident}</a>`}</p>
    <div class="scroll"><table>
      <thead><tr><th>${t("col.metric")}</th><th>${t("col.observed")}</th><th>${t("col.threshold")}</th><th>${t("col.ratio")}</th><th>${t("col.verdict")}</th><th>${t("why.source")}</th></tr></thead>
      <tbody>${it.metrics.map((metric) => html`<tr key=${metric.metric}>
        <td>${named("metric", metric.metric)}</td><td>${seen(metric)}</td><td>${metric.direction === "at_least" ? "≥ " : ""}${figure(metric.threshold, metric.unit)}</td>
        <td>${percent(metric.ratio)}</td><td><${Verdict} verdict=${metric.verdict} /></td><td><code>${source(again.data, metric.metric)}</code></td>
      </tr>`)}</tbody>
    </table></div>
    ${certainties(it, again.data)}
    <${Telemetry} uncounted=${it.uncounted} gate=${it.gate} />
    <p>${recomputed(again)}</p>
    <p class="quiet">${t("why.decision")} <code>${it.decision_id}</code>, <${Time} at=${it.decided_at} /> · ${t("why.policy")} <code>${it.policy_version.slice(0, 19)}…</code></p>
  </section>`;
}

/** @param {{data: any, error: Error | null, loading: boolean}} again */
function recomputed(again) {
  if (again.error !== null) return t("why.unavailable", { detail: again.error.message });
  if (again.data === null) return `${t("loading")}…`;
  if (again.data.recomputed.same) return html`<span class="verdict ok">✓ ${t("why.same")}</span>`;
  return html`<span class="verdict violation">✕ ${t("why.differs")}</span> ${again.data.recomputed.differences.map((/** @type {any} */ it) => it.field).join(", ")}`;
}

/** How sure the gate is of each metric that has attempts. @param {Schemas["DecisionRecord"]} it @param {any} explanation */
function certainties(it, explanation) {
  const weighed = it.metrics.filter((metric) => metric.attempts);
  if (weighed.length === 0) return null;
  return html`<ul>${weighed.map((metric) => html`<li key=${metric.metric}>${named("metric", metric.metric)}: ${certainty(metric, explanation)}</li>`)}</ul>`;
}

/** @param {any} metric @param {any} explanation */
function certainty(metric, explanation) {
  const luck = explanation?.metrics?.find((/** @type {any} */ it) => it.metric === metric.metric)?.luck;
  if (metric.reason === "not_a_share") return t("why.no_share", { bad: metric.bad, attempts: metric.attempts });
  const judged = without(metric);
  const shares = () => t("why.counted", { ...judged, allowed: percent(metric.allowed) });
  const counted = metric.of_time ? t("why.number", { observed: figure(metric.observed, ""), allowed: figure(metric.threshold, "") }) : shares();
  const odds = luck > 0 && luck < 0.5 ? t("why.luck", { n: Math.round(1 / luck) }) : "";
  const evidence = metric.evidence == null ? "" : t("why.evidence", { evidence: figure(Math.max(0, metric.evidence), ""), needed: figure(metric.needed, "") });
  const more = metric.more_windows ? t("why.more", { n: metric.more_windows }) : "";
  const changed = metric.changed >= metric.needed ? t("why.changed") : "";
  const left = metric.left_out ? t("why.left_out", { ...metric.left_out, all: metric.bad }) : "";
  return [counted, odds, evidence, changed, more, left, beside(metric.control)].filter((part) => part !== "").join(" · ");
}

/** What is judged: without a session that is left out. @param {any} counted */
function without(counted) {
  const left = counted.left_out ?? { bad: 0, attempts: 0 };
  return { bad: counted.bad - left.bad, attempts: counted.attempts - left.attempts };
}

/** What the control group makes of it. @param {any} control */
function beside(control) {
  if (control == null) return "";
  const group = t("why.control", without(control));
  return control.finding ? `${group}: ${named("finding", control.finding)}` : group;
}

/** The policy's line that a limit stands in. @param {any} explanation @param {string} metric */
function source(explanation, metric) {
  const found = explanation?.metrics?.find((/** @type {any} */ it) => it.metric === metric);
  const line = found?.policy;
  return line ? `${line.path}: ${line.text} (${line.line})` : "–";
}
