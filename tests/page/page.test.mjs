// The page as people use it, on a running Phasegate: a rollout is started, approved and moved up, violates, is rolled
// back and recovers, and what is asked of people is done. DA-4.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Person, openBrowser } from "./browser.mjs";
import { Running, until } from "./running.mjs";

/** @type {import("./running.mjs").Running} */
let running;
/** @type {import("playwright-core").Browser} */
let browser;

/** Phase A asks for the two approvals of the shipped policy, an incident for evidence, and `dev-lead` confirms analyses. @param {string} policy */
const adapted = (policy) =>
  policy
    .replace("advance: { compliant_batches: 2, approvals: [] }", "advance: { compliant_batches: 2, approvals: [sre, dev-lead] }")
    .replace("approver: governance, overdue: { propose: rollback } }", "approver: dev-lead, overdue: { propose: rollback } }\n    evidence: [{ item: retry_log, owner: sre }]");

before(async () => {
  running = await Running.start(adapted);
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await running?.stop();
});

const dashboard = () => running.call("vi", "GET", "/v1/dashboard").then((it) => it.targets[0]);

test("without a session there is only the way in", async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${running.url}/`);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByLabel("Access token").fill("pg_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  assert.equal(await page.locator(".targets").count(), 0);
  await page.context().close();
});

test("who signs in at once sees the rollouts, and not that nobody was signed in before", async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${running.url}/`);
  await page.getByLabel("Access token").fill(running.tokens["vi"] ?? "");
  const errors = await page.evaluateHandle(() => {
    /** @type {(string | null)[]} */
    const seen = [];
    const look = () => document.querySelectorAll(".note.error").forEach((it) => seen.push(it.textContent));
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
    return seen;
  });
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator(".card.target").waitFor();
  assert.deepEqual(await errors.jsonValue(), []);
  await page.context().close();
});

test("a rollout is started, approved by two people and moved up, all on the page", async () => {
  const ana = await Person.arrive(browser, running, "ana");
  await ana.page.getByRole("link", { name: "AutoSave" }).click();
  await ana.page.getByRole("button", { name: "Start: A" }).click();
  await ana.page.getByRole("listitem").filter({ hasText: "A 5 %" }).and(ana.page.locator("[aria-current=step]")).waitFor();
  await until("the gate's success", async () => (await dashboard()).gate?.satisfied);
  await ana.page.getByRole("button", { name: "Approve as sre" }).click();
  const bo = await Person.arrive(browser, running, "bo");
  await bo.visit("targets/autosave");
  const approve = bo.page.getByRole("button", { name: "Approve as dev-lead" });
  await approve.waitFor();
  assert.equal(await bo.page.getByRole("button", { name: "Approve as sre" }).count(), 0, "it is given already");
  await approve.click();
  // What one does the other sees, without a reload.
  await ana.page.getByText("given by bo").waitFor();
  await ana.page.getByText("Nothing is in the way.").waitFor();
  await ana.inspect("target");
  await ana.page.getByRole("button", { name: "Move up to B" }).click();
  await until("phase B", () => running.phase() === "B");
  await bo.leave();
  await ana.leave();
});

test("a violation and the recovery are watched without touching the page", async () => {
  const ana = await Person.arrive(browser, running, "ana");
  running.latency.B = 5000;
  await ana.page.locator(".card.target.critical, .card.target.warning").getByText("Rollback active").waitFor();
  await ana.inspect("overview");
  const [{ id }] = (await running.call("vi", "GET", "/v1/incidents")).items;
  await ana.visit(`incidents/${id}`);
  await ana.page.getByRole("button", { name: "Acknowledge" }).click();
  await ana.page.getByText(/by ana, after/).waitFor();
  await ana.page.getByText("Rollback invoked").first().waitFor();
  await ana.page.locator(".chip", { hasText: "Recovered" }).first().waitFor();
  assert.equal(running.phase(), "A", "exactly one phase down");
  await ana.inspect("incident");
  await ana.visit("");
  await ana.page.getByText("Rollback active").waitFor({ state: "detached" });
  await ana.leave();
});

