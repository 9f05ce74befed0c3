"""Plays on the containers of docker-compose.yml; .ci/containers has made the images.

container_rounds.py story | rounds N | pairs
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = os.environ.get("COMPOSE", "docker compose").split()
DOCKER = "/usr/bin/docker" if os.access("/usr/bin/docker", os.X_OK) else "docker"
SERVICES = {"collector": 7101, "analyzer": 7102, "reporter": 7103}
PATIENCE = 120


def say(text):
    print(f"{datetime.now():%H:%M:%S} {text}", flush=True)


def run(command, **more):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **more).stdout


def docker(*arguments):
    return run([DOCKER, *arguments])


def until(what, look, patience=PATIENCE, pause=0.3):
    """Looks until there is an answer; what was seen last is told where none comes."""
    end, seen = time.monotonic() + patience, None
    while time.monotonic() < end:
        try:
            reached, seen = look()
            if reached:
                return seen
        except (OSError, subprocess.CalledProcessError) as error:
            seen = error
        time.sleep(pause)
    raise SystemExit(f"waited {patience} s for {what}; last seen: {seen}")


class Stack:
    """docker-compose.yml in a folder of its own, with fresh secrets and volumes."""

    def __init__(self, folder, override=None):
        self.folder = Path(folder)
        for part in ["docker-compose.yml", "deploy", "templates"]:
            source, to = ROOT / part, self.folder / part
            shutil.copytree(source, to) if source.is_dir() else shutil.copy(source, to)
        (self.folder / "telemetry").mkdir()
        for left in [self.folder / ".env", self.folder / "deploy/compose/tokens", self.folder / "deploy/compose/vendors.env"]:
            left.unlink(missing_ok=True)
        run(["sh", self.folder / "deploy/compose/init.sh", self.folder])
        lines = (self.folder / ".env").read_text().splitlines()
        self.secrets = dict(line.split("=", 1) for line in lines)
        self.files = ["-f", "docker-compose.yml"]
        if override:
            (self.folder / "override.yml").write_text(override)
            self.files += ["-f", "override.yml"]
        # What is public by mode may be mounted by another user.
        run(["chmod", "-R", "a+rX", self.folder])

    def compose(self, *arguments, **more):
        return run([*COMPOSE, "--ansi", "never", *self.files, *arguments], cwd=self.folder, stderr=subprocess.STDOUT, **more)

    def containers(self, service):
        """Ids of those that run, frozen ones too."""
        return self.compose("ps", "--quiet", service).split()

    def inspect(self, service, template):
        return [docker("inspect", "--format", template, it).strip() for it in self.containers(service)]

    def call(self, service, path, body=None, token="PHASEGATE_TOKEN", key=None):
        """Of any replica that answers."""
        error = OSError(f"no container of the {service} runs")
        for address in self.inspect(service, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"):
            headers = {"authorization": f"Bearer {self.secrets[token]}", "content-type": "application/json"}
            if key:
                headers["idempotency-key"] = key
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(f"http://{address}:{SERVICES[service]}{path}", data, headers)
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as refused:
                error = OSError(f"{path}: {refused.code} {refused.read().decode(errors='replace')}")
            except OSError as failed:
                error = failed
        raise error

    def until_ready(self):
        def ready(service):
            return lambda: (True, self.call(service, "/readyz"))

        for service in SERVICES:
            until(f"the {service} to be ready", ready(service))

    def flags(self):
        return json.loads(self.compose("exec", "-T", "reporter", "cat", "/flags/flags.json"))["flags"]


@contextmanager
def running(override=None, prepare=None):
    """A stack that is taken down at the end, and shows its logs where something went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(folder, override)
        if prepare:
            prepare(stack.folder)
        try:
            yield stack
        except BaseException:
            print(stack.compose("logs", "--no-color", "--tail", "25"), flush=True)
            raise
        finally:
            stack.compose("--profile", "demo", "--profile", "observability", "down", "--volumes", "--timeout", "5")


# The story of the compose file itself.


