// A hundred rollouts on one page: all are there, the one that needs a look stands first, and one is found by its name. DA-4.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Person, openBrowser } from "./browser.mjs";
import { begin, judge, multiplied, names, quarterly } from "./history.mjs";
import { Running, until } from "./running.mjs";

const all = names(100);
const GOOD = { p95Ms: 1500, saves: 1000, errors: 2, latencyMs: 31_000 };
/** 92 % of what phase A allows. */
const NEAR = { ...GOOD, p95Ms: 2300 };

/** @type {Running} */
let running;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {any[]} */
let stays;

before(async () => {
  running = await Running.start((policy) => multiplied(quarterly(policy), all));
  browser = await openBrowser();
  // A few at a time: each start is a command of its own, on whatever machine this is.
  stays = [];
  for (let from = 0; from < all.length; from += 5) {
    stays.push(...(await Promise.all(all.slice(from, from + 5).map((name) => begin(running, name)))));
  }
  await Promise.all(all.map((name, index) => judge(running, name, stays[index], Date.now() - 60_000, GOOD)));
  await until("a verdict on each", async () => (await running.call("vi", "GET", "/v1/dashboard")).targets.every((/** @type {any} */ it) => it.verdict === "ok"));
});

after(async () => {
  await browser?.close();
  await running?.stop();
});

test("a hundred rollouts are on one page, and a change of one is seen without touching it", async () => {
  const vi = await Person.arrive(browser, running, "vi");
  const cards = vi.page.locator(".card.target");
  await vi.page.getByText("Targets: 100").waitFor();
  await until("all cards", async () => (await cards.count()) === all.length);
  assert.equal(await cards.first().getAttribute("data-target"), all[0]);
  await judge(running, all[57] ?? "", stays[57], Date.now() - 1000, NEAR);
  await vi.page.locator(`.card.target.warning[data-target=${all[57]}]`).waitFor();
  assert.equal(await cards.first().getAttribute("data-target"), all[57], "what needs a look stands first");
  assert.equal(await cards.count(), all.length);
  await vi.inspect("many");
  await vi.page.getByRole("searchbox").fill("feature 42");
  await until("the one of that name", async () => (await cards.count()) === 1);
  await vi.page.getByRole("link", { name: "Feature 42" }).click();
  await vi.page.getByRole("heading", { name: "Feature 42", level: 1 }).waitFor();
  await vi.leave();
});
