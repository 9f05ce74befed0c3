// What was told to people, with what came of it; and effects that are stuck.
import { useState } from "preact/hooks";
import { post, withQuery } from "../api.mjs";
import { html } from "../html.mjs";
import { named, t } from "../i18n.mjs";
import { useResource } from "../live.mjs";
import { may } from "../may.mjs";
import { usePages } from "../pages.mjs";
import { Act, Heading, Time, Waiting } from "../parts.mjs";

/** @typedef {import("../api.mjs").Schemas} Schemas */

const PAGE = 100;

/** @param {{session: Schemas["Session"]}} props */
export function Messages({ session }) {
  const [search, setSearch] = useState("");
  const path = withQuery("/v1/notifications", { limit: PAGE });
  const first = useResource(path);
  const stuck = useResource(withQuery("/v1/effects", { state: "dead", limit: 50 }));
  const { items, more } = usePages(path, first.data);
  const words = search.trim().toLowerCase();
  const shown = items.filter((/** @type {Schemas["NotificationView"]} */ it) => searchable(it).includes(words));
  return html`
    <${Heading} text=${t("messages.title")} />
    <${Stuck} effects=${stuck.data?.items ?? []} session=${session} refresh=${stuck.refresh} />
    <input class="filter" type="search" placeholder=${t("messages.search")} aria-label=${t("messages.search")} value=${search} onInput=${(/** @type {any} */ event) => setSearch(event.currentTarget.value)} />
    <${Waiting} of=${first} />
    ${first.data && more && words !== "" && html`<p class="quiet">${t("search.within", { n: items.length })}</p>`}
    ${first.data && shown.length === 0 && html`<p class="quiet">${t("messages.none")}</p>`}
    <ol class="messages">${shown.map((/** @type {Schemas["NotificationView"]} */ it) => html`<${Message} key=${it.id} it=${it} />`)}</ol>
    ${more && html`<button type="button" onClick=${more}>${t("more")}</button>`}
  `;
}

/** @param {Schemas["NotificationView"]} it */
const searchable = (it) => [it.text, it.channel, it.target, it.kind, named("notice", it.kind), it.incident].join(" ").toLowerCase();

/** @param {{it: Schemas["NotificationView"]}} props */
export function Message({ it }) {
  return html`<li id=${it.id} tabindex="-1" class=${`message ${it.state}`}>
    <div class="row"><b>${it.channel}</b> <span class=${`chip ${it.state === "failed" ? "incident" : ""}`}>${named("message", it.state)}</span> <span class="quiet">${named("notice", it.kind)}</span>
      <a href=${`#/targets/${it.target}`}>${it.target}</a> ${it.incident && html`<a href=${`#/incidents/${it.incident}`}>${it.incident}</a>`}
      ${it.decision && html`<a href=${`#/targets/${it.target}/${it.decision}`}>${t("messages.decision")}</a>`}
      <span class="end quiet"><${Time} at=${it.sent_at ?? it.created_at} /></span></div>
    <p class="text">${it.text}</p>
    ${(it.attempts > 1 || it.unknowns > 0 || it.last_error) && html`<p class="quiet">${t("messages.attempts", { n: it.attempts })}${it.unknowns > 0 ? `; ${t("messages.resent", { n: it.unknowns })}` : ""}${it.last_error ? `; ${it.last_error}` : ""}</p>`}
  </li>`;
}

/** @param {{effects: Schemas["MessageView"][], session: Schemas["Session"], refresh: () => void}} props */
function Stuck({ effects, session, refresh }) {
  if (effects.length === 0) return null;
  return html`<section class="note error"><h2>${t("messages.stuck")}</h2>
    <ul>${effects.map((it) => html`<li key=${it.id}><b>${it.kind}</b> ${it.subject}: ${it.last_error} <${Act} label=${t("messages.retry")} session=${session} roles=${may.retry_effect} act=${() => post(`/v1/effects/${it.id}/retry`, {})} done=${refresh} /></li>`)}</ul>
  </section>`;
}
