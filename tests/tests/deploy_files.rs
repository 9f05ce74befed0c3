//! The container files, as far as they can be checked without a container engine: what they name exists,
//! what they set is read, what they must not do they do not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use domain::policy::Policy;
use domain::template::Templates;
use serde_json::{Map, Value};
use service_kit::ServiceName;
use service_kit::auth::Tokens;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn compose() -> Value {
    serde_saphyr::from_str(&read("docker-compose.yml")).expect("docker-compose.yml is no YAML")
}

fn members<'a>(value: &'a Value, what: &str) -> &'a Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("{what} must be a mapping"))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A stage of the Dockerfile: its base, and its instructions with continuation lines joined.
struct Stage {
    base: String,
    instructions: Vec<(String, String)>,
}

impl Stage {
    fn all<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a str> {
        let matching = move |(word, text): &'a (String, String)| (word == keyword).then_some(text.as_str());
        self.instructions.iter().filter_map(matching)
    }
}

fn stages() -> BTreeMap<String, Stage> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let mut stages: BTreeMap<String, Stage> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (keyword, rest) = line.split_once(' ').unwrap_or((line, ""));
        if keyword == "FROM" {
            let (base, name) = rest.split_once(" AS ").expect("every stage has a name");
            current = name.to_owned();
            stages.insert(current.clone(), Stage { base: base.to_owned(), instructions: Vec::new() });
        } else if let Some(stage) = stages.get_mut(&current) {
            stage.instructions.push((keyword.to_owned(), rest.trim().to_owned()));
        }
    }
    stages
}

/// Instructions of the stage and of the stages it is made from, base first.
fn with_bases(stages: &BTreeMap<String, Stage>, name: &str, keyword: &str) -> Vec<String> {
    let Some(stage) = stages.get(name) else { return Vec::new() };
    let mut all = with_bases(stages, &stage.base, keyword);
    all.extend(stage.all(keyword).map(str::to_owned));
    all
}

const IMAGES: [(&str, &str); 4] = [
    ("collector", "collector-svc"),
    ("analyzer", "analyzer-svc"),
    ("reporter", "reporter-svc"),
    ("phasegate", "phasegate"),
];

#[test]
fn every_image_runs_its_own_binary_as_an_unprivileged_user() {
    let stages = stages();
    for (image, binary) in IMAGES {
        let entrypoint = with_bases(&stages, image, "ENTRYPOINT").pop().unwrap();
        assert!(entrypoint.ends_with(&format!("\"/usr/local/bin/{binary}\"]")), "{image}: {entrypoint}");
        assert!(stages[image].all("COPY").any(|copy| copy.ends_with(&format!("/usr/local/bin/{binary}"))));
        let users = with_bases(&stages, image, "USER");
        assert_eq!(users.last().map(String::as_str), Some("65532:65532"), "{image}");
        assert!(root().join(binary).join("src/main.rs").is_file(), "{binary} is no crate with a binary");
        assert!(
            stages["build"].all("RUN").any(|run| run.contains(&format!("-p {binary}"))),
            "{binary} is not built"
        );
    }
}

#[test]
fn every_service_image_checks_its_health_by_its_own_binary_and_listens_on_its_port() {
    let stages = stages();
    for &service in ServiceName::ALL {
        let stage = &stages[service.as_str()];
        let check = stage.all("HEALTHCHECK").next().unwrap();
        let (_, command) = check.split_once("CMD ").unwrap();
        assert_eq!(command, format!("[\"/usr/local/bin/{}\", \"--check-health\"]", service.binary()));
        let port = service.default_listen().rsplit(':').next().unwrap();
        assert_eq!(stage.all("EXPOSE").collect::<Vec<_>>(), [port]);
        let listens = format!("{}=0.0.0.0:{port}", service.listen_variable());
        assert!(stage.all("ENV").any(|env| env.contains(&listens)), "{service} does not set {listens}");
    }
}

