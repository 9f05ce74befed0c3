// Makes the pictures of docs/page: every view in light and dark, on rollouts with a day of history behind them.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person, openBrowser } from "./browser.mjs";
import { WINDOW_MS, begin, judge, quarterly, standing } from "./history.mjs";
import { Running, root, until } from "./running.mjs";

const place = join(root, "docs", "page");
/** As long as it takes to make them all. */
const NEEDED_MS = 4 * 60 * 1000;

/** The newest window that can be complete. */
const newest = Math.floor((Date.now() - 60_000) / WINDOW_MS) * WINDOW_MS;
if (newest + WINDOW_MS - Date.now() < NEEDED_MS) {
  throw new Error("a quarter of an hour is about to end, and its empty windows would be in the pictures: start again when it has");
}

const TITLES = /** @type {const} */ ({
  "autosave": "AutoSave",
  "comments": "Comments",
  "image-upload": "Image upload",
  "offline-mode": "Offline mode",
  "search": "Search",
  "share-links": "Share links",
  "spell-check": "Spell check",
});

/** The limits, gates and evidence of the shipped policy, for each of the targets. @param {string} text */
function adapted(text) {
  const policy = quarterly(text)
    .replace("compliant_batches: 2, approvals: []", "compliant_batches: 8, approvals: [sre, dev-lead]")
    .replace("compliant_for: 4s, critical_alerts: 0, approvals: []", "compliant_for: 20h, critical_alerts: 0, approvals: [sre]")
    .replace("compliant_for: 6s", "compliant_for: 72h")
    .replace("acknowledge_within: 15s", "acknowledge_within: 15m")
    .replace(/^( +rca: .*)$/m, "$1\n    evidence:\n      - { item: pagerduty, owner: sre, auto: true }\n      - { item: retry_log, owner: sre }\n      - { item: rca, owner: governance, auto: true }\n      - { item: dashboard, owner: sre, auto: true }\n      - { item: release, owner: release-ops, after: [pagerduty, retry_log, rca, dashboard] }");
  const start = policy.indexOf("  autosave:\n");
  const end = policy.indexOf("\nretention:");
  const block = policy.slice(start, end);
  const copies = Object.entries(TITLES).map(([name, title]) =>
    block
      .replace("  autosave:\n", `  ${name}:\n`)
      .replace("title: AutoSave", `title: ${title}`)
      // As it would be written, not as this machine has it.
      .replaceAll(join(root, "tests/fixtures/bin/flags"), "flags")
      .replaceAll(join(running.directory, "flag"), name),
  );
  return policy.slice(0, start) + copies.join("\n") + policy.slice(end);
}

/** A day in the life of a feature: slower at noon than at night. @param {number} age how many windows ago @param {number} base */
function counted(age, base) {
  const swing = Math.sin(age / 14) * 0.12 + Math.sin(age * 1.7) * 0.05 + Math.sin(age * 0.61) * 0.04;
  const saves = Math.round(1400 * (1 + Math.sin(age / 14) * 0.5));
  return { p95Ms: Math.round(base * (1 + swing)), saves, errors: Math.round(saves * 0.0018 * (1 + Math.sin(age * 0.9) * 0.6)), latencyMs: 31_000 + ((age * 7919) % 9000) };
}

/** Windows of a stay, oldest first. @param {string} target @param {{phase: string, epoch: number}} stay @param {number} from how many windows ago @param {number} to @param {number} base */
async function live(target, stay, from, to, base) {
  for (let age = from; age >= to; age -= 1) await judge(running, target, stay, newest - age * WINDOW_MS, counted(age, base));
}

/** Through phase A, and with the shipped approvals to B. @param {string} target @param {number} from */
async function broaden(target, from) {
  await live(target, await begin(running, target), from, from - 8, 1350);
  await approved(target, "A");
  await running.call("ana", "POST", `/v1/rollouts/${target}/promotions`, { from: "A" });
  return standing(running, target, "B");
}

/** @param {string} target @param {string} phase */
async function approved(target, phase) {
  await until(`the gate of ${target}`, async () => (await running.call("vi", "GET", `/v1/rollouts/${target}`)).gate?.satisfied);
  await running.call("ana", "POST", `/v1/rollouts/${target}/approvals`, { role: "sre", phase });
  if (phase === "A") await running.call("bo", "POST", `/v1/rollouts/${target}/approvals`, { role: "dev-lead", phase });
}

/** All but the newest window. */
async function history() {
  await live("comments", await begin(running, "comments"), 12, 1, 1200);
  await live("search", await begin(running, "search"), 4, 1, 900);
  await live("image-upload", await broaden("image-upload", 30), 21, 1, 1640);
  await live("spell-check", await broaden("spell-check", 60), 51, 1, 1100);
  await live("share-links", await broaden("share-links", 95), 86, 4, 1000);
  await approved("share-links", "B");
  await running.call("bo", "POST", "/v1/rollouts/share-links/promotions", { from: "B" });
  await live("share-links", await standing(running, "share-links", "C"), 3, 1, 1000);
  const stay = await broaden("autosave", 92);
  await live("autosave", stay, 83, 40, 1340);
  await judge(running, "autosave", stay, newest - 39 * WINDOW_MS, { ...counted(39, 1300), saves: 3, errors: 0 });
  await live("autosave", stay, 38, 6, 1380);
  await live("autosave", stay, 5, 1, 1720);
}

