// How long the first view takes with 100 targets and a year of one target's windows behind it, on loopback. Prints times of
// this machine, and asserts none: node first-view.mjs [targets] [days of history of each] (python3 seeds the SQLite file).
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { openBrowser } from "./browser.mjs";
import { Running, until } from "./running.mjs";

const targets = Number(process.argv[2] ?? 100);
const days = Number(process.argv[3] ?? 30);
const ROUNDS = 10;

/** The one target of the policy, so many times. @param {string} policy */
function multiplied(policy) {
  const start = policy.indexOf("  autosave:\n");
  const end = policy.indexOf("\nretention:");
  const block = policy.slice(start, end);
  const copies = Array.from({ length: targets }, (_, index) =>
    block.replace("  autosave:\n", `  feature-${String(index).padStart(3, "0")}:\n`).replace("title: AutoSave", `title: Feature ${index}`),
  );
  return policy.slice(0, start) + copies.join("\n") + policy.slice(end);
}

const SEED = `
import json, sqlite3, sys
file, targets, days = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
db = sqlite3.connect(file, timeout=60)
WINDOW, END = 900_000, 1_795_000_500_000
def iso(ms):
    import datetime
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (ms % 1000)
def rows(index):
    target = f"feature-{index:03}"
    for k in range((365 if index == 0 else days) * 96):
        end = END - k * WINDOW
        metrics = [dict(metric=m, observed=0.5, threshold=1.0, unit=u, ratio=0.5, verdict="ok", on_violation="rollback") for m, u in
                   (("save_latency_p95", "s"), ("error_rate", "%"), ("history_drift", ""), ("collector_latency", "s"))]
        id = f"{index:08x}-0000-5000-8000-{k:012x}"
        body = dict(schema="phasegate.decision/1", decision_id=id, target=target, phase="A", epoch=1, window=dict(start=iso(end - WINDOW), end=iso(end)),
                    verdict="ok", rollback_required=False, cause="slo", metrics=metrics, violated=[], policy_version="sha256:" + "0" * 64, decided_at=iso(end))
        yield (id, target, "A", 1, end - WINDOW, end, "ok", 0, None, end, json.dumps(body))
for index in range(targets):
    with db:
        db.executemany("INSERT INTO decisions (id, target, phase, epoch, window_start, window_end, verdict, stale, incident, received_at, body) VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows(index))
print(db.execute("SELECT COUNT(*) FROM decisions").fetchone()[0])
`;

const running = await Running.start(multiplied);
const browser = await openBrowser();
try {
  const data = join(running.directory, "data");
  const file = readdirSync(data).find((it) => it.startsWith("reporter") && !it.endsWith("-wal") && !it.endsWith("-shm"));
  const rows = execFileSync("python3", ["-c", SEED, join(data, file ?? ""), String(targets), String(days)], { encoding: "utf8" }).trim();
  await until("all targets", async () => (await running.call("vi", "GET", "/v1/dashboard")).targets.length === targets);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  await context.request.post(`${running.url}/v1/session`, { headers: { authorization: `Bearer ${running.tokens.vi}`, "x-phasegate-request": "1" } });
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const page = await context.newPage();
    await page.addInitScript(() => {
      new MutationObserver(() => {
        if (document.querySelectorAll(".card.target").length > 0 && !("seen" in globalThis)) {
          requestAnimationFrame(() => Object.assign(globalThis, { seen: performance.now() }));
        }
      }).observe(document, { childList: true, subtree: true });
    });
    await page.goto(`${running.url}/`);
    times.push(await page.waitForFunction(() => /** @type {any} */ (globalThis).seen).then((it) => it.jsonValue()));
    const shown = await page.locator(".card.target").count();
    if (shown !== targets) throw new Error(`${shown} of ${targets} targets are shown`);
    await page.close();
  }
  const sorted = [...times].sort((a, b) => a - b);
  console.log(`${targets} targets, ${rows} decisions: first view ${Math.round(sorted[0])} ms at best, ${Math.round(sorted[ROUNDS / 2] ?? 0)} ms median, ${Math.round(sorted[ROUNDS - 1] ?? 0)} ms at worst`);
} finally {
  await browser.close();
  await running.stop();
}
