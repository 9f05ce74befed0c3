// One incident from the violating window to its recovery, and what people still have to do about it.
import { useEffect, useState } from "preact/hooks";
import { post, put } from "../api.mjs";
import { ago, clockTime, dayTime, span, windowText } from "../format.mjs";
import { html } from "../html.mjs";
import { named, t } from "../i18n.mjs";
import { useNow, useResource } from "../live.mjs";
import { may } from "../may.mjs";
import { Act, Field, Heading, Time, Waiting, phaseName } from "../parts.mjs";
import { hopText } from "../story.mjs";
import { Checklist } from "./checklist.mjs";
import { Message } from "./messages.mjs";

/** @typedef {import("../api.mjs").Schemas} Schemas */
/** @typedef {{it: Schemas["IncidentDetail"], session: Schemas["Session"], changed: () => void}} Part */

/** `message` is the one that is shown at first, if any. @param {{id: string, message: string, session: Schemas["Session"]}} props */
export function IncidentView({ id, message, session }) {
  const found = useResource(`/v1/incidents/${id}`);
  const it = /** @type {Schemas["IncidentDetail"] | null} */ (found.data);
  useEffect(() => document.getElementById(message)?.focus(), [message, it === null]);
  if (it === null) return html`<${Heading} text=${t("incident.title", { id })} /><${Waiting} of=${found} />`;
  const part = { it, session, changed: found.refresh };
  return html`
    <p><a href=${`#/targets/${it.target}`}>← ${it.target}</a></p>
    <${Heading} text=${t("incident.title", { id })} />
    <div class="columns">
      <div>
        <${Facts} ...${part} />
        ${it.unproven && html`<section class="card"><h2>${t("incident.unproven")}</h2><p>${t("incident.unproven.what")}</p></section>`}
        ${it.notice ? html`<section class="card"><h2>${t("incident.notice")}</h2><p>${t("incident.notice.what")}</p></section>` : html`
        <${Rollback} it=${it} />
        <${Rca} ...${part} />
        <${Review} ...${part} />
        <${Checklist} ...${part} />`}
      </div>
      <div>
        <${Timeline} it=${it} />
        <section class="card"><h2>${t("incident.texts")}</h2>
          ${it.notifications.length === 0 ? html`<p class="quiet">${t("incident.texts.none")}</p>` : html`<ol class="messages">${[...it.notifications].reverse().map((text) => html`<${Message} key=${text.id} it=${text} />`)}</ol>`}
        </section>
      </div>
    </div>
  `;
}

/** @param {Part} props */
function Facts({ it, session, changed }) {
  const now = useNow();
  return html`<section class="card"><h2>${t("incident.facts")}</h2>
    <p><span class=${`chip ${it.recovered_at == null ? "incident" : "ok"}`}>${named("incident_state", it.state)}</span> <b>${it.priority}</b> · ${t("col.phase")} ${phaseName(it.phase)} · ${windowText(it.window)}</p>
    <dl>
      <dt>${t("incident.metric")}</dt><dd>${named("metric", it.metric)}</dd>
      <dt>${t("incident.opened")}</dt><dd><${Time} at=${it.opened_at} /></dd>
      <dt>${t("incident.acknowledged")}</dt><dd>${acknowledged(it, now)}
        ${it.acknowledged_at == null && it.closed_at == null && html` <${Act} kind="primary" label=${t("incident.acknowledge")} session=${session} roles=${may.acknowledge_incident}
          act=${() => post(`/v1/incidents/${it.id}/acknowledgement`, {})} done=${changed} />`}</dd>
      <dt>${t("incident.recovered")}</dt><dd><${Time} at=${it.recovered_at} /></dd>
      <dt>${t("incident.closed")}</dt><dd><${Time} at=${it.closed_at} /></dd>
    </dl>
  </section>`;
}

/** @param {Schemas["IncidentDetail"]} it @param {number} now */
function acknowledged(it, now) {
  if (it.acknowledged_at != null) {
    return t("incident.acknowledged.by", { at: dayTime(it.acknowledged_at), by: it.acknowledged_by ?? "", span: span(Date.parse(it.acknowledged_at) - Date.parse(it.opened_at)) });
  }
  if (it.escalated_at != null) return t("incident.acknowledged.raised", { at: dayTime(it.escalated_at) });
  return it.escalates_at == null || Date.parse(it.escalates_at) < now ? "–" : t("incident.acknowledged.none", { in: ago(it.escalates_at, now) });
}

/** @param {{it: Schemas["IncidentDetail"]}} props */
function Rollback({ it }) {
  const move = it.rollback;
  if (!move) return html`<section class="card"><h2>${t("incident.rollback")}</h2><p class="quiet">${t("incident.rollback.none")}</p></section>`;
  return html`<section class="card"><h2>${t("incident.rollback")}</h2>
    <p>${phaseName(move.from)} → ${phaseName(move.to)} <span class=${`chip ${move.state === "failed" ? "incident" : ""}`}>${named("move", move.state)}</span>
      ${move.attempts ? html` <span class="quiet">${t("incident.attempts", { n: move.attempts })}</span>` : ""}</p>
    <p><b>${t("incident.command")}</b></p><pre>${move.command}</pre>
    <p><a href=${`#/audit/${it.target}/${it.id}`}>${t("incident.command.acts")}</a></p>
    ${move.output && html`<p><b>${t("incident.output")}</b></p><pre>${move.output}</pre>`}
    ${move.verified && html`<p><b>${t("incident.verified")}:</b> <code>${move.verified}</code></p>`}
    ${it.runbook && html`<details><summary>${t("incident.runbook")}</summary><pre class="text">${it.runbook}</pre></details>`}
  </section>`;
}

/** @param {Part} props */
function Rca({ it, session, changed }) {
  const now = useNow();
  const [cause, setCause] = useState("");
  const [prevention, setPrevention] = useState("");
  const [link, setLink] = useState("");
  const [comment, setComment] = useState("");
  const { rca } = it;
  const overdue = rca.due_at != null && Date.parse(rca.due_at) < now;
  const open = rca.state === "missing" || rca.state === "draft";
  const apart = rca.on_disk === "differs" || rca.on_disk === "unreadable" ? rca.on_disk : null;
  return html`<section class="card"><h2>${t("incident.rca")}</h2>
    <p>${t(`incident.rca.${rca.state}`, { by: rca.confirmed_by ?? "", comment: rca.comment ?? "" })}</p>
    ${open && rca.due_at && html`<p class=${overdue ? "verdict violation" : ""}>${overdue ? t("incident.rca.overdue", { at: dayTime(rca.due_at), ago: ago(rca.due_at, now) }) : t("incident.rca.due", { at: dayTime(rca.due_at), in: ago(rca.due_at, now) })}</p>`}
    ${rca.file && html`<p>${t("incident.rca.file")}: <code>${rca.file}</code></p>`}
    ${rca.link && rca.link !== rca.file && html`<p>${t("incident.checklist.link")}: <code>${rca.link}</code></p>`}
    ${apart && html`<p class="verdict violation">${t(`incident.rca.${apart}`)}</p>`}
    ${rca.hash && html`<h3>${t("incident.rca.cause")}</h3><p class="text">${rca.cause}</p><h3>${t("incident.rca.prevention")}</h3><p class="text">${rca.prevention}</p>
      <p class="quiet"><code>${rca.hash}</code></p>`}
    ${open && it.closed_at == null && html`
      <${Field} label=${t("incident.rca.cause")} area value=${cause} set=${setCause} />
      <${Field} label=${t("incident.rca.prevention")} area value=${prevention} set=${setPrevention} />
      <${Field} label=${t("incident.rca.link")} value=${link} set=${setLink} />
      <${Act} kind="primary" label=${t("incident.rca.submit")} session=${session} roles=${may.submit_rca} disabled=${cause.trim() === "" || prevention.trim() === ""}
        act=${() => put(`/v1/incidents/${it.id}/rca`, { cause, prevention, ...(link.trim() === "" ? {} : { link }) })} done=${changed} />`}
    ${rca.state === "submitted" && rca.on_disk === "differs" && html`
      <${Act} label=${t("incident.rca.submit_file")} session=${session} roles=${may.submit_rca} act=${() => put(`/v1/incidents/${it.id}/rca`, {})} done=${changed} />`}
    ${rca.state === "submitted" && html`
      <${Field} label=${t("promotion.comment")} value=${comment} set=${setComment} />
      <${Act} kind="primary" label=${t("incident.rca.confirm")} session=${session} roles=${rulers(it)} disabled=${comment.trim() === "" || apart}
        act=${() => post(`/v1/incidents/${it.id}/rca/confirmation`, { comment, read: rca.hash })} done=${changed} />`}
  </section>`;
}

/** Who confirms the analysis and decides the review: the role that the policy names. @param {Schemas["IncidentDetail"]} it */
const rulers = (it) => (it.approver == null ? may.submit_rca : [it.approver]);

/** @param {Part} props */
function Review({ it, session, changed }) {
  const [comment, setComment] = useState("");
  const review = it.review;
  const decide = (/** @type {boolean} */ approve) => () => post(`/v1/incidents/${it.id}/review`, { approve, comment });
  const ready = comment.trim() !== "";
  return html`<section class="card"><h2>${t("incident.review")}</h2>
    ${review ? html`<p>${t(review.state === "open" && review.recommendation === "stay" ? "incident.review.open.stay" : `incident.review.${review.state}`, { at: dayTime(review.opened_at), by: review.decided_by ?? "", comment: review.comment ?? "" })}</p>` : html`<p class="quiet">${t("incident.review.none")}</p>`}
    ${review?.state === "open" && html`
      <${Field} label=${t("promotion.comment")} value=${comment} set=${setComment} />
      <div class="row"><${Act} kind="danger" label=${t("incident.review.approve")} session=${session} roles=${rulers(it)} disabled=${!ready} act=${decide(true)} done=${changed} />
      <${Act} label=${t("incident.review.decline")} session=${session} roles=${rulers(it)} disabled=${!ready} act=${decide(false)} done=${changed} /></div>`}
  </section>`;
}

/** @param {{it: Schemas["IncidentDetail"]}} props */
function Timeline({ it }) {
  return html`<section class="card"><h2>${t("incident.timeline")}</h2><p class="quiet">${t("incident.timeline.hint")}</p>
    <ol class="timeline">${it.timeline.map((hop, index) => {
      const before = it.timeline[index - 1];
      const after = before ? Date.parse(hop.at) - Date.parse(before.at) : 0;
      return html`<li key=${index}><time datetime=${hop.at} title=${hop.at}>${clockTime(hop.at)}</time><span class="quiet">${before ? `${after < 0 ? "−" : "+"}${span(after)}` : ""}</span>
        <span><b>${hopText(hop).title}</b> <${Detail} hop=${hop} of=${it} /></span></li>`;
    })}</ol>
  </section>`;
}

/** What a hop says of itself, leading to what it was about. @param {{hop: Schemas["TimelineEntry"], of: Schemas["IncidentDetail"]}} props */
function Detail({ hop, of: { id, target } }) {
  const { text } = hopText(hop);
  const { decision, notification, transition } = /** @type {Record<string, string | undefined>} */ (hop.data ?? {});
  if (decision) return html`<a href=${`#/targets/${target}/${decision}`}>${text}</a>`;
  if (notification) return html`<a href=${`#/incidents/${id}/${notification}`}>${text}</a>`;
  return transition ? html`<a href=${`#/audit/${target}/${transition}`}>${text}</a>` : text;
}