def story():
    with running() as stack:
        begun = time.monotonic()
        # Without their database: each says so in one line and waits.
        stack.compose("up", "--detach", "--no-build", *SERVICES)
        for service in SERVICES:
            until(f"the {service} to say that it waits", lambda service=service: waits(stack, service))
        stack.compose("up", "--detach", "--no-build")
        for service in ["postgres", *SERVICES]:
            until(f"{service} to be healthy", lambda service=service: healthy(stack, service))
        for service in SERVICES:
            assert stack.inspect(service, "{{.RestartCount}}") == ["0"], f"the {service} gave up instead of waiting"
            assert stack.inspect(service, "{{.HostConfig.ReadonlyRootfs}}") == ["true"], service
        stack.until_ready()
        say(f"up and healthy after {time.monotonic() - begun:.0f} s, from services without a database on")
        print(stack.compose("run", "--rm", "--no-TTY", "phasegate", "status"))

        begun = time.monotonic()
        stack.compose("--profile", "demo", "up", "--detach", "--no-build", "demo")
        recovered = until("the demo's incident to have recovered", lambda: incident(stack, "autosave", "recovered"), patience=400)
        rollout = stack.call("reporter", "/v1/rollouts/autosave")
        assert rollout["phase"] == "A", rollout["phase"]
        assert share(stack.flags()["autosave"]) == 5, stack.flags()
        say(f"the demo: {recovered['id']} in phase {recovered['phase']} ({recovered['metric']}), rolled back and recovered after "
            f"{time.monotonic() - begun:.0f} s")
        print(docker("logs", *stack.containers("demo")))

        stack.compose("--profile", "observability", "up", "--detach", "--no-build", "prometheus")
        print("grafana: not started, where no registry is reached there is no image that could stand in for it")
        scraped = until("Prometheus to have scraped the three services", all_up)
        say(f"Prometheus scrapes {', '.join(scraped)}; {rules()} alert rules loaded")

        for service in SERVICES:
            begun = time.monotonic()
            [container] = stack.containers(service)
            stack.compose("stop", service)
            status = docker("inspect", "--format", "{{.State.ExitCode}}", container).strip()
            assert status == "0", f"the {service} ended with {status}"
            say(f"the {service} stopped after {time.monotonic() - begun:.1f} s")


def waits(stack, service):
    text = stack.compose("logs", "--no-color", service)
    return text.count("waiting for the database") == 1, text


def healthy(stack, service):
    status = stack.inspect(service, "{{.State.Health.Status}}")
    return status == ["healthy"], status


def incident(stack, target, state):
    items = stack.call("reporter", f"/v1/incidents?target={target}")["items"]
    found = [it for it in items if it["state"] == state]
    return bool(found), found[0] if found else items


def share(flag):
    weights = dict(flag["targeting"]["fractional"])
    return 100 * weights["on"] / sum(weights.values())


def prometheus(path):
    with urllib.request.urlopen(f"http://127.0.0.1:9090/api/v1/{path}", timeout=5) as answer:
        return json.load(answer)["data"]


def all_up():
    active = prometheus("targets?state=active")["activeTargets"]
    up = [it["labels"]["instance"] for it in active if it["health"] == "up"]
    return len(up) == 3, up if up else active


def rules():
    return sum(len(group["rules"]) for group in prometheus("rules")["groups"])


# Containers in trouble.

TARGET = """
  {name}:
    title: {name}
    collection: {{ source: {{ http: {{}} }}, window: 2s, grace: 500ms, delayed_after: 20s, retry: [1s, 2s, 4s, 8s], source_timeout: 5s }}
    metrics:
      save_latency_p95:  {{ quantile: 0.95, of: autosave.save.completed, field: duration_ms, display: s }}
      collector_latency: {{ builtin: collector_latency, display: s }}
    gate: {{ warn_ratio: 80%, min_samples: 5, on_violation: {{ save_latency_p95: rollback, collector_latency: page }} }}
    phases:
      - id: A
        name: Canary
        audience: 5%
        thresholds: {{ save_latency_p95: 2.5s, collector_latency: 3m }}
        advance: {{ compliant_batches: 1000, approvals: [] }}
    transitions:
      {transitions}
      retry: [1s, 2s, 4s, 8s]
      recovery: {{ watch: 6s, cadence: 2s }}
    notifications:
      templates: templates/alerts
      values: {{ p95: save_latency_p95, err_rate: save_latency_p95 }}
      ok:        {{ template: autosave-ok,       channel: "#rollout",  phases: [A] }}
      warn:      {{ template: autosave-warn,     channel: "#rollout",  phases: [A] }}
      incident:  {{ template: autosave-incident, channel: "#incident", phases: [A] }}
      rollback:  {{ template: autosave-rollback, channel: runbook,     phases: [A] }}
      escalation_channel: "#incident"
    paging: {{ service: App, priority: P2, acknowledge_within: 15m, escalate_after: 30m, escalate_to: P1 }}
    rca:    {{ due: 24h, approver: governance, overdue: {{ propose: rollback }} }}
"""
RETENTION = "\nretention: { batches: 30d, decisions: 30d, notifications: 30d, audit: forever }\n"
FLAGD = """flag: {{ flagd: {{ file: /flags/flags.json, flag: {name}, variant: "on" }} }}
      timeout: 10s"""
