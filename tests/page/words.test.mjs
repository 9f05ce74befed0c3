// What the page says of itself: both languages have the same texts, none is left over, and roles are those of the API.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { en } from "../../reporter-svc/ui/app/words/en.mjs";
import { ja } from "../../reporter-svc/ui/app/words/ja.mjs";

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

test("the page asks for the roles that the API declares", () => {
  const source = readFileSync(join(app, "session.mjs"), "utf8");
  const api = JSON.parse(readFileSync(join(app, "../../../openapi/reporter.json"), "utf8"));
  const calls = Object.values(api.paths).flatMap((path) => Object.values(/** @type {Record<string, any>} */ (path)));
  const said = [...source.matchAll(/^  (\w+): (\[".*"\]),$/gm)];
  assert.ok(said.length > 0);
  for (const [, name, roles] of said) {
    const call = calls.find((it) => it.operationId === name);
    assert.deepEqual(JSON.parse(roles ?? ""), call?.security[0].bearer, name);
  }
});

test("no text is left over", () => {
  const files = readdirSync(app, { recursive: true, encoding: "utf8" }).filter((it) => it.endsWith(".mjs") && !it.startsWith("words"));
  const source = files.map((it) => readFileSync(join(app, it), "utf8")).join("\n");
  // Keys that are put together: `named("verdict", …)`, t(`headline.${…}`).
  const prefixes = [...source.matchAll(/named\("([\w.]+)"|[`"]([\w.]+)\.\$\{/g)].map((it) => `${it[1] ?? it[2]}.`);
  const unused = Object.keys(en).filter((key) => !source.includes(`"${key}"`) && !prefixes.some((it) => key.startsWith(it)));
  assert.deepEqual(unused, []);
});

/** A crate's source, without its tests. @param {string} crate */
function rust(crate) {
  const folder = join(root, crate, "src");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((it) => it.endsWith(".rs") && !it.includes("tests"));
  return files.map((it) => readFileSync(join(folder, it), "utf8").split("#[cfg(test)]")[0]).join("\n");
}

/** @param {string} text @param {RegExp} pattern */
const all = (text, pattern) => [...text.matchAll(pattern)].map((it) => it[1] ?? "");
/** @param {string} prefix */
const worded = (prefix) => Object.keys(en).filter((it) => it.startsWith(`${prefix}.`)).map((it) => it.slice(prefix.length + 1)).sort();
/** @param {string[]} kinds */
const sorted = (kinds) => [...new Set(kinds)].sort();

test("every kind of hop, notice and act has its words, and no other", () => {
  const reporter = rust("reporter-svc") + rust("domain");
  const handler = readFileSync(join(root, "reporter-svc/src/handler.rs"), "utf8");
  const hops = [
    ...all(reporter, /hop(?:_with)?\(\s*(?:(?:&mut )?[\w.&]+(?:\([^()]*\))?,\s*)*"(\w+)"/g),
    ...all(all(handler, /(let \(?kind\b[^;]*;)/g).join("\n"), /"([a-z]+(?:_[a-z]+)+)"/g),
  ];
  assert.deepEqual(worded("hop"), sorted(hops));
  const names = readFileSync(join(root, "domain/src/rollout/effect.rs"), "utf8");
  const kept = [...reporter.matchAll(/\bkind: "(\w+)"\.to_owned\(\)|keep\(notice, "(\w+)"/g)].map((it) => it[1] ?? it[2] ?? "");
  assert.deepEqual(worded("notice"), sorted([...all(names, /=> "(\w+)",/g), ...kept]));
  const acts = [
    ...all(reporter, /\b(?:act|of)\(\s*"(\w+\.\w+)"/g),
    ...all(reporter, /(?:action: |const ADOPTED: &str = )"(\w+\.\w+)"/g),
    ...all(rust("shared-types"), /Self::(?:Pause|Resume) => "(\w+\.\w+)"/g),
  ];
  assert.deepEqual(worded("deed"), sorted(acts));
});
