// Every act that changed something, newest first, and whether the chain of rows is whole.
import { useState } from "preact/hooks";
import { get, withQuery } from "../api.mjs";
import { html } from "../html.mjs";
import { named, t } from "../i18n.mjs";
import { useResource } from "../live.mjs";
import { usePages } from "../pages.mjs";
import { ErrorNote, Heading, Time, Waiting } from "../parts.mjs";

/** @typedef {import("../api.mjs").Schemas} Schemas */

const PAGE = 200;

/** All of them, or those of a target about one thing: an incident, a command. @param {{target: string, about: string}} props */
export function Audit({ target, about }) {
  const [search, setSearch] = useState("");
  const path = withQuery("/v1/audit", { limit: PAGE, target, subject: about });
  const first = useResource(path);
  const { items, more } = usePages(path, first.data);
  const words = search.trim().toLowerCase();
  /** @type {Schemas["AuditEntry"][]} */
  const shown = items.filter((it) => `${JSON.stringify(it)} ${named("deed", it.action)}`.toLowerCase().includes(words));
  return html`
    <${Heading} text=${t("audit.title")} />
    <${Verification} />
    ${about !== "" && html`<p>${t("audit.about", { about })} <a href="#/audit">${t("audit.all")}</a></p>`}
    <input class="filter" type="search" placeholder=${t("audit.search")} aria-label=${t("audit.search")} value=${search} onInput=${(/** @type {any} */ event) => setSearch(event.currentTarget.value)} />
    <${Waiting} of=${first} />
    ${first.data && more && words !== "" && html`<p class="quiet">${t("search.within", { n: items.length })}</p>`}
    ${first.data && shown.length === 0 && html`<p class="quiet">${t("audit.none")}</p>`}
    <div class="scroll" tabindex="0" role="region" aria-label=${t("audit.title")}><table class="audit">
      <thead><tr><th>${t("col.time")}</th><th>${t("col.actor")}</th><th>${t("col.action")}</th><th>${t("col.subject")}</th><th>${t("audit.hash")}</th></tr></thead>
      <tbody>${shown.map((it) => html`<tr key=${it.hash}>
        <td><${Time} at=${it.at} /></td>
        <td>${actor(it)}</td>
        <td><details><summary>${named("deed", it.action)}</summary><code>${it.action}</code><pre>${JSON.stringify(it.detail, null, 1)}</pre></details></td>
        <td>${it.target && html`<a href=${`#/targets/${it.target}`}>${it.target}</a>`} ${subject(it)}</td>
        <td><code title=${it.hash}>${it.stream} ${it.seq} · ${String(it.hash).replace("sha256:", "").slice(0, 10)}</code></td>
      </tr>`)}</tbody>
    </table></div>
    ${more && html`<button type="button" onClick=${more}>${t("more")}</button>`}
  `;
}

/** A name that no credential proved is what the caller said of itself. @param {Schemas["AuditEntry"]} it */
const actor = (it) => `${it.actor.name}${it.actor.verified ? "" : " *"}${it.actor.name === it.actor.via ? "" : ` (${it.actor.via})`}`;

/** What it was about, with its own place where it has one; an act that belongs to an incident leads there. @param {Schemas["AuditEntry"]} it */
function subject(it) {
  const place = placeOf(it);
  const { incident } = /** @type {{incident?: string}} */ (it.detail ?? {});
  return html`${place ? html`<a href=${place}>${it.subject}</a>` : (it.subject ?? "")} ${incident && html`<a href=${`#/incidents/${incident}`}>${incident}</a>`}`;
}

/** @param {Schemas["AuditEntry"]} it */
function placeOf({ action, target, subject: id }) {
  if (id?.startsWith("INC-")) return `#/incidents/${id}`;
  if (!id || !target) return null;
  if (action.startsWith("decision.")) return `#/targets/${target}/${id}`;
  return action.startsWith("command.") ? `#/audit/${target}/${id}` : null;
}

/** @typedef {{busy: boolean, streams: Schemas["StreamVerification"][] | null, error: Error | null}} Verifying */

function Verification() {
  const [state, set] = useState(/** @type {Verifying} */ ({ busy: false, streams: null, error: null }));
  const verify = async () => {
    set({ busy: true, streams: null, error: null });
    try {
      /** @type {Schemas["StreamVerification"][]} */
      const streams = [];
      let cursor = null;
      do {
        /** @type {Schemas["AuditVerification"]} */
        const page = await get(withQuery("/v1/audit/verification", { cursor }));
        streams.push(...page.items);
        cursor = page.next ?? null;
      } while (cursor !== null);
      set({ busy: false, streams, error: null });
    } catch (error) {
      set({ busy: false, streams: null, error: /** @type {Error} */ (error) });
    }
  };
  return html`<p><button type="button" disabled=${state.busy} onClick=${verify}>${t("audit.verify")}</button>
    <span role="status">${state.streams && found(state.streams)}</span></p><${ErrorNote} error=${state.error} />`;
}

/** @param {Schemas["StreamVerification"][]} streams */
function found(streams) {
  const broken = streams.filter((it) => !it.ok);
  if (broken.length === 0) return html` <span class="verdict ok">✓ ${t("audit.whole", { n: streams.reduce((sum, it) => sum + it.rows, 0) })}</span>`;
  const detail = broken.map((it) => `${it.stream} ${it.fault?.seq ?? ""}: ${it.fault?.detail ?? ""}`).join("; ");
  return html` <span class="verdict violation">✕ ${t("audit.broken", { detail })}</span>`;
}