COMMANDS = """rollback: {{ command: [/app/bin/flags, set, /flags/{name}, "{{prev}}"] }}
      promote:  {{ command: [/app/bin/flags, set, /flags/{name}, "{{next}}"] }}
      verify:   {{ command: [/app/bin/flags, get, /flags/{name}] }}
      timeout: 10s"""
# Replicas cannot share a port of the host.
NO_PORTS = "services:\n" + "".join(f"  {service}: {{ ports: !reset [] }}\n" for service in SERVICES)


def policy(names, transitions):
    targets = "".join(TARGET.format(name=name, transitions=transitions.format(name=name)) for name in names)
    return f"version: 1\ntargets:{targets}{RETENTION}"


class Application:
    """A feature that is slow: its telemetry, each body pushed until it is taken."""

    def __init__(self, stack, target):
        self.stack, self.target, self.events = stack, target, 0

    def push(self):
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = lambda: {"ts": now, "name": "autosave.save.completed", "duration_ms": 9000, "event_id": str(uuid.uuid4())}
        body, key = [event() for _ in range(40)], str(uuid.uuid4())
        path = f"/v1/targets/{self.target}/events"
        pushed = lambda: (True, self.stack.call("collector", path, body, token="PHASEGATE_TELEMETRY_TOKEN", key=key))
        until(f"events of {self.target} to be taken", pushed)
        self.events += len(body)


def in_phase(stack, target, phase):
    rollout = stack.call("reporter", f"/v1/rollouts/{target}")
    moving = (rollout["transition"] or {}).get("state") not in (None, "succeeded")
    return rollout["phase"] == phase and not moving, rollout


def play(stack, target, moment, trouble):
    """One target from its start to its rollback, with a trouble in between; what it took, in seconds, from the first bad event."""
    key = str(uuid.uuid4())
    until(f"{target} to start", lambda: (True, stack.call("reporter", f"/v1/rollouts/{target}/start", {}, key=key)))
    until(f"{target} in A", lambda: in_phase(stack, target, "A"))
    application, begun = Application(stack, target), time.monotonic()
    application.push()
    if moment == "violation":
        trouble()

    def opened():
        application.push()
        items = stack.call("reporter", f"/v1/incidents?target={target}")["items"]
        return bool(items), items

    until(f"an incident of {target}", opened)
    if moment == "incident":
        trouble()
    until(f"{target} rolled back", lambda: in_phase(stack, target, "off"))
    took = time.monotonic() - begun
    [found] = stack.call("reporter", f"/v1/incidents?target={target}")["items"]
    rollback = stack.call("reporter", f"/v1/incidents/{found['id']}")["rollback"]
    assert (rollback["from"], rollback["to"], rollback["state"]) == ("A", "off", "succeeded"), rollback
    batches = stack.call("analyzer", f"/v1/batches?target={target}&limit=1000")["items"]
    counted = sum(it["counters"].get("autosave.save.completed", 0) for it in batches)
    assert 0 < counted <= application.events, f"{counted} events counted of {application.events}"
    return took