test("the analysis is submitted by one person and confirmed by another", async () => {
  const [{ id }] = (await running.call("vi", "GET", "/v1/incidents")).items;
  const ana = await Person.arrive(browser, running, "ana");
  await ana.visit(`incidents/${id}`);
  await ana.page.getByLabel("Cause").fill("The merge holds its lock while it aligns all drafts.");
  await ana.page.getByLabel("Prevention").fill("Align outside of the lock; alert on its wait.");
  await ana.page.getByRole("button", { name: "Submit" }).click();
  await ana.page.getByText("Submitted, waiting for confirmation").waitFor();
  const gov = await Person.arrive(browser, running, "gov");
  for (const other of [ana, gov]) {
    await other.visit(`incidents/${id}`);
    assert.ok(await other.page.getByRole("button", { name: "Confirm the analysis" }).isDisabled(), "the policy names another role");
    await other.page.getByText("Needs the role dev-lead.").first().waitFor();
  }
  const bo = await Person.arrive(browser, running, "bo");
  await bo.visit(`incidents/${id}`);
  await bo.page.getByLabel("Comment").first().fill("RCA confirmed");
  await bo.page.getByRole("button", { name: "Confirm the analysis" }).click();
  await ana.page.getByText("Confirmed by bo: RCA confirmed").waitFor();
  for (const person of [gov, bo, ana]) await person.leave();
});

test("evidence is signed by the role that owns it", async () => {
  const [{ id }] = (await running.call("vi", "GET", "/v1/incidents")).items;
  const ana = await Person.arrive(browser, running, "ana");
  await ana.visit(`incidents/${id}`);
  const item = ana.page.locator("[data-item=retry_log]");
  await item.getByText("Sign", { exact: true }).first().click();
  await item.getByLabel("Comment").fill("Read it all");
  await item.getByLabel("Follow-up task").fill("Alert on the lock's wait");
  await item.getByRole("button", { name: "Sign" }).click();
  await item.getByText("by ana").waitFor();
  await ana.leave();
});

test("each hop of an incident leads to what it was about", async () => {
  const [{ id }] = (await running.call("vi", "GET", "/v1/incidents")).items;
  const vi = await Person.arrive(browser, running, "vi");
  const hop = (/** @type {string} */ kind) => vi.page.locator(".timeline li", { has: vi.page.getByText(kind, { exact: true }) }).first().getByRole("link");
  await vi.visit(`incidents/${id}`);
  await hop("Told").click();
  await until("the message in focus", async () => (await vi.focused("class"))?.startsWith("message"));
  await vi.page.locator(".message:focus").getByRole("link", { name: "why", exact: true }).click();
  await vi.page.getByRole("heading", { name: /^Why: window/ }).waitFor();
  await vi.page.locator(".why").getByRole("link", { name: id }).click();
  await hop("Decision received").click();
  await vi.page.getByRole("heading", { name: /^Why: window/ }).waitFor();
  await vi.visit(`incidents/${id}`);
  await hop("Command started").click();
  await vi.page.locator("table.audit").getByText("Command succeeded").waitFor();
  await vi.page.locator("table.audit").getByRole("link", { name: id }).first().click();
  await vi.page.getByRole("heading", { name: `Incident ${id}`, level: 1 }).waitFor();
  await vi.leave();
});

test("a window says why, by keyboard alone", async () => {
  const vi = await Person.arrive(browser, running, "vi");
  await vi.visit("targets/autosave");
  const strip = vi.page.getByRole("toolbar", { name: "Windows of the last 24 h" });
  await strip.getByRole("button").last().focus();
  await vi.page.keyboard.press("ArrowLeft");
  await vi.page.keyboard.press("Enter");
  await vi.page.getByRole("heading", { name: /^Why: window/ }).waitFor();
  await vi.page.locator(".chart canvas").nth(3).waitFor();
  await vi.page.getByText("Recomputed: comes out the same.").waitFor();
  assert.ok(await vi.page.getByRole("button", { name: /Approve as/ }).first().isDisabled(), "a viewer approves nothing");
  await vi.page.getByText("Needs the role sre.").first().waitFor();
  await vi.inspect("explanation");
  await vi.page.getByRole("button", { name: "Close" }).press("Enter");
  assert.match((await vi.focused("class")) ?? "", /^cell/, "back on the window that was explained");
  await vi.leave();
});

