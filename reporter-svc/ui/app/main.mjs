// The page: who is signed in, where one is, and whether what is shown can be trusted.
import { render } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { Problem, ahead, withQuery } from "./api.mjs";
import { ago, clockTime } from "./format.mjs";
import { html } from "./html.mjs";
import { setLanguage, t, useLanguage } from "./i18n.mjs";
import { Later, fetchAll } from "./later.mjs";
import { connect, disconnect, heard, isStale, painted, useNow, usePulse } from "./live.mjs";
import { ErrorNote, leaveFocus } from "./parts.mjs";
import { home, routes, wayIn } from "./routes.mjs";
import { signOut, whoAmI } from "./session.mjs";

/** @typedef {import("./session.mjs").Session} Session */

const THEMES = /** @type {const} */ (["auto", "light", "dark"]);
const THEME_KEY = "phasegate.theme";

function useRoute() {
  const here = () => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const [route, set] = useState(here());
  useEffect(() => {
    const moved = () => {
      leaveFocus();
      set(here());
      scrollTo(0, 0);
    };
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return route;
}

const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

/** What was chosen, and what that means now. @returns {{theme: string, scheme: "light" | "dark", turn: () => void}} */
function useTheme() {
  const [theme, set] = useState(/** @type {string} */ (localStorage.getItem(THEME_KEY) ?? "auto"));
  const [dark, setDark] = useState(systemIsDark.matches);
  useEffect(() => {
    const changed = () => setDark(systemIsDark.matches);
    systemIsDark.addEventListener("change", changed);
    return () => systemIsDark.removeEventListener("change", changed);
  }, []);
  const scheme = theme === "dark" || (theme !== "light" && dark) ? "dark" : "light";
  // Before the first drawing, so that charts find their colours.
  document.documentElement.dataset["theme"] = scheme;
  const turn = () => {
    const next = THEMES[(THEMES.findIndex((it) => it === theme) + 1) % THEMES.length] ?? "auto";
    localStorage.setItem(THEME_KEY, next);
    set(next);
  };
  return { theme, scheme, turn };
}

function Page() {
  useLanguage();
  const { theme, scheme, turn } = useTheme();
  const route = useRoute();
  const [state, set] = useState(/** @type {{session: Session | null, known: boolean, ended: boolean, error: Error | null}} */ ({ session: null, known: false, ended: false, error: null }));
  const enter = (/** @type {Session} */ session) => {
    set({ session, known: true, ended: false, error: null });
    // From here on a service that falls silent is told of, be it before its first answer about a rollout.
    heard();
    void painted.then(connect);
  };
  const ask = async () => {
    try {
      enter(await whoAmI());
    } catch (error) {
      if (error instanceof Problem && error.status === 401) set((before) => ({ session: null, known: true, ended: before.session !== null, error: null }));
      else {
        set((before) => ({ ...before, known: true, error: /** @type {Error} */ (error) }));
        setTimeout(ask, 5000);
      }
    }
  };
  useLayoutEffect(() => void ask(), []);
  useEffect(() => {
    if (state.session !== null) fetchAll([...routes.values(), wayIn]);
  }, [state.session !== null]);
  const leave = async () => {
    try {
      await signOut();
    } catch (error) {
      // Whose session is over is out; anybody else has to know that they are not.
      if (!(error instanceof Problem && error.status === 401)) return set((before) => ({ ...before, error: /** @type {Error} */ (error) }));
    }
    disconnect();
    set({ session: null, known: true, ended: false, error: null });
  };
  return html`
    <a class="skip" href="#heading" onClick=${(/** @type {Event} */ event) => { event.preventDefault(); document.getElementById("heading")?.focus(); }}>${t("nav.skip")}</a>
    <${Top} route=${route} session=${state.session} theme=${theme} turnTheme=${turn} leave=${leave} />
    <${Freshness} />
    ${state.session && html`<${Lost} ask=${ask} />`}
    <main>
      <${ErrorNote} error=${state.error} />
      ${state.session ? view(route, scheme, state.session) : state.known && state.error === null && html`<${Later} load=${wayIn.load} ended=${state.ended} entered=${enter} />`}
    </main>
  `;
}

/** What the path leads to. @param {string[]} path @param {string} scheme @param {Session} session */
function view([place = "", ...parts], scheme, session) {
  const { of = [], within = [], load } = routes.get(place) ?? home;
  const named = Object.fromEntries([...of, ...within].map((name, index) => [name, parts[index] ?? ""]));
  return html`<${Later} key=${[place, ...of.map((name) => named[name])].join("/")} load=${load} ...${named} scheme=${scheme} session=${session} />`;
}

/** @param {{route: string[], session: Session | null, theme: string, turnTheme: () => void, leave: () => void}} props */
function Top({ route, session, theme, turnTheme, leave }) {
  const language = useLanguage();
  const links = [...routes].flatMap(([path, { title }]) => (title === undefined ? [] : [{ path, title }]));
  const here = links.find(({ path }) => path === route[0])?.path ?? "";
  return html`<header>
    <a class="brand" href="#/">Phasegate</a>
    ${session && html`<nav aria-label=${t("nav.main")}>${links.map(({ path, title }) => html`<a key=${path} href=${`#/${path}`} aria-current=${here === path ? "page" : undefined}>${t(title)}</a>`)}</nav>`}
    <div class="tools">
      ${session && html`<${Stream} />`}
      <button type="button" class="plain" lang=${language === "ja" ? "en" : "ja"} onClick=${() => setLanguage(language === "ja" ? "en" : "ja")}>${t("language.other")}</button>
      <button type="button" class="plain" onClick=${turnTheme}>${t(theme === "dark" ? "theme.dark" : theme === "light" ? "theme.light" : "theme.auto")}</button>
      ${session && html`<span class="quiet">${session.how === "local" ? t("who.local") : `${session.name} (${people(session.roles)})`}</span>`}
      ${session && session.how !== "local" && html`<button type="button" class="plain" onClick=${leave}>${t("signin.out")}</button>`}
    </div>
  </header>`;
}

/** Every role reads, so that goes without saying beside another. @param {string[]} roles */
function people(roles) {
  const others = roles.filter((role) => role !== "viewer");
  return (others.length > 0 ? others : roles).join(", ");
}

/** Shorter silences are as live as it gets, and would only flicker. */
const QUIET_MS = 3000;

function Stream() {
  const pulse = usePulse((it) => it);
  useNow();
  const quiet = pulse.heardAt !== null && Date.now() - pulse.heardAt > QUIET_MS;
  const heard = quiet ? ` · ${t("live.heard", { ago: ago(pulse.heardAt ?? 0, Date.now()) })}` : "";
  return html`<span class=${`stream ${pulse.stream}`}><span aria-hidden="true">●</span> ${t(`live.${pulse.stream}`)}${heard}</span>`;
}

/** A lost stream may mean that the session has ended. @param {{ask: () => void}} props */
function Lost({ ask }) {
  const stream = usePulse((it) => it.stream);
  useEffect(() => {
    if (stream === "lost") ask();
  }, [stream]);
  return null;
}

/** Silence is never green: what is shown loses its colours, and a line says why. */
function Freshness() {
  const pulse = usePulse((it) => it);
  useNow();
  const stale = isStale(pulse);
  document.documentElement.toggleAttribute("data-stale", stale);
  if (!stale) return null;
  return html`<div class="banner stale" role="alert"><b>${t("stale.title")}</b> ${t("stale.detail", { at: clockTime(pulse.heardAt) })}</div>`;
}

/** How long the first drawing waits for what it draws, rather than show an empty page first. */
const PATIENCE_MS = 300;

const place = document.getElementById("page");
const [, within = ""] = /^#\/?targets\/([^/]*)/.exec(location.hash) ?? [];
const answers = Promise.all([ahead("/v1/session"), ahead(withQuery("/v1/dashboard", { targets: decodeURIComponent(within) }))]);
await Promise.race([answers, new Promise((done) => setTimeout(done, PATIENCE_MS))]);
if (place) render(html`<${Page} />`, place);