def rounds(count):
    names = [f"t{number:03}" for number in range(1, count + 1)]
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}

    def prepare(folder):
        (folder / "deploy/compose/governance/policy.yaml").write_text(policy(names, FLAGD))
        (folder / "deploy/compose/flags/flags.json").write_text(json.dumps({"flags": {name: flag for name in names}}))

    with running(NO_PORTS, prepare) as stack:
        stack.compose("up", "--detach", "--no-build")
        stack.until_ready()
        for name, (what, service, moment) in zip(names, itertools.cycle(troubles())):
            took = play(stack, name, moment, lambda: TROUBLES[what](stack, service))
            stack.compose("up", "--detach", "--no-build", "--scale", f"{service}=1")
            stack.until_ready()
            flag = stack.flags()[name]
            assert share(flag) == 0 and flag["metadata"]["phase"] == "off", flag
            say(f"{name}: {service} {what} at the {moment}; rolled back once, {took:.1f} s after the first bad event")
        done = stack.call("reporter", "/v1/effects?kind=RunTransition&limit=1000")["items"]
        back = [it["payload"]["target"] for it in done if it["payload"]["kind"] == "rollback" and it["state"] == "done"]
        assert sorted(back) == names, f"not once each: {back}"
        say(f"{count} rounds: {len(back)} rollbacks, each once; nothing lost")


def killed(stack, service):
    containers = stack.containers(service)
    docker("kill", *containers)
    time.sleep(2)
    docker("start", *containers)


def frozen(stack, service):
    containers = stack.containers(service)
    docker("pause", *containers)
    time.sleep(8)
    docker("unpause", *containers)


def restarted(stack, service):
    stack.compose("restart", service)


def exchanged(stack, service):
    stack.compose("up", "--detach", "--no-build", "--no-deps", "--force-recreate", service)


def doubled(stack, service):
    """A second replica, and then the first one is killed."""
    [first] = stack.containers(service)
    stack.compose("up", "--detach", "--no-build", "--no-deps", "--no-recreate", "--scale", f"{service}=2", service)
    docker("kill", first)


TROUBLES = {it.__name__: it for it in [killed, frozen, restarted, exchanged, doubled]}


def troubles():
    moments = itertools.cycle(["violation", "incident", "incident"])
    for what, service in itertools.product(TROUBLES, [*SERVICES, "postgres"]):
        if service != "postgres" or what not in ("exchanged", "doubled"):
            yield what, service, next(moments)


# Two releases side by side.


def pairs():
    old = os.environ["OLD"]
    for older, newer in itertools.product(SERVICES, SERVICES):
        tags = {service: "latest" if service == newer else old for service in SERVICES}
        both = older == newer
        lines = [f"  {name}: {{ image: 'phasegate/{name}:{tag}', ports: !reset [], volumes: {mounts(name)} }}" for name, tag in tags.items()]
        if both:
            lines.append(f"  second: {{ extends: {{ service: {older}, file: docker-compose.yml }}, image: 'phasegate/{older}:{old}', "
                         f"ports: !reset [], networks: {{ default: {{ aliases: [{older}] }} }}, volumes: {mounts(older, 'second')} }}")
        override = "services:\n" + "\n".join(lines) + ("\nvolumes: { second: {} }\n" if both else "\n")
        with running(override, lambda folder: earlier_texts(folder, old)) as stack:
            stack.compose("up", "--detach", "--no-build")
            stack.until_ready()
            took = play(stack, "feature", None, None)
            journal = stack.compose("exec", "-T", "reporter", "cat", "/flags/feature.journal").splitlines()
            changes = [line for line in journal if line.endswith(" changed")]
            assert changes == ["none A changed", "A off changed"], changes
            beside = f"{older} {old} beside {newer} of this release" if not both else f"{older} of both releases side by side"
            say(f"{beside}: rolled back once, {took:.1f} s after the first bad event")


def mounts(service, volume=None):
    own = volume or ("data" if service == "reporter" else service)
    listed = [f"{own}:/data", "./deploy/compose/governance:/app/governance:ro", "./templates:/app/templates:ro"]
    if service == "reporter":
        listed += ["flags:/flags", "./bin:/app/bin:ro"]
    return "!override " + json.dumps(listed)


def earlier_texts(folder, old):
    """What both releases read: policy keys and placeholders of the earlier one."""
    (folder / "deploy/compose/governance/policy.yaml").write_text(policy(["feature"], COMMANDS))
    shutil.rmtree(folder / "templates")
    archive = subprocess.run(["git", "archive", old, "templates"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    (folder / "bin").mkdir()
    shutil.copy(ROOT / "tests/fixtures/bin/flags", folder / "bin/flags")
    run(["chmod", "-R", "a+rX", folder])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["story"]:
            story()
        case ["rounds", count]:
            rounds(int(count))
        case ["pairs"]:
            pairs()
        case _:
            raise SystemExit(__doc__)