#[test]
fn what_the_images_copy_is_there_and_not_ignored() {
    let ignored: BTreeSet<String> = read(".dockerignore").lines().map(str::to_owned).collect();
    let manifest = read("Cargo.toml");
    let list = manifest.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    let crates = list.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty());
    let copied = ["governance", "templates", "migrations", "Cargo.toml", "Cargo.lock"];
    for needed in crates.chain(copied) {
        assert!(root().join(needed).exists(), "{needed} does not exist");
        assert!(!ignored.contains(needed), "{needed} is ignored");
    }
    for secret in [".env", ".git", "deploy"] {
        assert!(ignored.contains(secret), "{secret} would be in the build");
    }
    for stage in stages().values() {
        let from_here = |copy: &&str| !copy.starts_with("--from=") && !copy.starts_with("${PREBUILT}");
        for copy in stage.all("COPY").filter(from_here) {
            let source = copy.split_whitespace().next().unwrap();
            assert!(root().join(source).exists(), "COPY {copy}: there is no {source}");
        }
    }
}

#[test]
fn the_build_uses_a_compiler_and_a_profile_that_the_workspace_has() {
    let version = |text: &str| -> Vec<u32> {
        let number = text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find(|part| !part.is_empty());
        number.unwrap().split('.').map(|part| part.parse().unwrap()).collect()
    };
    let manifest = read("Cargo.toml");
    let least = manifest.split_once("rust-version = \"").unwrap().1;
    let dockerfile = read("Dockerfile");
    let used = dockerfile.split_once("ARG RUST_VERSION=").unwrap().1;
    assert!(version(used) >= version(least), "the image's Rust is older than rust-version");
    let profile = dockerfile.split_once("ARG PROFILE=").unwrap().1.lines().next().unwrap();
    assert!(manifest.contains(&format!("[profile.{profile}]")), "no profile {profile}");
}

/// The packages that `phasegate` is made of, with these features.
fn parts_of_phasegate(features: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "tree",
        "--package",
        "phasegate",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--offline",
        "--locked",
    ]);
    let output = cargo.args(features).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_images_leave_the_demo_and_its_doubles_of_vendors_out() {
    let stages = stages();
    assert!(stages["build"].all("RUN").any(|run| run.contains("--no-default-features")));
    let (shipped, whole) = (parts_of_phasegate(&["--no-default-features"]), parts_of_phasegate(&[]));
    for part in ["phasegate-demo v", "vendor-doubles v"] {
        assert!(whole.contains(part) && !shipped.contains(part), "{part}:\n{shipped}");
    }
    for (image, _) in IMAGES {
        assert!(!with_bases(&stages, image, "COPY").iter().any(|copy| copy.contains("demo")), "{image}");
    }
}

/// Keys of the Compose specification, as far as they are of use here; a misspelt key is one that is not.
const TOP_KEYS: &[&str] = &["name", "services", "volumes", "secrets"];
const SERVICE_KEYS: &[&str] = &[
    "build",
    "cap_drop",
    "depends_on",
    "entrypoint",
    "env_file",
    "environment",
    "healthcheck",
    "image",
    "ports",
    "profiles",
    "read_only",
    "restart",
    "secrets",
    "security_opt",
    "stop_grace_period",
    "tmpfs",
    "volumes",
];
const BUILD_KEYS: &[&str] = &["args", "context", "target"];
const HEALTH_KEYS: &[&str] = &["interval", "retries", "test", "timeout"];
const SECRET_KEYS: &[&str] = &["environment", "file"];

fn check_keys(value: &Value, allowed: &[&str], what: &str) {
    for key in members(value, what).keys().filter(|key| !key.starts_with("x-")) {
        assert!(allowed.contains(&key.as_str()), "{what}: unknown key {key}");
    }
}

#[test]
fn compose_uses_only_keys_of_the_specification() {
    let compose = compose();
    check_keys(&compose, TOP_KEYS, "docker-compose.yml");
    for (name, service) in members(&compose["services"], "services") {
        check_keys(service, SERVICE_KEYS, name);
        for (key, allowed) in [("build", BUILD_KEYS), ("healthcheck", HEALTH_KEYS)] {
            if let Some(part) = service.get(key) {
                check_keys(part, allowed, &format!("{name}.{key}"));
            }
        }
        assert!(service.get("image").is_some(), "{name} has no image");
    }
    for (name, secret) in members(&compose["secrets"], "secrets") {
        check_keys(secret, SECRET_KEYS, name);
    }
}

