// Nobody finds the cause in time: the review opens by itself, and governance takes the rollout back on the page. GO-2.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Person, openBrowser } from "./browser.mjs";
import { Running, until } from "./running.mjs";

/** @type {Running} */
let running;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  running = await Running.start((policy) => policy.replace("rca:    { due: 24h", "rca:    { due: 3s"));
  browser = await openBrowser();
  await running.call("ana", "POST", "/v1/rollouts/autosave/start", {});
  await until("the move up to B", async () => {
    const { gate, phase } = await running.call("vi", "GET", "/v1/rollouts/autosave");
    if (phase === "A" && gate?.satisfied) await running.call("ana", "POST", "/v1/rollouts/autosave/promotions", {});
    return running.phase() === "B";
  });
});

after(async () => {
  await browser?.close();
  await running?.stop();
});

test("an overdue analysis opens a review, and its approval takes the rollout back one phase", async () => {
  const vi = await Person.arrive(browser, running, "vi");
  running.latency.B = 5000;
  const incident = await until("the review", async () => {
    const [it] = (await running.call("vi", "GET", "/v1/incidents")).items;
    return it?.state === "recovered" && it.review?.state === "open" ? it : null;
  });
  assert.equal(running.phase(), "A");
  const gov = await Person.arrive(browser, running, "gov");
  const ana = await Person.arrive(browser, running, "ana");
  for (const person of [gov, ana]) {
    await person.visit(`incidents/${incident.id}`);
    await person.page.getByText(/^Overdue since/).waitFor();
    await person.page.getByText(/Recommendation: go back one phase/).waitFor();
  }
  const approve = { name: "Approve the rollback" };
  assert.ok(await ana.page.getByRole("button", approve).isDisabled(), "the policy names another role");
  await ana.page.getByText("Needs the role governance.").first().waitFor();
  await gov.inspect("review");
  assert.ok(await gov.page.getByRole("button", approve).isDisabled(), "a decision says why");
  await gov.page.getByLabel("Comment").fill("No cause, no phase A");
  await gov.page.getByRole("button", approve).click();
  // What governance decides the others see, without a reload: in the incident, and in what is served.
  await ana.page.getByText("Rollback approved by gov: No cause, no phase A").waitFor();
  await vi.page.locator("[data-target=autosave] [aria-current=step]", { hasText: "off" }).waitFor();
  assert.equal(running.phase(), "off", "exactly one phase down");
  for (const person of [gov, ana, vi]) await person.leave();
});
