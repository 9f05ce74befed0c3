// Windows as a strip, oldest first: one shape and colour each. One stop for the Tab key; arrows move inside.
import { useRef, useState } from "preact/hooks";
import { dayTime, windowText } from "./format.mjs";
import { html } from "./html.mjs";
import { named, t } from "./i18n.mjs";
import { Glyph, phaseName } from "./parts.mjs";

/** @typedef {{decision_id: string, window: {start: string, end: string}, verdict: string, phase?: string, stale?: boolean, changed?: boolean}} Cell */

/**
 * @param {{label: string, windows: Cell[], chosen?: string | null, choose?: (id: string) => void}} props
 */
export function Strip({ label, windows, chosen = null, choose }) {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  const [at, setAt] = useState(-1);
  const current = at >= 0 && at < windows.length ? at : windows.length - 1;
  const move = (/** @type {KeyboardEvent} */ event) => {
    const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1, Home: -windows.length, End: windows.length });
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const to = Math.max(0, Math.min(windows.length - 1, current + step));
    setAt(to);
    /** @type {HTMLElement | undefined} */ (place.current?.querySelectorAll("button")[to])?.focus();
  };
  if (windows.length === 0) return html`<p class="quiet">${t("chart.empty")}</p>`;
  const seen = [...new Set(windows.map((it) => it.verdict))];
  return html`<div class="strip" role="toolbar" aria-label=${label} ref=${place} onKeyDown=${move}>
    ${windows.map((it, index) => {
      const places = { window: windowText(it.window), verdict: named("verdict", it.verdict) };
      const text = it.phase === undefined ? t("lab.window", places) : t("target.window", { ...places, phase: phaseName(it.phase) });
      const full = it.stale ? `${text} (${t("target.window.stale")})` : text;
      return html`<button key=${it.decision_id} type="button" class=${`cell ${it.verdict} ${it.stale ? "stale" : ""} ${it.changed ? "changed" : ""}`}
        tabindex=${index === current ? 0 : -1} aria-pressed=${choose ? String(chosen === it.decision_id) : undefined} aria-label=${full} title=${full}
        onFocus=${() => setAt(index)} onClick=${() => choose?.(it.decision_id)}><${Glyph} verdict=${it.verdict} /></button>`;
    })}
  </div>
  <p class="legend quiet">${t("strip.ends", { from: dayTime(windows[0]?.window.start), to: dayTime(windows[windows.length - 1]?.window.end) })}
    ${seen.map((verdict) => html`<span key=${verdict}><${Glyph} verdict=${verdict} /> ${named("verdict", verdict)}</span>`)}
    ${windows.some((it) => it.stale) && html`<span>${t("strip.stale")}</span>`}
    ${windows.some((it) => it.changed) && html`<span>${t("strip.changed")}</span>`}</p>`;
}