/** The newest window, and what comes of it. */
async function present() {
  const stay = (/** @type {string} */ target) => running.call("vi", "GET", `/v1/rollouts/${target}`);
  const bases = { "comments": 1200, "search": 900, "image-upload": 1640, "spell-check": 1100, "share-links": 1000 };
  for (const [target, base] of Object.entries(bases)) await live(target, await stay(target), 0, 0, base);
  await running.call("ana", "POST", "/v1/rollouts/spell-check/freeze", { reason: "launch day of another team" });
  await judge(running, "autosave", await stay("autosave"), newest, { ...counted(0, 2740), errors: 21 });
  await standing(running, "autosave", "A");
}

/** In a window as high as the page, since what is out of sight is not drawn. @param {Person} person @param {string} path */
async function whole(person, path) {
  const before = person.page.viewportSize() ?? { width: 1280, height: 900 };
  let height = before.height;
  for (let needed = 0; needed !== height; ) {
    needed = height;
    await person.page.setViewportSize({ width: before.width, height });
    await person.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    height = await person.page.evaluate(() => document.documentElement.scrollHeight);
  }
  await person.page.screenshot({ path });
  await person.page.setViewportSize(before);
}

/** @param {Person} person @param {string} name @param {string} [part] */
async function picture(person, name, part) {
  for (const scheme of /** @type {const} */ (["light", "dark"])) {
    await person.page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await person.page.locator(`:root[data-theme=${scheme}]`).waitFor();
    const path = join(place, `${name}-${scheme}.png`);
    if (part === undefined) await whole(person, path);
    else await person.page.locator(part).screenshot({ path });
    execFileSync("pngquant", ["--force", "--strip", "--speed", "1", "--output", path, "64", path]);
  }
}

const running = new Running();
// Windows of the past are late to nobody while the policy is as patient as this.
await running.prepare((text) => adapted(text).replaceAll("delayed_after: 5m", "delayed_after: 48h"));
running.environment["PATH"] = `${join(root, "tests/fixtures/bin")}:${process.env.PATH}`;
await running.launch();
const browser = await openBrowser();
try {
  await history();
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  const lena = await Person.arrive(browser, running, "ana");
  await lena.visit("lab");
  await lena.page.getByLabel("Phase").selectOption("B");
  await lena.page.getByText("in force: 2 s").waitFor();
  const limit = lena.page.getByRole("spinbutton", { name: /Save latency/ });
  await limit.fill("1.5");
  await limit.press("Enter");
  await lena.page.getByText(/Verdicts changed: [1-9]/).waitFor();
  await picture(lena, "lab");
  await lena.leave();

  await running.halt();
  const file = join(running.directory, "policy.yaml");
  writeFileSync(file, readFileSync(file, "utf8").replaceAll("delayed_after: 48h", "delayed_after: 5m"));
  await running.launch();
  await present();
  const [{ id }] = (await running.call("vi", "GET", "/v1/incidents")).items;

  const ana = await Person.arrive(browser, running, "ana");
  await ana.page.locator(".card.target").nth(6).waitFor();
  await picture(ana, "overview");
  await ana.visit("targets/comments");
  await ana.page.getByRole("button", { name: "Approve as sre" }).click();
  await ana.page.getByText("given by ana").waitFor();
  await picture(ana, "promotion", ".promotion");
  await ana.visit(`incidents/${id}`);
  await ana.page.getByRole("button", { name: "Acknowledge" }).click();
  await ana.page.getByText(/by ana, after/).waitFor();
  await ana.page.getByText("Recovery watch started").waitFor();
  await picture(ana, "incident");
  await ana.visit("targets/autosave");
  await ana.page.locator(".chart canvas").nth(3).waitFor();
  await picture(ana, "target");
  await ana.page.locator(".cell.violation").last().click();
  await ana.page.getByText("Recomputed: comes out the same.").waitFor();
  await picture(ana, "explanation", ".why");
  await ana.visit("messages");
  await ana.page.locator(".message").first().waitFor();
  await ana.page.getByLabel("Search the texts").fill(id);
  await picture(ana, "messages");
  await ana.visit("audit");
  await ana.page.getByRole("button", { name: "Verify the chain" }).click();
  await ana.page.getByText(/The chain is whole/).waitFor();
  await picture(ana, "audit");
  await ana.page.getByRole("button", { name: "Sign out" }).click();
  await ana.page.getByRole("heading", { name: "Sign in" }).waitFor();
  await picture(ana, "sign-in");

  const phone = await Person.arrive(browser, running, "vi", { viewport: { width: 390, height: 844 } });
  await phone.page.locator(".card.target").nth(6).waitFor();
  await picture(phone, "phone-overview");
  await phone.visit("targets/autosave");
  await phone.page.locator(".chart canvas").nth(3).waitFor();
  await picture(phone, "phone-target");

  const yuki = await Person.arrive(browser, running, "vi", { locale: "ja-JP" });
  await yuki.page.locator(".card.target").nth(6).waitFor();
  await picture(yuki, "overview-ja");
} finally {
  await browser.close();
  await running.stop();
}
