// Moving up and the emergency handles: what is reached, who approved, what is in the way, and who may do what.
import { useState } from "preact/hooks";
import { call, post } from "../api.mjs";
import { dayTime, windowText } from "../format.mjs";
import { html } from "../html.mjs";
import { named, t } from "../i18n.mjs";
import { useResource } from "../live.mjs";
import { may } from "../may.mjs";
import { Act, Blockers, Field, GateBar, Waiting, phaseName } from "../parts.mjs";

/** @typedef {import("../api.mjs").Schemas} Schemas */

/** @param {{target: Schemas["DashboardTarget"], session: Schemas["Session"], changed: () => void}} props */
export function Promotion({ target, session, changed }) {
  const path = `/v1/rollouts/${target.target}`;
  const rollout = useResource(path);
  const it = /** @type {Schemas["Rollout"] | null} */ (rollout.data);
  const after = () => {
    rollout.refresh();
    changed();
  };
  if (it === null) return html`<${Waiting} of=${rollout} />`;
  const at = target.phases.findIndex((phase) => phase.id === it.phase);
  const above = it.phase === "completed" ? null : (target.phases[at + 1]?.id ?? "completed");
  const below = it.phase === "off" || it.phase === "completed" ? null : (target.phases[at - 1]?.id ?? "off");
  const gate = target.gate;
  return html`<section class="card promotion" aria-labelledby="promotion">
    <h2 id="promotion">${t("promotion.title")}</h2>
    ${above !== null && html`<p>${t("promotion.to", { phase: phaseName(above) })}</p>`}
    ${it.phase !== "off" && html`<${GateBar} gate=${gate} />`}
    ${gate?.broken_by && html`<p class="quiet">${t("gate.broken", { by: gate.broken_by.metric ? named("metric", gate.broken_by.metric) : named("why.cause", gate.broken_by.cause), window: windowText(gate.broken_by.window) })}</p>`}
    <${Approvals} it=${it} path=${path} session=${session} after=${after} />
    ${it.blockers.length > 0 ? html`<h3>${t("promotion.blockers")}</h3><${Blockers} blockers=${it.blockers} />` : html`<p>${t("promotion.free")}</p>`}
    <div class="row">
      ${it.phase === "off" && above !== null && html`<${Act} kind="primary" label=${t("promotion.start", { phase: above })} session=${session} roles=${may.start_rollout}
        act=${() => post(`${path}/start`, {})} done=${after} />`}
      ${it.phase !== "off" && above !== null && html`<${Act} kind="primary" label=${t("promotion.promote", { phase: phaseName(above) })} session=${session} roles=${may.promote_rollout} disabled=${it.blockers.some((blocker) => blocker.code !== "move_failed")}
        act=${() => post(`${path}/promotions`, { from: it.phase })} done=${after} />`}
    </div>
    <${Emergency} it=${it} below=${below} path=${path} session=${session} after=${after} />
  </section>`;
}

/** @param {{it: Schemas["Rollout"], path: string, session: Schemas["Session"], after: () => void}} props */
function Approvals({ it, path, session, after }) {
  if (it.approvals.length === 0 && it.approvals_missing.length === 0) return null;
  return html`<h3>${t("promotion.approvals")}</h3>
    <ul class="approvals">
      ${it.approvals.map((approval) => html`<li key=${approval.role + approval.by}>
        <b>${approval.role}</b>: ${t("promotion.given", { by: approval.by, at: dayTime(approval.at) })}
        ${approval.by === session.name && html` <${Act} label=${t("promotion.withdraw")} session=${session} roles=${[approval.role]} act=${() => call("DELETE", `${path}/approvals/${approval.role}`)} done=${after} />`}
      </li>`)}
      ${it.approvals_missing.map((role) => html`<li key=${role}>
        <b>${role}</b>: ${t("promotion.missing")}
        ${" "}<${Act} label=${t("promotion.approve", { role })} session=${session} roles=${[role]}
          act=${() => post(`${path}/approvals`, { role, phase: it.phase })} done=${after} />
      </li>`)}
    </ul>`;
}

/** @param {{it: Schemas["Rollout"], below: string | null, path: string, session: Schemas["Session"], after: () => void}} props */
function Emergency({ it, below, path, session, after }) {
  const [reason, setReason] = useState("");
  const frozen = it.frozen != null;
  const ready = reason.trim() !== "";
  return html`<details class="emergency">
    <summary>${t("promotion.emergency")}</summary>
    ${it.frozen && html`<p>${t("promotion.frozen", { by: it.frozen.by, at: dayTime(it.frozen.at), reason: it.frozen.reason })}</p>`}
    <${Field} label=${t("promotion.reason")} value=${reason} set=${setReason} />
    <div class="row">
      ${below !== null && html`<${Act} kind="danger" label=${t("promotion.rollback.go", { from: phaseName(it.phase), to: phaseName(below) })} session=${session} roles=${may.roll_back} disabled=${!ready}
        act=${() => post(`${path}/rollbacks`, { phase: it.phase, reason })} done=${after} />`}
      ${it.phase !== "off" && html`<${Act} kind="danger" label=${t("promotion.abort")} session=${session} roles=${may.abort_rollout} disabled=${!ready}
        act=${() => post(`${path}/abort`, { reason })} done=${after} />`}
      ${frozen
        ? html`<${Act} label=${t("promotion.unfreeze")} session=${session} roles=${may.unfreeze_rollout} disabled=${!ready} act=${() => post(`${path}/unfreeze`, { reason })} done=${after} />`
        : html`<${Act} label=${t("promotion.freeze")} session=${session} roles=${may.freeze_rollout} disabled=${!ready} act=${() => post(`${path}/freeze`, { reason })} done=${after} />`}
    </div>
  </details>`;
}
