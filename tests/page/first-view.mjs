// How long the first view takes with 100 gated targets and a year of history behind them, on loopback: from the start of
// the navigation until the screen is full of cards, and until the last of them is there; with the profile of a browser that was
// never here, and loaded again. Prints times of this machine, and asserts none:
//   PHASEGATE=target/release/phasegate node tests/page/first-view.mjs [targets] [days of history of each]
// python3 seeds the SQLite file.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { openBrowser } from "./browser.mjs";
import { begin, judge, multiplied, names, quarterly } from "./history.mjs";
import { Running, until } from "./running.mjs";

const targets = Number(process.argv[2] ?? 100);
const days = Number(process.argv[3] ?? 365);
const ROUNDS = 50;

const all = names(targets);

const SEED = `
import datetime, json, sqlite3, sys
file, days, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
db = sqlite3.connect(file, timeout=60)
WINDOW = 900_000
END = int(datetime.datetime.now().timestamp() * 1000) // WINDOW * WINDOW - 2 * WINDOW
def iso(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (ms % 1000)
metrics = [dict(metric=m, observed=0.5, threshold=1.0, unit=u, ratio=0.5, verdict="ok", on_violation="rollback") for m, u in
           (("save_latency_p95", "s"), ("error_rate", "%"), ("history_drift", ""), ("collector_latency", "s"))]
def rows(index, target):
    for k in range(days * 96):
        end = END - k * WINDOW
        id = f"{index:08x}-0000-5000-8000-{k:012x}"
        body = dict(schema="phasegate.decision/1", decision_id=id, target=target, phase="A", epoch=1, window=dict(start=iso(end - WINDOW), end=iso(end)),
                    verdict="ok", rollback_required=False, cause="slo", metrics=metrics, violated=[], policy_version="sha256:" + "0" * 64, decided_at=iso(end))
        yield (id, target, "A", 1, end - WINDOW, end, "ok", 0, None, end, json.dumps(body))
for index, target in enumerate(names):
    with db:
        db.executemany("INSERT INTO decisions (id, target, phase, epoch, window_start, window_end, verdict, stale, incident, received_at, body) VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows(index, target))
print(db.execute("SELECT COUNT(*) FROM decisions").fetchone()[0])
`;

const running = await Running.start((policy) => multiplied(quarterly(policy), all));
const browser = await openBrowser();
try {
  for (const name of all) {
    const stay = await begin(running, name);
    await judge(running, name, stay, Date.now() - 60_000, { p95Ms: 1500, saves: 1000, errors: 2, latencyMs: 31_000 });
  }
  await until("a verdict on all targets", async () => (await running.call("vi", "GET", "/v1/dashboard")).targets.filter((/** @type {any} */ it) => it.verdict === "ok").length === targets);
  const data = join(running.directory, "data");
  const file = readdirSync(data).find((it) => it.startsWith("reporter") && !it.endsWith("-wal") && !it.endsWith("-shm"));
  const rows = execFileSync("python3", ["-c", SEED, join(data, file ?? ""), String(days), ...all], { encoding: "utf8" }).trim();
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) times.push(await view());
  console.log(`${targets} targets, ${rows} decisions, ${ROUNDS} views`);
  for (const [name, pick] of /** @type {const} */ ([["new profile", 0], ["loaded again", 1]])) {
    const painted = times.map((it) => it[pick]);
    console.log(`${name}: first screen ${figures(painted.map((it) => it.first))}; all cards ${figures(painted.map((it) => it.all))}`);
  }
} finally {
  await browser.close();
  await running.stop();
}

/** @param {number[]} times */
function figures(times) {
  const sorted = times.sort((a, b) => a - b);
  const at = (/** @type {number} */ quantile) => Math.round(sorted[Math.ceil(quantile * ROUNDS) - 1] ?? 0);
  return `median ${at(0.5)} ms, p95 ${at(0.95)} ms`;
}

/** @typedef {{first: number, all: number}} Painted */

/** @returns {Promise<[Painted, Painted]>} */
async function view() {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  await context.request.post(`${running.url}/v1/session`, { headers: { authorization: `Bearer ${running.tokens.vi}`, "x-phasegate-request": "1" } });
  const page = await context.newPage();
  await page.addInitScript((wanted) => {
    const painted = /** @type {Record<string, number>} */ ({});
    // When the browser says that it painted the largest text of a card.
    new PerformanceObserver((list) => {
      const card = list.getEntries().find((it) => /** @type {any} */ (it).element?.closest(".card.target"));
      if (card !== undefined) painted["first"] ??= card.startTime;
    }).observe({ type: "largest-contentful-paint", buffered: true });
    new MutationObserver(() => {
      if (document.getElementsByClassName("target").length < wanted) return;
      // After the frame that shows them.
      requestAnimationFrame(() => setTimeout(() => (painted["all"] ??= performance.now())));
    }).observe(document, { childList: true, subtree: true });
    Object.assign(globalThis, { painted });
  }, targets);
  const painted = async () => {
    await page.waitForFunction(() => ["first", "all"].every((it) => it in /** @type {any} */ (globalThis).painted));
    return page.evaluate(() => /** @type {any} */ (globalThis).painted);
  };
  await page.goto(`${running.url}/`);
  const first = await painted();
  await page.reload();
  const again = await painted();
  await context.close();
  return [first, again];
}
