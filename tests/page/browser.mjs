// Chromium, and what every view is held to: no error on the console, no call to another host, no serious finding of axe.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { PATIENCE_MS } from "./running.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const openBrowser = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  });

/** Somebody's window. */
export class Person {
  /**
   * @param {import("playwright-core").Browser} browser
   * @param {import("./running.mjs").Running} running
   * @param {string} name
   * @param {import("playwright-core").BrowserContextOptions} [options]
   */
  static async arrive(browser, running, name, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-GB", ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const person = new Person(context, page, running);
    page.on("console", (message) => {
      // The browser reports the 401 that the page asks for to know that nobody is signed in.
      if (message.type() === "error" && !message.text().includes("401")) person.errors.push(message.text());
    });
    page.on("pageerror", (error) => person.errors.push(String(error)));
    page.on("request", (request) => {
      const tells = Object.values(running.tokens).some((token) => request.url().includes(token));
      if (tells || !request.url().startsWith(`${running.url}/`)) person.strangers.push(request.url());
    });
    await page.goto(`${running.url}/`);
    // By their places, as the browser may speak another language.
    await page.locator(".signin input").fill(running.tokens[name] ?? "");
    await page.locator(".signin button").click();
    await page.locator("nav").waitFor();
    return person;
  }

  /** @type {string[]} */
  errors = [];
  /** @type {string[]} */
  strangers = [];

  /**
   * @param {import("playwright-core").BrowserContext} context
   * @param {import("playwright-core").Page} page
   * @param {import("./running.mjs").Running} running
   */
  constructor(context, page, running) {
    this.context = context;
    this.page = page;
    this.running = running;
  }

  /** @param {string} route */
  async visit(route) {
    await this.page.goto(`${this.running.url}/#/${route}`);
    await this.page.locator("h1").waitFor();
    await this.page.locator(".loading").first().waitFor({ state: "detached" });
  }

  /** An attribute of what has the focus. @param {string} name */
  focused(name) {
    return this.page.evaluate((attribute) => document.activeElement?.getAttribute(attribute), name);
  }

  /** Holds what is on the screen to WCAG 2.2 AA, light and dark. @param {string} name */
  async inspect(name) {
    for (const scheme of /** @type {const} */ (["light", "dark"])) {
      await this.page.emulateMedia({ colorScheme: scheme });
      // Evaluated by the debugger's way in, which the page's own policy does not bind.
      await this.page.evaluate(axe);
      const found = await this.page.evaluate(async () => {
        const result = await /** @type {any} */ (globalThis).axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] });
        return result.violations
          .filter((/** @type {any} */ it) => it.impact === "serious" || it.impact === "critical")
          .map((/** @type {any} */ it) => `${it.id}: ${it.nodes.map((/** @type {any} */ node) => node.html).join(" | ")}`);
      });
      assert.deepEqual(found, [], `${name}, ${scheme}`);
    }
    await this.page.emulateMedia({ colorScheme: "light" });
  }

  async leave() {
    assert.deepEqual(this.errors, [], "errors on the console");
    assert.deepEqual(this.strangers, [], "calls to other hosts, or that tell a token in their address");
    await this.context.close();
  }
}
