// What the page says of itself: a translation has no place that its text lacks, no word is left over or there twice. That what is told has
// its words, and who may make which call, is held by the tests that make those lists.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { own } from "../../reporter-svc/ui/app/words/own.mjs";
import { story } from "../../reporter-svc/ui/app/words/story.mjs";

const root = new URL("../../", import.meta.url).pathname;
const app = join(root, "reporter-svc/ui/app/");
const places = (/** @type {string} */ text) => [...text.matchAll(/\{(\w+)\}/g)].map((it) => it[1]).sort();

test("both languages say the same things", () => {
  for (const [key, texts] of Object.entries(own)) {
    const [en, ja] = texts.map(places);
    assert.ok(texts.length === 2 && ja?.every((place) => en?.includes(place)), `${key}: ${ja} are not all in “${texts[0]}”`);
  }
});

test("no text is in both lists", () => {
  assert.deepEqual(Object.keys(own).filter((key) => Object.hasOwn(story, key)), []);
});

test("no text is left over", () => {
  const files = readdirSync(app, { recursive: true, encoding: "utf8" }).filter((it) => it.endsWith(".mjs") && !it.startsWith("words"));
  const source = files.map((it) => readFileSync(join(app, it), "utf8")).join("\n");
  // Keys that are put together: `named("verdict", …)`, t(`headline.${…}`).
  const prefixes = [...source.matchAll(/named\("([\w.]+)"|[`"]([\w.]+)\.\$\{/g)].map((it) => `${it[1] ?? it[2]}.`);
  const unused = Object.keys(own).filter((key) => !source.includes(`"${key}"`) && !prefixes.some((it) => key.startsWith(it)));
  assert.deepEqual(unused, []);
});