test("the Tab key finds its way: to the content, along the page, through a chart's time", async () => {
  const vi = await Person.arrive(browser, running, "vi");
  await vi.page.reload();
  await vi.page.getByRole("heading", { name: "Rollouts", level: 1 }).waitFor();
  await vi.page.keyboard.press("Tab");
  await vi.page.keyboard.press("Enter");
  assert.equal(await vi.focused("id"), "heading", "past the navigation");
  await vi.page.getByRole("link", { name: "AutoSave" }).press("Enter");
  await vi.page.getByRole("heading", { name: "AutoSave", level: 1 }).waitFor();
  await until("a view that begins at its heading", async () => (await vi.focused("id")) === "heading");
  const hour = vi.page.getByRole("button", { name: "1 h", exact: true });
  await hour.press("Enter");
  assert.equal(await hour.getAttribute("aria-pressed"), "true");
  assert.match((await vi.page.getByRole("img", { name: /^Save latency, p95: newest/ }).getAttribute("aria-label")) ?? "", /limit 2\.5 s/, "a chart says in words what it shows");
  const table = vi.page.getByRole("region", { name: "Save latency, p95" }).first();
  await table.getByText("As a table").press("Enter");
  await table.getByRole("columnheader", { name: "Observed" }).waitFor();
  await vi.page.getByRole("button", { name: "365 d", exact: true }).press("Enter");
  await vi.page.getByText("the worst of each day, by UTC").waitFor();
  // The chart's legend is a table as well.
  await until("a row a day", async () => [1, 2].includes(await table.locator(".scroll tbody tr").count()));
  await vi.leave();
});

test("the lab shows what other limits would have decided, and the diff to propose", async () => {
  const vi = await Person.arrive(browser, running, "vi");
  await vi.visit("lab");
  const limit = vi.page.getByRole("spinbutton", { name: /Save latency/ });
  await limit.fill("0.3");
  await limit.press("Enter");
  await vi.page.getByText(/Verdicts changed: [1-9]/).waitFor();
  await vi.page.getByText("autosave phase A: save_latency_p95 ≤ 2.5 s → ≤ 0.3 s (stricter)").waitFor();
  const diff = await vi.page.locator("pre.diff").innerText();
  assert.match(diff, /^-.*save_latency_p95: 2\.5s/m);
  assert.match(diff, /^\+.*save_latency_p95: 0\.3s/m);
  await vi.inspect("lab");
  await vi.page.getByRole("slider", { name: /Error rate/ }).press("ArrowRight");
  await vi.page.getByText(/autosave phase A: error_rate ≤ 1 % →/).waitFor();
  await vi.leave();
});

test("messages and acts can be searched, and the chain of acts verifies", async () => {
  const vi = await Person.arrive(browser, running, "vi");
  await vi.visit("messages");
  await vi.page.getByLabel("Search the texts").fill("violation");
  await vi.page.getByText("🚨 AutoSave B violation").first().waitFor();
  await vi.inspect("messages");
  await vi.visit("audit");
  await vi.page.getByRole("button", { name: "Verify the chain" }).click();
  await vi.page.getByText(/The chain is whole/).waitFor();
  await vi.page.getByLabel("Search the acts").fill("rca.confirmed");
  const act = vi.page.getByRole("cell", { name: "bo (api)", exact: true });
  const more = vi.page.getByRole("button", { name: "Show more" });
  await act.or(more).first().waitFor();
  while (!(await act.isVisible())) await more.click();
  await vi.inspect("audit");
  // A decision's row leads to why it was decided so.
  await vi.page.getByLabel("Search the acts").fill("decision.received");
  await vi.page.getByRole("row").nth(1).getByRole("link").last().click();
  await vi.page.getByRole("heading", { name: /^Why: window/ }).waitFor();
  await vi.leave();
});

test("what is in the way says within its sentence what a check does not find, or why a rollback waits", async () => {
  const vi = await Person.arrive(browser, running, "vi");
  const said = await vi.page.evaluate(async () => {
    const { blockerText } = await import(/** @type {any} */ ("/ui/app/story.mjs"));
    return [
      { code: "comment_missing", detail: "", data: { how: "confirmation" } },
      { code: "evidence_missing", detail: "", data: { how: "agreement", names: ["p95", "errors"] } },
      { code: "rollback_waiting", detail: "", data: { how: "budget", to: "A", most: 6, per: "1d", until: "noon" } },
      { code: "comment_missing", detail: "as the service says it", data: { how: "of_a_later_release" } },
      { code: "task_missing", detail: "", data: { how: "none", item: "rca" } },
    ].map(blockerText);
  });
  assert.deepEqual(said, [
    "A comment is missing: the confirmation of the RCA: sign it with a comment that says why it is good all the same",
    "Evidence missing: message and card do not agree on p95, errors",
    "the rollback to A waits: the budget of 6 automatic rollbacks per 1d is spent, so a person decides; it starts by itself at noon",
    "A comment is missing: as the service says it",
    "A task is missing: `Root cause analysis in time and confirmed` has no follow-up task",
  ]);
  await vi.leave();
});

