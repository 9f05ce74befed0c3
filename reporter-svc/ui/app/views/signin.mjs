// The way in, where tokens are configured.
import { useState } from "preact/hooks";
import { html } from "../html.mjs";
import { t } from "../i18n.mjs";
import { ErrorNote, Field, Heading } from "../parts.mjs";
import { signIn } from "../session.mjs";

/** @param {{ended: boolean, entered: (session: import("../session.mjs").Session) => void}} props */
export function SignIn({ ended, entered }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      const session = await signIn(token);
      setToken("");
      entered(session);
    } catch (problem) {
      setError(/** @type {Error} */ (problem));
    }
  };
  return html`<form class="card signin" onSubmit=${submit}>
    <${Heading} text=${t("signin.title")} />
    ${ended && html`<p>${t("signin.ended")}</p>`}
    <${Field} label=${t("signin.token")} type="password" value=${token} set=${setToken} hint=${t("signin.hint")} />
    <button class="primary" type="submit" disabled=${token.trim() === ""}>${t("signin.go")}</button>
    <${ErrorNote} error=${error} />
  </form>`;
}
