// One metric over time: what was observed, its limit, its warning line, and what happened to the rollout meanwhile.
import { useEffect, useRef, useState } from "preact/hooks";
import { clockTime, dayText, dayTime, figure } from "./format.mjs";
import { html } from "./html.mjs";
import { named, t, useLanguage } from "./i18n.mjs";

/** @typedef {import("./api.mjs").Schemas} Schemas */
/** @typedef {{at: number, text: string, kind: "phase" | "incident"}} Mark */
/** @typedef {{end: number, observed: number | null, threshold: number, verdict: string}} Point */

/**
 * Where a warning begins, as the gate has it (`Direction::warn_limit`): a floor's band lies above it, and a percentage's is
 * that of what is missing to 100 %.
 * @param {number} threshold @param {string} unit @param {number} warnRatio @param {boolean} atLeast
 */
export function warnLimit(threshold, unit, warnRatio, atLeast) {
  if (threshold <= 0) return null;
  if (!atLeast) return threshold * warnRatio;
  return unit === "%" && threshold <= 100 ? 100 - (100 - threshold) * warnRatio : threshold / warnRatio;
}

const HEIGHT = 210;
/** Above the plot, for the names of marks; on its right, for the last time's text. */
const PADDING = [30, 28, 0, 0];
/** Charts of one page move their cursors together. */
const SYNC = "phasegate";

/** The library, once a first chart is drawn: to load it takes as long as all else, and most views have no chart. @type {typeof import("uplot") | null} */
let library = null;
/** @type {Promise<typeof import("uplot")> | undefined} */
let loading;

/** The library and its style sheet, which stands before the page's own. */
async function load() {
  const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/ui/vendor/uplot.css" });
  const dressed = new Promise((done) => (sheet.onload = sheet.onerror = done));
  document.head.prepend(sheet);
  const [module] = await Promise.all([import("uplot"), dressed]);
  return module.default;
}

function useLibrary() {
  const [UPlot, set] = useState(() => library);
  useEffect(() => {
    if (UPlot !== null) return undefined;
    let left = false;
    loading ??= load();
    loading.then((found) => {
      library = found;
      if (!left) set(() => library);
    }, () => (loading = undefined));
    return () => {
      left = true;
    };
  }, []);
  return UPlot;
}

/** @param {string} name */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * @param {Mark[]} marks
 * @returns {(plot: any) => void}
 */
