//! Policies of very many targets (PO-1): no limit, no growth but with what is written.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]
#![allow(clippy::disallowed_methods, reason = "it writes files, and measures")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use domain::policy::Policy;
use domain::policy::place::Places;

const SHIPPED: &str = include_str!("../../governance/policy.yaml");

/// As many copies of the shipped target, whole.
fn whole(targets: usize) -> String {
    let (before, rest) = SHIPPED.split_once("  autosave:\n").unwrap();
    let (target, after) = rest.split_once("\nretention:").unwrap();
    let mut text = before.to_owned();
    for index in 0..targets {
        let _ = write!(text, "  t{index}:\n{target}");
    }
    text + "\nretention:" + after
}

/// The shipped target as a template, and as many targets that name it, four lines each, in files of a thousand.
fn of_a_template(folder: &Path, targets: usize) {
    let text = SHIPPED.replacen("targets:\n  autosave:\n    title: AutoSave\n", "templates:\n  usual:\n", 1);
    fs::write(folder.join("policy.yaml"), text + "targets_from: teams/*.yaml\n").unwrap();
    fs::create_dir(folder.join("teams")).unwrap();
    for (file, first) in (0..targets).step_by(1000).enumerate() {
        let mut text = "targets:\n".to_owned();
        for index in first..targets.min(first + 1000) {
            let _ = write!(
                text,
                "  t{index}:\n    template: usual\n    title: Target {index}\n    collection: {{ source: {{ jsonl: {{ paths: [\"telemetry/{index}/*.jsonl\"] }} }} }}\n"
            );
        }
        fs::write(folder.join(format!("teams/{file:04}.yaml")), text).unwrap();
    }
}

/// PO-1: 842 targets of the shipped size were one too many.
#[test]
fn a_policy_may_have_as_many_targets_as_it_needs() {
    let policy = Policy::parse(&whole(842), "p").unwrap();
    assert_eq!(policy.targets.len(), 842);
    let folder = tempfile::tempdir().unwrap();
    of_a_template(folder.path(), 3000);
    let policy = Policy::load(&folder.path().join("policy.yaml")).unwrap().admitted().unwrap();
    assert_eq!(policy.targets.len(), 3000);
    let [first, last] = ["t0", "t2999"].map(|name| &policy.targets[&name.parse().unwrap()]);
    assert!(first.metrics.is(&last.metrics) && first.notifications.is(&last.notifications));
    assert_eq!(policy.lint.warnings.len(), Policy::parse(SHIPPED, "p").unwrap().lint.warnings.len());
    let places = Places::of(&policy.text).unwrap();
    let place = places.threshold("t2999", "A", "error_rate").unwrap();
    assert_eq!(places.in_file(&place, "p").0, "p");
}

/// PO-1: what loading costs: `cargo test --release -p domain --test many_targets -- --ignored --nocapture`.
#[test]
#[ignore = "measures; says something in a release build only"]
fn how_long_loading_takes() {
    for targets in [842, 5000] {
        let text = whole(targets);
        let begun = std::time::Instant::now();
        Policy::parse(&text, "p").unwrap();
        println!("{targets} whole, {} KiB: {:?}", text.len() / 1024, begun.elapsed());
    }
    for targets in [1000, 10_000, 100_000] {
        let folder = tempfile::tempdir().unwrap();
        of_a_template(folder.path(), targets);
        let begun = std::time::Instant::now();
        let policy = Policy::load(&folder.path().join("policy.yaml")).unwrap();
        let loaded = begun.elapsed();
        Places::of(&policy.text).unwrap();
        println!(
            "{targets} of a template, {} KiB: {loaded:?}, places {:?}",
            policy.text.len() / 1024,
            begun.elapsed() - loaded
        );
    }
}
