"""Holds the Helm chart to what can be known without a cluster. `.ci/helm-test` runs it; Helm's own engine renders.

What renders is checked as text for Kubernetes (schemas, strictly) and as a whole: what one object says of another one,
of an image or of a service has to be so. Then mistakes are planted in a copy of the chart, and each has to be found.
"""

import functools
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy/helm/phasegate"
SERVICES = ("collector", "analyzer", "reporter")
RELEASE, NAMESPACE = "phasegate", "guard"

# The operator's schemas are not Kubernetes' own; these are the keys that the chart may use of them.
OF_OPERATOR = {
    "ServiceMonitor": {"selector": {"matchLabels"}, "endpoints": {
        "port", "path", "interval", "honorLabels", "relabelings"}},
    "PrometheusRule": {"groups": {"name", "rules"}},
    "PodMonitor": {"selector": {"matchLabels"}, "podMetricsEndpoints": {"port", "interval"}},
}
OF_RULE = {"alert", "expr", "for", "labels", "annotations"}
OF_RELABELING = {"sourceLabels", "targetLabel"}

# Variables whose value is a secret, and what a secret looks like that stands in a text.
SECRET_NAME = re.compile(r"(TOKEN|SECRET|KEY|WEBHOOKS|PASSWORD|_DATABASE_URL)$")
SECRET_TEXT = re.compile(r"://[^/\s:@]+:[^/\s@]+@|xox[bp]-|phasegate_[0-9a-f]{64}|BEGIN [A-Z ]*PRIVATE KEY")

HARDENED_POD = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
HARDENED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def load(path):
    return yaml.safe_load(path.read_text()) or {}


def render(chart, values, release=RELEASE):
    """The rendered objects, NOTES.txt aside."""
    with helm.Chart.load(chart) as loaded:
        rendered = loaded.render(values, name=release, namespace=NAMESPACE)
    files = [text for path, text in sorted(rendered.items()) if path.endswith(".yaml")]
    return [it for text in files for it in yaml.safe_load_all(text) if it]


@functools.cache
def code_of(crate):
    """The sources of a crate, tests in files of their own aside."""
    files = (ROOT / crate / "src").rglob("*.rs")
    return "".join(path.read_text() for path in sorted(files) if path.stem != "tests" and "tests" not in path.parts)


def name_of(it):
    return f"{it['kind']}/{it['metadata']['name']}"


def strings(value):
    """Every text in a value, keys apart."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


def leaves(value, path=()):
    """Paths of all that can be set; an empty mapping or list is one."""
    if isinstance(value, dict) and value:
        return [leaf for key, part in value.items() for leaf in leaves(part, (*path, key))]
    return [path]


def at(value, path):
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


# --- applications ---


def applications(objects):
    """What shows how an application's telemetry comes here fits the schemas, and names the collector where the chart puts it."""
    files = sorted((ROOT / "deploy/kubernetes").glob("app-*.yaml"))
    if len(files) < 3:
        yield f"deploy/kubernetes: only {len(files)} applications"
    services = {it["metadata"]["name"]: it for it in objects if it["kind"] == "Service"}
    for file in files:
        text = file.read_text()
        shown = [it for it in yaml.safe_load_all(text) if it]
        yield from (f"{file.name}: {line}" for line in kubernetes(shown))
        secrets = {it["secretKeyRef"]["name"] for it in found(shown, "valueFrom") if "secretKeyRef" in it}
        if SECRET_TEXT.search(text) or secrets - {"phasegate-telemetry"}:
            yield f"{file.name}: a secret stands there, or has another name than the others' {secrets}"
        for it in (it for it in shown if it["kind"] == "ConfigMap"):
            for name, data in it["data"].items():
                if not isinstance(yaml.safe_load(data), dict):
                    yield f"{file.name}: {name} is no YAML"
        for host, namespace, port in re.findall(r"http://(phasegate-[a-z]+)\.([a-z]+):([0-9]+)", text):
            service = services.get(host, {"spec": {"ports": []}})
            if namespace != NAMESPACE or int(port) not in [it["port"] for it in service["spec"]["ports"]]:
                yield f"{file.name}: the chart has nothing at {host}.{namespace}:{port}"


