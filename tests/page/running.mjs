// A running `phasegate up` on SQLite with the scaled-down policy, people with tokens, and telemetry that goes on.
import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
export const root = join(here, "..", "..");
/** The debug build, as the tests have just made it; for figures another one. */
const binary = resolve(process.env.PHASEGATE ?? join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug", "phasegate"));

/** How long a condition is waited for: far beyond what a busy machine takes, so that only what never comes fails. */
export const PATIENCE_MS = 90_000;

/** People and the roles they hold. */
const PEOPLE = {
  ana: ["sre", "release-ops"],
  bo: ["dev-lead"],
  gov: ["governance"],
  vi: ["viewer"],
  all: ["service:collector", "service:analyzer", "service:reporter", "service:telemetry"],
};

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

/** Waits until a condition holds. @template T @param {string} what @param {() => Promise<T> | T} look */
export async function until(what, look) {
  const end = Date.now() + PATIENCE_MS;
  let last;
  while (Date.now() < end) {
    try {
      const found = await look();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what} did not happen within ${PATIENCE_MS / 1000} s${last ? `: ${last}` : ""}`);
}

/** Phasegate in a process of its own. */
export class Running {
  /** @param {(policy: string) => string} [adapt] */
  static async start(adapt) {
    const running = new Running();
    await running.prepare(adapt);
    await running.launch();
    running.feed();
    return running;
  }

  /** @param {(policy: string) => string} [adapt] */
  async prepare(adapt = (policy) => policy) {
    this.directory = mkdtempSync(join(tmpdir(), "phasegate-page-"));
    const inside = (/** @type {string} */ name) => join(this.directory, name);
    mkdirSync(inside("telemetry"));
    writeFileSync(inside("flag"), "off");
    const policy = readFileSync(join(root, "tests/fixtures/policy.fast.yaml"), "utf8")
      .replaceAll("@FLAGS@", join(root, "tests/fixtures/bin/flags"))
      .replaceAll("@FLAG_FILE@", inside("flag"))
      .replaceAll("@TEMPLATES@", join(root, "templates/alerts"))
      .replaceAll("@TELEMETRY@", inside("telemetry"));
    writeFileSync(inside("policy.yaml"), adapt(policy));
    this.tokens = this.makeTokens(inside("tokens"));
    const [collector, analyzer, reporter] = await Promise.all([freePort(), freePort(), freePort()]);
    this.url = `http://127.0.0.1:${reporter}`;
    this.analyzerUrl = `http://127.0.0.1:${analyzer}`;
    this.environment = {
      PATH: process.env.PATH,
      PHASEGATE_POLICY: inside("policy.yaml"),
      PHASEGATE_DATA_DIR: inside("data"),
      PHASEGATE_TOKENS: inside("tokens"),
      PHASEGATE_SERVICE_TOKEN: this.tokens.all,
      PHASEGATE_LOG: "json",
      PHASEGATE_COLLECTOR_LISTEN: `127.0.0.1:${collector}`,
      PHASEGATE_ANALYZER_LISTEN: `127.0.0.1:${analyzer}`,
      PHASEGATE_REPORTER_LISTEN: `127.0.0.1:${reporter}`,
      PHASEGATE_COLLECTOR_URL: `http://127.0.0.1:${collector}`,
      PHASEGATE_ANALYZER_URL: `http://127.0.0.1:${analyzer}`,
      PHASEGATE_REPORTER_URL: `http://127.0.0.1:${reporter}`,
    };
  }

  /** Starts the process, and waits until it serves. */
  async launch() {
    const log = join(this.directory, "log");
    const child = spawn(binary, ["up"], { cwd: this.directory, env: this.environment, stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => appendFileSync(log, text));
    const ended = new Promise((_, reject) => child.once("exit", () => reject(new Error(`phasegate up ended: ${readFileSync(log, "utf8").slice(-2000)}`))));
    // Later it may end as it likes.
    ended.catch(() => {});
    await Promise.race([ended, until("the reporter's start", async () => (await fetch(`${this.url}/readyz`)).ok)]);
  }

  directory = "";
  /** @type {NodeJS.ProcessEnv} */
  environment = {};
  url = "";
  analyzerUrl = "";
  /** @type {Record<string, string>} */
  tokens = {};
  /** @type {import("node:child_process").ChildProcess | null} */
  child = null;
  /** How long the saves of each phase take, in milliseconds. @type {Record<string, number>} */
  latency = { A: 400, B: 400, C: 400 };
  /** @type {ReturnType<typeof setInterval> | undefined} */
  feeding;

  /** @param {string} file */
  makeTokens(file) {
    const tokens = Object.entries(PEOPLE).map(([name, roles]) => {
      const flags = roles.flatMap((role) => ["--role", role]);
      const token = execFileSync(binary, ["token", "create", "--name", name, ...flags, "--file", file], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
      return [name, token.trim().split("\n").pop() ?? ""];
    });
    return Object.fromEntries(tokens);
  }

  phase() {
    return readFileSync(join(this.directory, "flag"), "utf8").trim();
  }

  /** Twenty saves a second, as slow as the phase that is served makes them. */
  feed() {
    const file = join(this.directory, "telemetry", "autosave.jsonl");
    let count = 0;
    this.feeding = setInterval(() => {
      const phase = this.phase();
      if (phase === "off") return;
      const lines = Array.from({ length: 4 }, () => {
        count += 1;
        return `{"ts":"${new Date().toISOString()}","name":"autosave.save.completed","duration_ms":${this.latency[phase] ?? 400},"event_id":"e${count}"}\n`;
      });
      appendFileSync(file, lines.join(""));
    }, 200);
  }

  /** A call of the API as somebody. @param {string} who @param {string} method @param {string} path @param {unknown} [body] @param {string} [base] */
  async call(who, method, path, body, base = this.url) {
    const response = await fetch(base + path, {
      method,
      headers: { authorization: `Bearer ${this.tokens[who]}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    const answer = text === "" ? null : JSON.parse(text);
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return answer;
  }

  /** Ends the process as a service manager would. */
  async halt() {
    const child = this.child;
    if (child && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
    }
  }

  async stop() {
    clearInterval(this.feeding);
    await this.halt();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
