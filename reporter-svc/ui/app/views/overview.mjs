// All rollouts, the most urgent first: healthy or not, what comes next, what is asked of whom.
import { useEffect, useState } from "preact/hooks";
import { withQuery } from "../api.mjs";
import { figure, percent, seen, windowText } from "../format.mjs";
import { html } from "../html.mjs";
import { named, t } from "../i18n.mjs";
import { painted, useNow, useResource } from "../live.mjs";
import { Blockers, GateBar, Glyph, Heading, PhaseTrack, Telemetry, Verdict, Waiting } from "../parts.mjs";
import { action, asked, group, groups, headline, next, shownVerdict } from "../standing.mjs";

/** @typedef {import("../api.mjs").Schemas} Schemas */
/** @typedef {import("../standing.mjs").Target} Target */

/** More than fill a screen: drawn first, so that one need not wait for what one does not see yet. */
const FIRST = 6;
/** So many cards can be asked for by name. */
const NAMED_MOST = 100;

/** A change of one rollout costs its card, however many there are. @type {import("../live.mjs").Parts} */
const parts = {
  path: (whole, targets) => {
    const named = targets.length > 0 ? targets : whole.targets.slice(0, 1).map((/** @type {Target} */ it) => it.target);
    return named.length > 0 && named.length <= NAMED_MOST ? withQuery("/v1/dashboard", { targets: named.join(",") }) : "/v1/dashboard";
  },
  join: (whole, part) => {
    const cards = new Map([...whole.targets, ...part.targets].map((/** @type {Target} */ it) => [it.target, it]));
    return { ...part, targets: [...cards.values()] };
  },
};

export function Overview() {
  const dashboard = useResource("/v1/dashboard", { parts });
  const [first, setFirst] = useState(true);
  useEffect(() => void painted.then(() => setFirst(false)), []);
  const now = useNow();
  const [filter, setFilter] = useState("");
  /** @type {Target[]} */
  const all = dashboard.data?.targets ?? [];
  const wanted = all.filter((it) => `${it.target} ${it.title ?? ""}`.toLowerCase().includes(filter.trim().toLowerCase()));
  const sorted = wanted
    .map((it) => ({ it, group: group(it, now) }))
    .sort((a, b) => groups.indexOf(a.group) - groups.indexOf(b.group) || (a.it.target < b.it.target ? -1 : 1));
  return html`
    <${Heading} text=${t("overview.title")} />
    <${Waiting} of=${dashboard} />
    ${dashboard.data && html`
      <${Summary} all=${all} now=${now} />
      ${all.length > 8 && html`<input class="filter" type="search" placeholder=${t("overview.filter")} aria-label=${t("overview.filter")}
        value=${filter} onInput=${(/** @type {any} */ event) => setFilter(event.currentTarget.value)} />`}
      <ul class="targets">${sorted.slice(0, first ? FIRST : sorted.length).map(({ it, group }) => html`<${Card} key=${it.target} it=${it} group=${group} now=${now} />`)}</ul>
      ${sorted.length === 0 && html`<p class="quiet">${t("overview.empty")}</p>`}
    `}
  `;
}

/** @param {{all: Target[], now: number}} props */
function Summary({ all, now }) {
  const counts = groups.map((name) => ({ name, n: all.filter((it) => group(it, now) === name).length }));
  return html`<p class="summary">
    <span>${t("overview.count", { n: all.length })}</span>
    ${counts.filter(({ n }) => n > 0).map(({ name, n }) => html`<span key=${name} class=${`chip ${name}`}>${t(`summary.${name}`, { n })}</span>`)}
  </p>`;
}

/** @param {{it: Target, group: string, now: number}} props */
function Card({ it, group, now }) {
  const people = asked(it);
  return html`<li class=${`card target ${group}`} data-target=${it.target}>
    <div class="row">
      <h2><a href=${`#/targets/${it.target}`}>${it.title ?? it.target}</a></h2>
      <${Verdict} verdict=${shownVerdict(it, now)} />
      ${it.frozen != null && html`<span class="chip asked">${t("state.frozen")}</span>`}
      <span class="quiet end">${it.window ? windowText(it.window) : ""}</span>
    </div>
    <p class="headline">${headline(it, now)}</p>
    ${action(it, now) !== "" && html`<p><b>${t("action.title")}:</b> ${action(it, now)}</p>`}
    ${it.rollback_active && html`<p class="banner"><b>${t("banner.rollback")}</b> · ${it.incident && html`<a href=${`#/incidents/${it.incident}`}>${t("banner.open", { incident: it.incident })}</a>`}</p>`}
    <${PhaseTrack} phase=${it.phase} phases=${it.phases} />
    <${Slos} slos=${it.slos} />
    ${it.state !== "off" && it.state !== "completed" && html`<${GateBar} gate=${it.gate} />`}
    <${Telemetry} uncounted=${it.uncounted} gate=${it.gate} />
    <p><b>${t("next.title")}:</b> ${next(it, now)}</p>
    ${people.length > 0 && html`<div><b>${t("asked.title")}:</b> <${Blockers} blockers=${people} /></div>`}
  </li>`;
}

/** @param {{slos: Schemas["MetricVerdict"][]}} props */
function Slos({ slos }) {
  if (slos.length === 0) return null;
  return html`<ul class="slos">${slos.map((slo) => html`<li key=${slo.metric} class=${slo.verdict}>
    <span class="quiet">${named("metric", slo.metric)}</span>
    <${Glyph} verdict=${slo.verdict} /> <b>${seen(slo)}</b> <span class="quiet">${slo.direction === "at_least" ? "≥" : "≤"} ${figure(slo.threshold, slo.unit)}${slo.ratio == null ? "" : ` · ${percent(slo.ratio)}`}</span>
    <span class="sr">${named("verdict", slo.verdict)}</span>
  </li>`)}</ul>`;
}