def found(value, key):
    """Everything under a key, at any depth."""
    if isinstance(value, dict):
        yield from ([value[key]] if key in value else [])
        value = list(value.values())
    for part in value if isinstance(value, list) else []:
        yield from found(part, key)


# --- one set of values, rendered ---


def kubernetes(objects):
    """Each object fits the schema of the oldest Kubernetes that the chart takes, and of the newest that is known."""
    known = kubernetes_validate.utils.all_versions()
    least = re.search(r"[0-9]+\.[0-9]+", load(CHART / "Chart.yaml")["kubeVersion"]).group()
    oldest = next((it for it in known if kubernetes_validate.utils.major_minor(it) == least), None)
    if oldest is None:
        yield f"Chart.yaml: no schema of Kubernetes {least} is known"
        return
    for it in objects:
        if it["apiVersion"] == "monitoring.coreos.com/v1":
            yield from operator(it)
            continue
        for version in (oldest, known[-1]):
            if misfit := misfit_of(json.dumps(it), version):
                yield f"{name_of(it)}: Kubernetes {version}: {misfit}"


@functools.cache
def misfit_of(text, version):
    """Why an object, as JSON, does not fit its schema; none: it does."""
    try:
        kubernetes_validate.validate(json.loads(text), version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(str(part) for part in error.path)}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        return error.message
    return None


def operator(it):
    """An object of the Prometheus operator has the keys that it knows."""
    allowed = OF_OPERATOR.get(it["kind"], {})
    parts = {"spec": (it["spec"], allowed)}
    for key, keys in allowed.items():
        found = it["spec"].get(key) or [{}]
        for number, part in enumerate(found if isinstance(found, list) else [found]):
            parts[f"{key}[{number}]"] = (part, keys)
            parts |= {f"{key}[{number}].rules[{n}]": (rule, OF_RULE) for n, rule in enumerate(part.get("rules", []))}
            parts |= {f"{key}[{number}].relabelings[{n}]": (one, OF_RELABELING)
                      for n, one in enumerate(part.get("relabelings", []))}
    for where, (part, keys) in parts.items():
        if unknown := sorted(set(part) - set(keys)):
            yield f"{name_of(it)}: {where}: unknown key {', '.join(unknown)}"
        if not part or keys is OF_RULE and not {"alert", "expr"} <= set(part):
            yield f"{name_of(it)}: {where}: something is missing"


def pods(objects):
    """Whose they are, and their templates."""
    return [(it, it["spec"]["template"]) for it in objects if it["kind"] in ("Deployment", "Job")]


def service_of(it):
    return next(service for service in SERVICES if f"-{service}" in it["metadata"]["name"])


def selected(objects, selector):
    """Deployments and Jobs whose pods have these labels."""
    wanted = selector.get("matchLabels", selector).items()
    return [it for it, pod in pods(objects) if wanted <= pod["metadata"]["labels"].items()]


def port_names(it):
    return {port["name"]: port["containerPort"] for part in it["spec"]["template"]["spec"]["containers"]
            for port in part.get("ports", [])}


def variables(objects):
    """Each variable is read by its service, is there once, and holds no secret."""
    for it, pod in pods(objects):
        service = service_of(it)
        sources = code_of("service-kit") + code_of(f"{service}-svc")
        container = pod["spec"]["containers"][0]
        names = [variable["name"] for variable in container["env"]]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{name_of(it)}: {name} is set twice"
        for variable in container["env"]:
            name = variable["name"]
            if f'"{name}"' not in sources:
                yield f"{name_of(it)}: {name} is set, but the {service} does not read it"
            if SECRET_NAME.search(name) and "value" in variable:
                yield f"{name_of(it)}: {name} stands there openly"


def probes(objects):
    for it, pod in pods(objects):
        if it["kind"] != "Deployment":
            continue
        container = pod["spec"]["containers"][0]
        for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
            found = container.get(probe, {}).get("httpGet")
            if found != {"path": path, "port": "http"}:
                yield f"{name_of(it)}: {probe} asks {found}, not {path} at the port http"


def hardened(objects):
    for it, pod in pods(objects):
        spec = pod["spec"]
        for key, value in HARDENED_POD.items():
            if spec.get("securityContext", {}).get(key) != value:
                yield f"{name_of(it)}: securityContext.{key} of the pod is not {value}"
        for container in spec["containers"]:
            for key, value in HARDENED.items():
                if container.get("securityContext", {}).get(key) != value:
                    yield f"{name_of(it)}: securityContext.{key} of {container['name']} is not {value}"