#[test]
fn compose_names_only_what_exists() {
    let (compose, stages) = (compose(), stages());
    let services = members(&compose["services"], "services");
    for (name, service) in services {
        if let Some(build) = service.get("build") {
            let target = build["target"].as_str().unwrap();
            assert!(stages.contains_key(target), "{name}: the Dockerfile has no target {target}");
            for argument in build.get("args").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
                let is_there = stages[target].all("ARG").any(|arg| arg.starts_with(&format!("{argument}=")));
                assert!(is_there, "{name}: the target {target} has no ARG {argument}");
            }
        }
        for (needed, condition) in service.get("depends_on").and_then(Value::as_object).into_iter().flatten()
        {
            assert_eq!(condition["condition"], "service_completed_successfully");
            assert!(services[needed].get("restart").is_none(), "{name} waits for the end of {needed}");
        }
        for secret in texts(&service["secrets"]) {
            assert!(compose["secrets"].get(secret).is_some(), "{name}: no secret {secret}");
        }
        for (source, _) in mounts(service) {
            match source.strip_prefix("./") {
                Some("telemetry") => {} // the operator's
                Some(path) => assert!(root().join(path).exists(), "{name}: no {path}"),
                None => assert!(compose["volumes"].get(&source).is_some(), "{name}: no volume {source}"),
            }
        }
    }
}

/// Source, as far as no variable names another one, and place of each.
fn mounts(service: &Value) -> Vec<(String, String)> {
    let mount = |volume: &str| {
        let volume = match volume.strip_prefix("${").and_then(|rest| rest.split_once('}')) {
            Some((variable, rest)) => format!("{}{rest}", variable.split_once(":-").expect("a default").1),
            None => volume.to_owned(),
        };
        let (source, place) = volume.split_once(':').expect("source:place");
        (source.to_owned(), place.to_owned())
    };
    texts(&service["volumes"]).into_iter().map(mount).collect()
}

/// What one service needs of another it asks for. The flag file is the flag system's, which the reporter moves.
#[test]
fn no_two_services_of_compose_share_a_volume() {
    let compose = compose();
    let mut users: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, service) in members(&compose["services"], "services") {
        for (source, _) in mounts(service).into_iter().filter(|(source, _)| !source.starts_with('.')) {
            users.entry(source).or_default().push(name);
        }
    }
    assert_eq!(users.remove("flags").unwrap(), ["reporter", "flags", "demo"]);
    for (volume, users) in users {
        assert_eq!(users.len(), 1, "{volume}: {users:?}");
    }
}

#[test]
fn the_policy_of_compose_is_in_order_and_its_flag_is_there() {
    let policy =
        Policy::load(&root().join("deploy/compose/governance/policy.yaml")).unwrap().admitted().unwrap();
    let seed: Value = serde_json::from_str(&read("deploy/compose/flags/flags.json")).unwrap();
    for (name, target) in &policy.targets {
        Templates::load(&root(), target).unwrap();
        let flag = &seed["flags"][name.as_str()];
        assert_eq!(flag["state"], "ENABLED", "{name}");
        assert!(flag["variants"]["on"].is_boolean(), "{name}");
    }
}

/// Beyond loopback only with tokens; and nothing is published beyond this machine.
#[test]
fn compose_starts_the_services_with_tokens_on_their_ports() {
    let compose = compose();
    for &service in ServiceName::ALL {
        let part = &compose["services"][service.as_str()];
        let environment = &part["environment"];
        let port = service.default_listen().rsplit(':').next().unwrap();
        assert_eq!(environment[service.listen_variable()], format!("0.0.0.0:{port}"));
        assert_eq!(environment["PHASEGATE_TOKENS"], "/run/secrets/tokens");
        assert!(texts(&part["secrets"]).contains(&"tokens"));
        assert_eq!(texts(&part["ports"]), [format!("127.0.0.1:{port}:{port}")]);
        for &neighbour in ServiceName::ALL {
            let variable = format!("PHASEGATE_{}_URL", neighbour.as_str().to_uppercase());
            let port = neighbour.default_listen().rsplit(':').next().unwrap();
            assert_eq!(environment[&variable], format!("http://{neighbour}:{port}"));
        }
        assert_eq!(part["read_only"], true);
        assert!(mounts(part).iter().any(|(source, place)| !source.starts_with('.') && place == "/data"));
    }
}

fn collect_sources(directory: &Path, into: &mut String) {
    let entries = std::fs::read_dir(directory).expect("a source directory");
    for path in entries.map(|entry| entry.expect("its entry").path()) {
        if path.is_dir() {
            collect_sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(path).expect("a source file"));
        }
    }
}

