// The evidence that an incident was understood: what the system has checked itself, and what people sign.
import { useState } from "preact/hooks";
import { put } from "../api.mjs";
import { dayTime } from "../format.mjs";
import { html } from "../html.mjs";
import { named, t } from "../i18n.mjs";
import { Act, Field } from "../parts.mjs";
import { figuresText, missingText } from "../story.mjs";

/** @typedef {import("../api.mjs").Schemas} Schemas */

/** @param {import("./incident.mjs").Part} props */
export function Checklist({ it, session, changed }) {
  return html`<section class="card"><h2>${t("incident.checklist")}</h2>
    ${it.evidence.length === 0 ? html`<p class="quiet">${t("incident.checklist.none")}</p>` : html`<ul class="checklist">${it.evidence.map((item) => html`<${Item} key=${item.item} incident=${it.id} item=${item} session=${session} changed=${changed} />`)}</ul>`}
  </section>`;
}

/** @param {{incident: string, item: Schemas["EvidenceItem"], session: Schemas["Session"], changed: () => void}} props */
function Item({ incident, item, session, changed }) {
  const [comment, setComment] = useState("");
  const [task, setTask] = useState("");
  const [link, setLink] = useState("");
  const done = item.state === "satisfied" || item.state === "signed";
  const waits = item.missing.length > 0;
  const body = { ...(comment.trim() ? { comment } : {}), ...(task.trim() ? { task } : {}), ...(link.trim() ? { link } : {}) };
  return html`<li class=${done ? "done" : "open"} data-item=${item.item}>
    <p><span aria-hidden="true">${done ? "☑" : "☐"}</span> <b>${named("item", item.item)}</b> <span class="quiet">(${item.owner})</span> <span class="chip">${named("evidence", item.state)}</span></p>
    ${item.figures && html`<p class="quiet">${figuresText(item)}</p>`}
    ${item.signer && html`<p class="quiet">${t("by", { name: item.signer })}, ${dayTime(item.at)}${item.comment ? `: ${item.comment}` : ""}</p>`}
    ${item.link && html`<p class="quiet">${t("incident.checklist.link")}: <code>${item.link}</code></p>`}
    ${!done && waits && html`<p class="quiet">${missingText(item)}</p>`}
    ${!done && html`<details><summary>${t("incident.checklist.sign")}</summary>
      <${Field} label=${t("promotion.comment")} value=${comment} set=${setComment} />
      ${item.item === "retry_log" && html`<${Field} label=${t("incident.checklist.task")} value=${task} set=${setTask} />`}
      <${Field} label=${t("incident.checklist.link")} value=${link} set=${setLink} />
      <${Act} kind="primary" label=${t("incident.checklist.sign")} session=${session} roles=${[item.owner]}
        act=${() => put(`/v1/incidents/${incident}/evidence/${item.item}`, body)} done=${changed} />
    </details>`}
  </li>`;
}