def images(objects):
    """What runs is a target of the Dockerfile, at the port that it exposes."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    for it, pod in pods(objects):
        service, container = service_of(it), pod["spec"]["containers"][0]
        repository, _, tag = container["image"].rpartition(":")
        if not tag or f"-t phasegate/{repository.rpartition('phasegate/')[2]} " not in dockerfile.replace("  ", " "):
            yield f"{name_of(it)}: the Dockerfile makes no image {container['image']}"
        stage = re.search(rf"AS {service}\n(.*?)(\nFROM|\Z)", dockerfile, re.S).group(1)
        if it["kind"] == "Deployment" and port_names(it) != {"http": int(re.search(r"EXPOSE (\d+)", stage).group(1))}:
            yield f"{name_of(it)}: {port_names(it)} is not the port of its image"


def selections(objects):
    """Whatever names pods or services by labels, names or ports names some that are there."""
    services = {it["metadata"]["name"]: it for it in objects if it["kind"] == "Service"}
    for it in objects:
        kind, spec = it["kind"], it.get("spec", {})
        if kind == "Deployment" and it not in selected(objects, spec["selector"]):
            yield f"{name_of(it)}: its selector does not match its own pods"
        if kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
            found = selected(objects, spec["podSelector" if kind == "NetworkPolicy" else "selector"])
            kinds = {f["kind"] for f in found}
            of_jobs = it["metadata"]["name"].endswith("-migrate")
            if kinds != ({"Job"} if of_jobs else {"Deployment"}) or (len(found) > 1 and not of_jobs):
                yield f"{name_of(it)}: selects the pods of {[name_of(f) for f in found]}"
            if kind == "Service":
                ports = [(port["targetPort"], port["port"]) for port in spec["ports"]]
                if found and ports != list(port_names(found[0]).items()):
                    yield f"{name_of(it)}: {ports} is no port of {name_of(found[0])}"
            for rule in spec.get("ingress", []) if kind == "NetworkPolicy" else []:
                for port in rule["ports"]:
                    if not any(port["port"] in port_names(f) for f in found):
                        yield f"{name_of(it)}: lets callers in at {port['port']}, which no container has"
                if not rule.get("from"):
                    yield f"{name_of(it)}: lets everybody in"
        if kind == "HorizontalPodAutoscaler":
            target = next((o for o in objects if name_of(o) == f"Deployment/{spec['scaleTargetRef']['name']}"), None)
            if target is None or "replicas" in target["spec"]:
                yield f"{name_of(it)}: scales no Deployment, or one that says its own number of replicas"
        if kind == "Ingress":
            for path in (path for rule in spec["rules"] for path in rule["http"]["paths"]):
                backend = path["backend"]["service"]
                ports = services.get(backend["name"], {}).get("spec", {}).get("ports", [])
                if backend["port"].get("name") not in [port["name"] for port in ports]:
                    yield f"{name_of(it)}: leads to {backend}, which is no Service"
        if kind == "ServiceMonitor":
            wanted = spec["selector"]["matchLabels"].items()
            if [s for s in services.values() if not wanted <= s["metadata"]["labels"].items()]:
                yield f"{name_of(it)}: does not select every Service"
            if any(end["port"] != "http" or not end.get("honorLabels") for end in spec["endpoints"]):
                yield f"{name_of(it)}: the port http with honorLabels, or the rules' label `service` is another one"


def neighbours(objects, values):
    """Who calls whom by the environment is let out there and in here; and the calls are those of the services' code."""
    deployments = {service_of(it): it for it in objects if it["kind"] == "Deployment"}
    policies = {service_of(it): it for it in objects
                if it["kind"] == "NetworkPolicy" and not it["metadata"]["name"].endswith("-migrate")}
    for service, it in deployments.items():
        told = {variable["name"].split("_")[1].lower(): variable["value"]
                for variable in it["spec"]["template"]["spec"]["containers"][0]["env"]
                if re.fullmatch(r"PHASEGATE_[A-Z]+_URL", variable["name"]) and "value" in variable}
        calls = re.findall(r"\.neighbour\(ServiceName::(\w+)", code_of(f"{service}-svc"))
        called = {name.lower() for name in calls}
        if called != set(told):
            yield f"{name_of(it)}: is told of {sorted(told)}, and its code calls {sorted(called)}"
        for neighbour, url in told.items():
            there = deployments.get(neighbour)
            if there and url != f"http://{there['metadata']['name']}:{port_names(there)['http']}":
                yield f"{name_of(it)}: looks for the {neighbour} at {url}"
            if not there and url != values[neighbour]["url"]:
                yield f"{name_of(it)}: looks for the {neighbour} at {url}"
            if service not in policies:
                continue
            label = {"app.kubernetes.io/component": neighbour}.items()
            out = [peer for rule in policies[service]["spec"]["egress"] for peer in rule.get("to", [])]
            if not any(label <= peer.get("podSelector", {}).get("matchLabels", {}).items() for peer in out):
                yield f"{name_of(policies[service])}: does not let it call the {neighbour}"
            into = policies.get(neighbour, {}).get("spec", {}).get("ingress", [])
            label = {"app.kubernetes.io/component": service}.items()
            if into and not any(label <= peer.get("podSelector", {}).get("matchLabels", {}).items()
                                for rule in into for peer in rule["from"]):
                yield f"{name_of(policies[neighbour])}: does not let the {service} in"


