// What the page says of itself: both languages have the same texts, and none is left over. That what is told has its words,
// and who may make which call, is held by the tests that make those lists.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { en } from "../../reporter-svc/ui/app/words/en.mjs";
import { ja } from "../../reporter-svc/ui/app/words/ja.mjs";
import { en as story } from "../../reporter-svc/ui/app/words/story.en.mjs";
import { ja as storyJa } from "../../reporter-svc/ui/app/words/story.ja.mjs";

const root = new URL("../../", import.meta.url).pathname;
const app = join(root, "reporter-svc/ui/app/");
const places = (/** @type {string} */ text) => [...text.matchAll(/\{(\w+)\}/g)].map((it) => it[1]).sort();

test("both languages say the same things", () => {
  assert.deepEqual(Object.keys(ja).sort(), Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    const other = places(/** @type {Record<string, string>} */ (ja)[key] ?? "");
    assert.ok(other.every((place) => places(text).includes(place)), `${key}: ${other} are not all in “${text}”`);
  }
});

test("no text is in both lists", () => {
  assert.deepEqual(Object.keys(storyJa), Object.keys(story));
  assert.deepEqual(Object.keys(en).filter((key) => Object.hasOwn(story, key)), []);
});

test("no text is left over", () => {
  const files = readdirSync(app, { recursive: true, encoding: "utf8" }).filter((it) => it.endsWith(".mjs") && !it.startsWith("words"));
  const source = files.map((it) => readFileSync(join(app, it), "utf8")).join("\n");
  // Keys that are put together: `named("verdict", …)`, t(`headline.${…}`).
  const prefixes = [...source.matchAll(/named\("([\w.]+)"|[`"]([\w.]+)\.\$\{/g)].map((it) => `${it[1] ?? it[2]}.`);
  const unused = Object.keys(en).filter((key) => !source.includes(`"${key}"`) && !prefixes.some((it) => key.startsWith(it)));
  assert.deepEqual(unused, []);
});