test("it fits a phone, and speaks Japanese", async () => {
  const vi = await Person.arrive(browser, running, "vi", { viewport: { width: 360, height: 740 } });
  await vi.page.getByRole("button", { name: "日本語" }).click();
  await vi.page.getByRole("heading", { name: "ロールアウト" }).waitFor();
  assert.equal(await vi.page.locator("html").getAttribute("lang"), "ja");
  for (const route of ["", "targets/autosave", "lab", "messages", "audit"]) {
    await vi.visit(route);
    const wide = await vi.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${route} is ${wide} px too wide`);
  }
  await vi.inspect("phone-ja");
  await vi.leave();
});

test("a change by cookie alone, from elsewhere, is refused", async () => {
  const ana = await Person.arrive(browser, running, "ana");
  const cookies = await ana.context.cookies();
  const session = cookies.find((it) => it.name === "phasegate_session");
  assert.ok(session?.httpOnly && session.sameSite === "Strict", "no script reads it, and no other site sends it");
  const stored = await ana.page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  assert.ok(!stored.includes(running.tokens.ana ?? "?"), "the token is kept nowhere");
  const forged = await fetch(`${running.url}/v1/rollouts/autosave/freeze`, {
    method: "POST",
    headers: { cookie: `phasegate_session=${session?.value}`, "content-type": "application/json", origin: "https://elsewhere.example" },
    body: JSON.stringify({ reason: "forged" }),
  });
  assert.equal(forged.status, 403);
  await ana.leave();
});

test("the page runs no script but its own", async () => {
  const page = await (await browser.newContext()).newPage();
  const answer = await page.goto(`${running.url}/`);
  assert.match(answer?.headers()["content-security-policy"] ?? "", /^default-src 'none'/);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  const injected = page.evaluate(() => {
    document.body.innerHTML = "<img src=x onerror=alert(1)>";
  });
  await assert.rejects(injected, /TrustedHTML/);
  await page.context().close();
});

test("a target whose verdict is overdue is silent, whatever its last verdict was", async () => {
  const vi = await Person.arrive(browser, running, "vi");
  await vi.page.route("**/v1/dashboard*", async (route) => {
    const response = await route.fetch();
    const dashboard = await response.json();
    const expected_by = "2020-01-01T00:00:00.000Z";
    const if_silent = { severity: "critical", code: "silent", sentence: "", action: null, who: [], data: { phase: "A", expected_by } };
    for (const it of dashboard.targets) Object.assign(it, { verdict: "ok", incident: null, rollback_active: false, state: "gated", phase: "A", expected_by, if_silent });
    await route.fulfill({ response, json: dashboard });
  });
  await vi.page.locator(".card.target.critical").getByText("a verdict was due").waitFor();
  assert.equal(await vi.page.locator(".card.target .verdict.ok").count(), 0);
  await vi.inspect("silent");
  await vi.page.unrouteAll({ behavior: "ignoreErrors" });
  await vi.leave();
});

test("after a restart of the service the page listens again, by itself", async () => {
  const vi = await Person.arrive(browser, running, "vi");
  await vi.page.locator(".stream.live").waitFor();
  await running.halt();
  await vi.page.getByText("Reconnecting").waitFor();
  await running.launch();
  await vi.page.locator(".stream.live").waitFor();
  await vi.page.getByRole("heading", { name: "Rollouts", level: 1 }).waitFor();
  await vi.context.close();
});

test("a service that falls silent before its first answer about a rollout is told of; nobody is told after leaving", async () => {
  const vi = await Person.arrive(browser, running, "vi");
  await vi.page.route("**/v1/dashboard*", () => {});
  await vi.page.route("**/v1/stream", () => {});
  await vi.page.clock.install();
  await vi.page.reload();
  await vi.page.locator("nav").waitFor();
  await vi.page.clock.fastForward("00:40");
  await vi.page.getByText("This page may be wrong.").waitFor();
  await vi.page.getByRole("button", { name: "Sign out" }).click();
  await vi.page.getByRole("heading", { name: "Sign in" }).waitFor();
  await vi.page.clock.fastForward("00:40");
  assert.equal(await vi.page.getByText("This page may be wrong.").count(), 0);
  await vi.page.unrouteAll({ behavior: "ignoreErrors" });
  await vi.leave();
});

test("when the service is gone the page says so and comes back by itself", async () => {
  const vi = await Person.arrive(browser, running, "vi");
  process.kill(/** @type {number} */ (running.child?.pid), "SIGSTOP");
  try {
    await vi.page.getByText("This page may be wrong.").waitFor();
    await vi.inspect("stale");
  } finally {
    process.kill(/** @type {number} */ (running.child?.pid), "SIGCONT");
  }
  await vi.page.getByText("This page may be wrong.").waitFor({ state: "detached" });
  await vi.context.close();
});