def references(objects, values):
    """What a pod mounts or reads is rendered, or named in the values; what it mounts is a volume."""
    rendered = {name_of(it) for it in objects}
    named = set(strings(values))
    for it, pod in pods(objects):
        spec, wanted = pod["spec"], []
        for volume in spec.get("volumes", []):
            wanted += [f"ConfigMap/{volume['configMap']['name']}"] if "configMap" in volume else []
            wanted += [f"Secret/{volume['secret']['secretName']}"] if "secret" in volume else []
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            wanted += [f"PersistentVolumeClaim/{claim}"] if claim else []
        for container in spec["containers"]:
            keys = [variable["valueFrom"]["secretKeyRef"] for variable in container["env"] if "valueFrom" in variable]
            wanted += [f"Secret/{key['name']}" for key in keys]
            yield from (f"{name_of(it)}: the values name no key {key['key']}" for key in keys if key["key"] not in named)
            wanted += [f"Secret/{source['secretRef']['name']}" for source in container.get("envFrom", [])]
            volumes = [volume["name"] for volume in spec.get("volumes", [])]
            mounts = [mount["name"] for mount in container["volumeMounts"]]
            if sorted(mounts) != sorted(volumes):
                yield f"{name_of(it)}: mounts {mounts} of the volumes {volumes}"
            if any("subPath" in mount for mount in container["volumeMounts"]):
                yield f"{name_of(it)}: what is mounted by subPath never changes"
        # A hook runs before the objects of the chart are there.
        may = set() if it["kind"] == "Job" else rendered
        for name in wanted:
            if name not in may and name.partition("/")[2] not in named:
                yield f"{name_of(it)}: {name} is neither rendered nor named in the values"


def secrets(objects):
    for it in objects:
        if it["kind"] == "Secret":
            yield f"{name_of(it)}: the chart makes no Secrets"
        if found := next((text for text in strings(it) if SECRET_TEXT.search(text)), None):
            yield f"{name_of(it)}: holds what looks like a secret ({len(found)} characters)"


def labelled(objects):
    names = [name_of(it) for it in objects]
    yield from (f"{name} is rendered twice" for name in sorted({name for name in names if names.count(name) > 1}))
    for it in objects:
        for label in ("name", "instance", "managed-by"):
            if f"app.kubernetes.io/{label}" not in it["metadata"].get("labels", {}):
                yield f"{name_of(it)}: no label app.kubernetes.io/{label}"
        if it["metadata"].get("namespace") != NAMESPACE:
            yield f"{name_of(it)}: is not in the release's namespace"


def volumes(objects, values):
    """A volume that one pod can have at a time goes from the old pod to the new one."""
    for it in (it for it in objects if it["kind"] == "Deployment"):
        persistence = values[service_of(it)]["persistence"]
        alone = persistence["enabled"] and "ReadWriteMany" not in persistence["accessModes"]
        strategy = it["spec"]["strategy"]
        if (strategy["type"] == "Recreate") != alone:
            yield f"{name_of(it)}: {strategy['type']} with a volume of {persistence['accessModes']}"
        if not alone and strategy.get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{name_of(it)}: an old replica goes before the new one is ready"
        if alone and it["spec"].get("replicas") != 1:
            yield f"{name_of(it)}: several replicas on a volume of {persistence['accessModes']}"