#[test]
fn every_variable_that_is_set_is_read() {
    let mut sources = String::new();
    for (_, binary) in IMAGES.into_iter().chain([("demo", "demo")]) {
        collect_sources(&root().join(binary).join("src"), &mut sources);
    }
    collect_sources(&root().join("service-kit/src"), &mut sources);
    let mut variables = BTreeSet::new();
    let compose = compose();
    let ours = |(name, _): &(&String, &Value)| *name != "postgres";
    for (_, service) in members(&compose["services"], "services").iter().filter(ours) {
        variables.extend(service["environment"].as_object().into_iter().flat_map(Map::keys).cloned());
    }
    for stage in stages().values() {
        for assignment in stage.all("ENV").flat_map(str::split_whitespace) {
            variables.insert(assignment.split('=').next().unwrap().to_owned());
        }
    }
    assert!(variables.len() > 10, "{variables:?}");
    for variable in variables {
        assert!(sources.contains(&format!("\"{variable}\"")), "{variable} is set, but no service reads it");
    }
}

/// `${NAME…}` in a text: name and what follows it.
fn interpolations(text: &str) -> Vec<(&str, &str)> {
    let inside = text.split("${").skip(1).map(|part| part.split_once('}').expect("an open ${").0);
    inside
        .map(|inside| {
            let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inside.len());
            inside.split_at(end)
        })
        .collect()
}

#[test]
fn the_init_script_writes_all_that_compose_asks_for_and_tokens_that_fit() {
    let directory = tempfile::tempdir().unwrap();
    let init = |expected: bool| {
        let script = root().join("deploy/compose/init.sh");
        let output = Command::new("sh").arg(script).arg(directory.path()).output().unwrap();
        assert_eq!(output.status.success(), expected, "{}", String::from_utf8_lossy(&output.stderr));
    };
    init(true);
    let text = std::fs::read_to_string(directory.path().join(".env")).unwrap();
    let written: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let bits = |secret: &str| secret.strip_prefix("phasegate_").unwrap_or(secret).len() * 4;
    assert!(written.values().all(|secret| bits(secret) == 256), "{:?}", written.keys());

    let compose = read("docker-compose.yml");
    let asked: BTreeSet<&str> = interpolations(&compose)
        .into_iter()
        .filter(|(_, rest)| !rest.starts_with(":-"))
        .map(|(name, rest)| {
            assert!(rest.starts_with(":?"), "{name} has neither a default nor a hint");
            name
        })
        .collect();
    assert_eq!(asked, written.keys().copied().collect());

    let tokens = Tokens::load(&directory.path().join("deploy/compose/tokens")).unwrap();
    let roles = |token: &str| &tokens.find(token).expect("its hash is in the file").roles;
    let services = ["service:analyzer", "service:collector", "service:reporter"];
    assert!(
        roles(written["PHASEGATE_SERVICE_TOKEN"]).iter().eq(services),
        "what each service asks of the others"
    );
    assert!(roles(written["PHASEGATE_TOKEN"]).contains("sre"));
    assert!(roles(written["PHASEGATE_TELEMETRY_TOKEN"]).iter().eq(["service:telemetry"]));

    init(false);
    assert_eq!(std::fs::read_to_string(directory.path().join(".env")).unwrap(), text);
}

/// The files that services get their settings from, as .gitignore names them. None has to be there.
fn env_files(compose: &Value) -> Vec<String> {
    let services = members(&compose["services"], "services").values();
    let files = services.filter_map(|service| service.get("env_file")?.as_array()).flatten();
    let path = |file: &Value| {
        assert_eq!(file["required"], false, "{file}");
        file["path"].as_str().expect("a path").trim_start_matches('.').to_owned()
    };
    files.map(path).collect()
}

#[test]
fn secrets_are_not_committed() {
    let ignored = read(".gitignore");
    let compose = compose();
    let given = env_files(&compose);
    assert_eq!(given, ["/deploy/compose/vendors.env"]);
    let held = ["/.env", "/deploy/compose/tokens"].into_iter().map(str::to_owned).chain(given);
    for file in held {
        assert!(ignored.lines().any(|line| line == file), "{file} is not ignored");
    }
}
