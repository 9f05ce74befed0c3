//! The hosted CI file, as far as it can be checked without its host: it runs the very script that guards the tree on
//! any machine, may only read, and comes to an end.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

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