const drawMarks = (marks) => (plot) => {
  const { ctx } = plot;
  const { left, top, width, height } = plot.bbox;
  ctx.save();
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  for (const mark of marks) {
    const x = plot.valToPos(mark.at / 1000, "x", true);
    if (x < left || x > left + width) continue;
    ctx.strokeStyle = ctx.fillStyle = colour(mark.kind === "incident" ? "--violation" : "--quiet");
    ctx.setLineDash(mark.kind === "incident" ? [] : [4 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    const right = x + ctx.measureText(mark.text).width > left + width;
    ctx.textAlign = right ? "right" : "left";
    ctx.fillText(mark.text, x, top - (mark.kind === "incident" ? 18 : 5) * devicePixelRatio);
  }
  ctx.restore();
};

/** @param {number} at in seconds @param {number} apart */
const tick = (at, apart) => (apart >= 86_400 ? dayText(at * 1000) : clockTime(at * 1000).slice(0, apart < 60 ? 8 : 5));

/** @param {typeof import("uplot")} UPlot @param {string} metric @param {string} unit @param {boolean} atLeast @param {Mark[]} marks @param {number} width @param {(at: number) => string} when */
function options(UPlot, metric, unit, atLeast, marks, width, when) {
  // A limit holds for the whole window that ends where it is drawn.
  const stepped = UPlot.paths.stepped?.({ align: -1 });
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const value = (/** @type {any} */ _, /** @type {number | null} */ it) => figure(it, unit);
  return {
    width,
    height: HEIGHT,
    padding: PADDING,
    cursor: { sync: { key: SYNC }, drag: { x: true, y: false } },
    legend: { live: true },
    scales: { y: { range: (/** @type {any} */ _, /** @type {number} */ low, /** @type {number} */ high) => [Math.min(0, low), high > 0 ? high * 1.12 : 1] } },
    axes: [
      { ...axis, values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map((it) => tick(it, (ticks[1] ?? NaN) - (ticks[0] ?? 0))) },
      { ...axis, size: 58, values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map((it) => figure(it, unit)) },
    ],
    series: [
      { label: t(when === dayText ? "col.time" : "col.window"), value: (/** @type {any} */ _, /** @type {number | null} */ it) => (it === null ? "–" : when(it * 1000)) },
      { label: named("metric", metric), stroke: colour("--accent"), width: 2, value, points: { size: 5 }, spanGaps: false },
      { label: t(atLeast ? "chart.floor" : "chart.limit"), stroke: colour("--violation"), width: 1.5, value, paths: stepped, points: { show: false } },
      { label: t("chart.warn"), stroke: colour("--warn"), width: 1, dash: [5, 4], value, paths: stepped, points: { show: false } },
    ],
    hooks: { draw: [drawMarks(marks)] },
  };
}

/**
 * `span` is the time up to the newest point that is shown; a new object each time it is chosen, so that choosing it
 * again undoes a zoom.
 * @param {{metric: string, unit: string, points: Point[], warnRatio: number, atLeast: boolean, marks: Mark[], scheme: string, span: {ms: number}, byDay: boolean}} props
 */
export function Chart({ metric, unit, points, warnRatio, atLeast, marks, scheme, span, byDay }) {
  const when = byDay ? dayText : dayTime;
  const place = useRef(/** @type {HTMLDivElement | null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const shown = useRef(/** @type {{span: unknown, min: number, max: number} | null} */ (null));
  const UPlot = useLibrary();
  const language = useLanguage();
  const data = [
    points.map((it) => it.end / 1000),
    points.map((it) => it.observed),
    points.map((it) => it.threshold),
    points.map((it) => warnLimit(it.threshold, unit, warnRatio, atLeast)),
  ];
  const shape = JSON.stringify([metric, unit, atLeast, scheme, language, marks, byDay, points.length === 0, UPlot === null]);
  useEffect(() => {
    const element = place.current;
    if (element === null || points.length === 0 || UPlot === null) return undefined;
    const width = () => Math.max(240, element.clientWidth);
    plot.current = new UPlot(/** @type {any} */ (options(UPlot, metric, unit, atLeast, marks, width(), when)), /** @type {any} */ (data), element);
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: width(), height: HEIGHT }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.current?.destroy();
      plot.current = null;
      shown.current = null;
    };
  }, [shape]);
  useEffect(() => {
    // A zoomed view stays where it is while new windows come in.
    const drawn = plot.current;
    if (drawn === null) return;
    const { min, max } = drawn.scales.x;
    const before = shown.current;
    const zoomed = before !== null && before.span === span && (min !== before.min || max !== before.max);
    drawn.setData(data, false);
    if (zoomed) return void drawn.setScale("x", { min, max });
    const newest = (points[points.length - 1]?.end ?? 0) / 1000;
    const oldest = (points[0]?.end ?? 0) / 1000;
    drawn.setScale("x", { min: Math.max(Math.min(oldest, newest - 1), newest - span.ms / 1000), max: newest });
    shown.current = { span, min: drawn.scales.x.min, max: drawn.scales.x.max };
  }, [shape, JSON.stringify(data), span]);

  if (points.length === 0) return html`<p class="quiet">${t("chart.empty")}</p>`;
  const seen = points.map((it) => it.observed).filter((it) => it !== null);
  const last = points[points.length - 1];
  const worst = atLeast ? Math.min(...seen) : Math.max(...seen);
  const summary = t(atLeast ? "chart.summary.floor" : "chart.summary", {
    metric: named("metric", metric),
    newest: figure(last?.observed, unit),
    worst: figure(seen.length > 0 ? worst : null, unit),
    limit: figure(last?.threshold, unit),
  });
  return html`<figure class="chart">
    <div ref=${place} role="img" aria-label=${summary}></div>
    <details>
      <summary>${t("chart.table")}</summary>
      <div class="scroll" tabindex="0" role="region" aria-label=${named("metric", metric)}>
        <table>
          <thead><tr><th>${t("col.time")}</th><th>${t("col.observed")}</th><th>${t("col.threshold")}</th><th>${t("col.verdict")}</th></tr></thead>
          <tbody>${[...points].reverse().map((it) => html`<tr key=${it.end}>
            <td>${when(it.end)}</td><td>${figure(it.observed, unit)}</td><td>${figure(it.threshold, unit)}</td><td>${named("verdict", it.verdict)}</td>
          </tr>`)}</tbody>
        </table>
      </div>
    </details>
  </figure>`;
}