def every_service(objects):
    """Each service that is installed has all that a service has."""
    names = {name_of(it) for it in objects}
    for it in (it for it in objects if it["kind"] == "Deployment"):
        for kind in ("Service", "PodDisruptionBudget"):
            if f"{kind}/{it['metadata']['name']}" not in names:
                yield f"{name_of(it)}: has no {kind}"
        affinity = it["spec"]["template"]["spec"].get("affinity")
        if not affinity:
            yield f"{name_of(it)}: its replicas may all be on one node"


def wrong_in(chart, values):
    """All that is wrong with the chart under these values."""
    report = helm.lint(chart, values, strict=True)
    lines = [f"lint: {it['path']}: {it['error']}" for it in report["messages"] if it["severity"] >= 2]
    lines += [f"lint: {error}" for error in report["errors"]]
    with helm.Chart.load(chart) as loaded:
        merged = loaded.merge_values(values)
    try:
        objects = render(chart, values)
    except helm.HelmError as error:
        return [*lines, str(error)], []
    for check in (kubernetes, labelled, every_service, images, variables, probes, hardened, selections, secrets):
        lines += check(objects)
    lines += [*neighbours(objects, merged), *references(objects, merged), *volumes(objects, merged)]
    return lines, objects


# --- the chart as a whole ---


def manifest(chart):
    """Versions, and that values and schema have the same keys."""
    version = re.search(r'\[workspace\.package\]\nversion = "([^"]+)"', (ROOT / "Cargo.toml").read_text()).group(1)
    if load(chart / "Chart.yaml")["appVersion"] != version:
        yield f"Chart.yaml: appVersion is not the workspace's version, {version}"
    schema = load(chart / "values.schema.json")

    def compare(part, values, path):
        part = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        keys = part.get("properties")
        if keys is None:
            return
        if part.get("additionalProperties") is not False:
            yield f"values.schema.json: {'.'.join(path)} takes keys that it does not know"
        for key in sorted(set(keys) ^ set(values) - {"global"}):
            if key != "global" and path[-1:] != ["resources"]:
                yield f"{'.'.join([*path, key])} is in values.yaml or in values.schema.json alone"
        for key in sorted(set(keys) & set(values)):
            if isinstance(values[key], dict):
                yield from compare(keys[key], values[key], [*path, key])

    yield from compare(schema, load(chart / "values.yaml"), [])


def not_whole(chart):
    """The package holds the dashboard and the rules themselves, where the chart has links to them, and no tests."""
    for file in ("alerts.yaml", "dashboard.json"):
        inside = chart / "files" / file
        if not inside.is_file() or inside.read_bytes() != (ROOT / "deploy/grafana" / file).read_bytes():
            yield (f"files/{file} of the package is not deploy/grafana/{file}: "
                   f"ln -sf ../../../grafana/{file} deploy/helm/phasegate/files/{file}")
    if (chart / "ci").exists():
        yield "the package holds ci/"


def as_documented(chart):
    """`--set-file policy.text=…` brings the policy unchanged into its ConfigMap."""
    file = ROOT / "governance/policy.yaml"
    values = load(CHART / "ci/smallest-values.yaml") | helm.parse_set_file(f"policy.text={file}")
    policy = next(it for it in render(chart, values) if name_of(it) == "ConfigMap/phasegate-policy")
    if policy["data"] != {"policy.yaml": file.read_text()}:
        yield "the policy in its ConfigMap is not the file that was given"
    everything = load(CHART / "ci/everything-values.yaml")
    rules = next(it for it in render(chart, everything) if it["kind"] == "PrometheusRule")
    if rules["spec"] != load(ROOT / "deploy/grafana/alerts.yaml"):
        yield "the PrometheusRule is not deploy/grafana/alerts.yaml"
    longest = "r" * 53
    for it in render(chart, everything | {"fullnameOverride": ""}, longest):
        if len(it["metadata"]["name"]) > 63:
            yield f"{name_of(it)}: its name is too long, with the longest name of a release"


