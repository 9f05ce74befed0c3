//! The hosted CI file, as far as it can be checked without its host: it runs the very script that guards the tree on
//! any machine, may only read, and comes to an end. And what users put into theirs: `deploy/ci`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn workflow() -> Value {
    serde_saphyr::from_str(&read(".github/workflows/ci.yml")).expect("ci.yml is no YAML")
}

/// Name and content.
fn jobs(workflow: &Value) -> impl Iterator<Item = (&String, &Value)> {
    workflow["jobs"].as_object().expect("jobs").iter()
}

/// What the steps of a job have under this key.
fn steps<'a>(job: &'a Value, key: &'a str) -> impl Iterator<Item = &'a str> {
    job["steps"].as_array().into_iter().flatten().filter_map(move |step| step[key].as_str())
}

#[test]
fn pull_requests_and_main_are_guarded_by_the_script_that_guards_the_tree() {
    let workflow = workflow();
    assert!(workflow["on"].as_object().expect("on").contains_key("pull_request"));
    assert_eq!(workflow["on"]["push"]["branches"], serde_json::json!(["main"]));
    let (_, run) = jobs(&workflow).find(|(name, _)| *name == "run").expect("the job run");
    assert_eq!(run["if"], "github.event_name == 'pull_request' || github.event_name == 'push'");
    assert!(steps(run, "run").any(|command| command == "bash .ci/run"), "{run}");
    assert!(is_script(".ci/run"));
}

/// Whether a person can start it by its name.
fn is_script(file: &str) -> bool {
    let found = std::fs::metadata(root().join(file));
    found.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[test]
fn the_long_runs_are_each_nights_and_known_to_contributors() {
    assert!(is_script(".ci/full"));
    let workflow = workflow();
    assert!(workflow["on"].as_object().expect("on").contains_key("schedule"));
    assert!(jobs(&workflow).any(|(_, job)| steps(job, "run").any(|command| command == "bash .ci/full")));
    assert!(read("docs/contributing/README.md").contains("`.ci/full`"));
}

#[test]
fn a_job_may_only_read_and_comes_to_an_end() {
    let workflow = workflow();
    assert_eq!(workflow["permissions"], serde_json::json!({ "contents": "read" }));
    for (name, job) in jobs(&workflow) {
        assert!(job.get("permissions").is_none(), "{name} has permissions of its own");
        let minutes = job["timeout-minutes"].as_u64().unwrap_or_else(|| panic!("{name} has no time limit"));
        assert!((1..=360).contains(&minutes), "{name}: {minutes} minutes");
        for step in job["steps"].as_array().expect("steps") {
            let checkout = step["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/checkout@"));
            assert!(
                !checkout || step["with"]["persist-credentials"] == false,
                "{name} leaves its token behind"
            );
        }
    }
}

/// A tag can be moved to other code, a commit cannot.
#[test]
fn actions_are_named_by_their_commit() {
    let workflow = workflow();
    for (name, job) in jobs(&workflow) {
        for uses in steps(job, "uses") {
            let (_, version) = uses.split_once('@').unwrap_or((uses, ""));
            let commit = version.len() == 40 && version.chars().all(|c| c.is_ascii_hexdigit());
            assert!(commit, "{name}: {uses}");
        }
    }
}

#[test]
fn the_hosted_compiler_is_the_one_that_images_are_built_with() {
    let dockerfile = read("Dockerfile");
    let version = dockerfile.split_once("ARG RUST_VERSION=").unwrap().1.lines().next().unwrap();
    for (name, job) in jobs(&workflow()) {
        assert_eq!(job["container"]["image"], format!("rust:{version}-bookworm"), "{name}");
        for step in job["steps"].as_array().expect("steps") {
            let key = step["with"]["key"].as_str();
            assert!(
                key.is_none_or(|key| key.contains(version)),
                "{name}: {key:?} keeps another compiler's work"
            );
        }
    }
}

/// The one step of the composite action.
fn gate_step() -> Value {
    let action: Value =
        serde_saphyr::from_str(&read("deploy/ci/github-action/action.yml")).expect("action.yml is no YAML");
    assert_eq!(action["runs"]["using"], "composite");
    action["runs"]["steps"][0].clone()
}

/// What became of the step: its exit status, what it called, what it gave out, what the run's summary says.
struct Ran {
    status: Option<i32>,
    called: String,
    given_out: String,
    summary: String,
}

/// Runs the step as its host would, before a `phasegate` and a `docker` that end with that status.
fn run_gate_step(given: &[(&str, &str)], status: i32) -> Ran {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    for program in ["phasegate", "docker"] {
        let script = format!(
            "#!/bin/sh\necho \"{program} $* token=${{PHASEGATE_TOKEN-none}}\" > '{}'\necho judged\nexit {status}\n",
            at("called").display()
        );
        std::fs::write(at(program), script).expect("a program");
        std::fs::set_permissions(at(program), std::fs::Permissions::from_mode(0o755)).expect("it can be run");
    }
    let step = gate_step();
    let names = step["env"].as_object().expect("env").keys();
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").expect("a path"));
    let ended = Command::new("bash")
        .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().expect("a script")])
        .envs(names.map(|name| (name.as_str(), "")))
        .envs(given.iter().copied())
        .envs([
            ("PATH", path.into()),
            ("GITHUB_OUTPUT", at("output")),
            ("GITHUB_STEP_SUMMARY", at("summary")),
        ])
        .output()
        .expect("bash runs");
    let text = |name: &str| std::fs::read_to_string(at(name)).unwrap_or_default();
    Ran {
        status: ended.status.code(),
        called: text("called"),
        given_out: text("output"),
        summary: text("summary"),
    }
}

#[test]
fn the_action_ends_as_the_gate_does_and_gives_its_status_out() {
    for status in [0, 1, 6] {
        let ran = run_gate_step(&[("GATE_TARGET", "checkout"), ("GATE_WAIT", "45m")], status);
        assert_eq!(ran.status, Some(status));
        assert_eq!(ran.called, "phasegate gate --target checkout --wait=45m token=none\n");
        assert_eq!((ran.given_out, ran.summary), (format!("status={status}\n"), "judged\n".to_owned()));
    }
}

#[test]
fn the_action_can_ask_once_and_by_the_image() {
    let image = ("GATE_IMAGE", "phasegate/phasegate:0.1.0");
    let ran = run_gate_step(&[("GATE_TARGET", "a; reboot"), image, ("PHASEGATE_TOKEN", "secret")], 0);
    let expected = "docker run --rm --network host --env PHASEGATE_REPORTER_URL --env PHASEGATE_TOKEN \
                    phasegate/phasegate:0.1.0 gate --target a; reboot token=secret\n";
    assert_eq!(ran.called, expected);
}

/// What is put into a script by the host is read as a part of it, whatever it is.
#[test]
fn no_input_of_the_action_becomes_a_part_of_its_script() {
    let step = gate_step();
    assert!(!step["run"].as_str().expect("a script").contains("${{"), "{step}");
}

#[test]
fn the_job_for_gitlab_waits_for_less_than_it_lives() {
    let file: Value = serde_saphyr::from_str(&read("deploy/ci/gitlab.yml")).expect("gitlab.yml is no YAML");
    let job = &file[".phasegate-gate"];
    assert_eq!((&job["timeout"], &job["variables"]["GATE_WAIT"]), (&"1h".into(), &"45m".into()));
    let script = r#"phasegate gate --target "$GATE_TARGET" --wait="$GATE_WAIT""#;
    assert_eq!(job["script"], serde_json::json!([script]));
}