def not_alone(chart):
    """What concerns one service restarts no pods of another one; policy and texts, which are followed, and rules restart none."""
    values = load(CHART / "ci/everything-values.yaml")
    def templates(changed):
        return {service_of(it): it["spec"]["template"] for it in render(chart, changed) if it["kind"] == "Deployment"}
    before = templates(values)
    for service in SERVICES:
        of = values[service] | {"image": {"repository": f"phasegate/{service}", "tag": "9.9.9"}}
        after = templates(values | {service: of})
        if restarted := {it for it in SERVICES if after[it] != before[it]} ^ {service}:
            yield f"another image of the {service}: {sorted(restarted)} should be as before, or should not"
    for name, part in {"policy": values["policy"] | {"text": "other"}, "templates": {"files": {"rca.md": "other"}},
                       "networkPolicy": {"enabled": False}, "metrics": {"dashboard": {"enabled": False}}}.items():
        if templates(values | {name: part}) != before:
            yield f"another {name} restarts pods"
    for service, template in before.items():
        if "helm.sh/chart" in template["metadata"]["labels"]:
            yield f"the {service}'s pods are restarted by another version of the chart"


def untried(chart, files):
    """Values that no file of values sets. What is set of one service is tried for all: the templates are one."""
    given = [load(file) for file in files]
    for path in leaves(load(chart / "values.yaml")):
        same = [(service, *path[1:]) for service in SERVICES] if path[0] in SERVICES else [path]
        if all(at(values, it) is None for values in given for it in same):
            yield f"no file of values sets {'.'.join(path)}"


def accepted(chart, file):
    """Why a wrong file of values is not refused as its first line says; none: it is."""
    words = file.read_text().splitlines()[0].removeprefix("# ")
    try:
        render(chart, load(file))
    except helm.HelmError as error:
        return None if words in str(error) else f"refused, but without the words `{words}`: {error}"
    return f"accepted, although `{words}`"


# --- the checks themselves: what is planted has to be found ---

PLANTED = [
    ("deployments.yaml", "readinessProbe:\n            httpGet: { path: /readyz", "readinessProbe:\n            httpGet: { path: /ready", "readinessProbe"),
    ("deployments.yaml", "livenessProbe:\n            httpGet: { path: /healthz", "livenessProbe:\n            httpGet: { path: /readyz", "livenessProbe"),
    ("deployments.yaml", "terminationGracePeriodSeconds:", "terminationGraceSeconds:", "terminationGraceSeconds"),
    ("deployments.yaml", "- name: RUST_LOG", "- name: PHASEGATE_LOGS", "PHASEGATE_LOGS is set, but"),
    ("deployments.yaml", "automountServiceAccountToken: {{ $of.mountServiceAccountToken | default false }}",
     "automountServiceAccountToken: \"no\"", "automountServiceAccountToken"),
    ("deployments.yaml", "claimName: {{ include \"phasegate.claim\" $about }}", "claimName: other", "PersistentVolumeClaim/other"),
    ("deployments.yaml", "labels:\n        {{- include \"phasegate.selector\" $about | nindent 8 }}\n",
     "labels:\n        helm.sh/chart: {{ $.Chart.Name }}\n        {{- include \"phasegate.selector\" $about | nindent 8 }}\n", "another version of the chart"),
    ("deployments.yaml", "{{- with $of.podAnnotations }}\n      annotations:",
     "{{- with $of.podAnnotations }}\n      annotations:\n        policy: {{ sha256sum $.Values.policy.text }}", "another policy restarts pods"),
    ("deployments.yaml", "maxUnavailable: 0", "maxUnavailable: 1", "before the new one is ready"),
    ("deployments.yaml", '{{- if include "phasegate.shared" $of }}', "{{- if true }}", "RollingUpdate with a volume"),
    ("deployments.yaml", "- { name: tmp, mountPath: /tmp }\n", "", "mounts"),
    ("_helpers.tpl", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "readOnlyRootFilesystem"),
    ("_helpers.tpl", "trunc 44", "trunc 63", "its name is too long"),
    ("prometheus.yaml", "path: /metrics", "paths: /metrics", "unknown key paths"),
    ("_helpers.tpl", "runAsNonRoot: true\n", "", "runAsNonRoot"),
    ("_helpers.tpl", '"analyzer" "7102"', '"analyzer" "7103"', "is not the port of its image"),
    ("_helpers.tpl", '"reporter" "collector analyzer") .', '"reporter" "collector") .', "its code calls"),
    ("services.yaml", 'include "phasegate.selector" $about', 'include "phasegate.labels" $', "selects the pods of"),
    ("services.yaml", "targetPort: http", "targetPort: web", "is no port of"),
    ("poddisruptionbudgets.yaml", 'include "phasegate.selector" $about', 'include "phasegate.serviceLabels" (dict "root" $ "service" "none")', "selects the pods of []"),
    ("poddisruptionbudgets.yaml", "maxUnavailable: 1", "maxUnavailble: 1", "maxUnavailble"),
    ("networkpolicies.yaml", "- port: http", "- port: web", "which no container has"),
    ("networkpolicies.yaml", 'include "phasegate.callers" $service', 'include "phasegate.neighbours" $service', "does not let the"),
    ("prometheus.yaml", "honorLabels: true", "honourLabels: true", "honourLabels"),
    ("configmaps.yaml", ".Values.policy.text | toYaml", '(printf "%s " .Values.policy.text) | toYaml', "is not the file"),
    ("migrations.yaml", "$.Values.migrations.existingSecret \"key\"", "\"owner\" \"key\"", "Secret/owner is neither"),
]


def unnoticed(whole):
    """Planted mistakes that no check has found."""
    tried = [load(CHART / "ci" / file) for file in ("everything-values.yaml", "collector-alone-values.yaml")]
    for file, before, after, words in PLANTED:
        with tempfile.TemporaryDirectory() as folder:
            chart = Path(folder) / "phasegate"
            shutil.copytree(whole, chart)
            template = chart / "templates" / file
            text = template.read_text()
            if before not in text:
                yield f"{file}: `{before}` is not there to be planted in"
                continue
            template.write_text(text.replace(before, after))
            found = [line for values in tried for line in wrong_in(chart, values)[0]]
            found += [] if found else [*as_documented(chart), *not_alone(chart)]
            if not any(words in line for line in found):
                yield f"{file}: nobody notices `{after.strip()}` in place of `{before.strip()}`: {found[:2]}"


def untold(objects, refused):
    """What docs/helm.md leaves out, or counts otherwise."""
    text = (ROOT / "docs/helm.md").read_text()
    for kind in sorted({it["kind"] for it in objects}):
        if f"| {kind}" not in text:
            yield f"docs/helm.md: its table has no {kind}"
    for words in (f"{len(refused)} wrong files of values", f"{len(PLANTED)} mistakes are planted"):
        if words not in text:
            yield f"docs/helm.md: does not say: {words}"


def check(chart):
    """All that is wrong with the chart; says what it has looked at."""
    files = sorted((CHART / "ci").glob("*-values.yaml"))
    refused = sorted((CHART / "ci/refused").glob("*.yaml"))
    wrong, everything = [], []
    for file in files:
        lines, objects = wrong_in(chart, load(file))
        wrong += [f"{file.name}: {line}" for line in lines]
        everything += objects
        print(f"{file.name}: {len(objects)} objects")
    wrong += [f"{file.name}: {why}" for file in refused if (why := accepted(chart, file))]
    wrong += [*not_whole(chart), *manifest(chart), *as_documented(chart), *not_alone(chart), *untried(chart, files), *untold(everything, refused)]
    wrong += applications(everything)
    if len(files) < 5 or len(refused) < 12:
        wrong.append(f"only {len(files)} files of values and {len(refused)} wrong ones")
    wrong = wrong or list(unnoticed(chart))
    if not wrong:
        print(f"Helm {helm.helm_sdk_version()}: {len(everything)} objects are in order, {len(refused)} wrong files of values are "
              f"refused with the reason, {len(PLANTED)} planted mistakes are found")
    return wrong


def main():
    with tempfile.TemporaryDirectory() as folder:
        # What is installed is the package, so that is looked at.
        helm.expand(folder, helm.package(CHART, destination=folder))
        try:
            wrong = check(Path(folder) / CHART.name)
        except helm.HelmError as error:
            wrong = [str(error).strip()]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
