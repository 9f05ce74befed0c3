//! The violation fixture: judged without services, and sent through them (source §7.1).

use std::fs;

use phasegate_tests::cli::{self, Ran};
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use serde_json::{Value, json};

use super::begin;
use crate::story::POLICY;

const VIOLATION: &str = "tests/fixtures/autosave_phaseA_violation.jsonl";

/// The letter of the source: the fixture is a violation of its one window.
const LITERAL: &str = "examples/policies/source-document.yaml";

fn analyze(more: &[&str]) -> Ran {
    cli::phasegate(&[&["analyze", "--dry-run"], more].concat())
}

fn by_the_letter(more: &[&str]) -> Ran {
    analyze(&[&["--policy", LITERAL], more].concat())
}

/// SLO-11, source §7.1: the verdict is the exit status; decision and plan are printed.
#[test]
fn the_dry_run_of_the_violation_fixture_says_rollback() {
    let ran = by_the_letter(&["--fixture", VIOLATION, "--phase", "A"]);
    assert_eq!(ran.status, Some(2), "{ran:?}");
    for part in [
        "VIOLATION",
        "save_latency_p95   3.434 s",
        "the reporter would:",
        "roll back A → off: pnpm run flags:rollback --phase off",
        "open an incident and page AutoSave at P2",
        "#incident-autosave: 🚨 AutoSave A violation / metric=error_rate",
    ] {
        assert!(ran.out.contains(part), "`{part}` in\n{}", ran.out);
    }
    for (fixture, status) in [("ok", 0), ("warn", 1), ("insufficient", 3)] {
        let fixture = format!("tests/fixtures/autosave_phaseA_{fixture}.jsonl");
        let ran = analyze(&["--fixture", &fixture, "--phase", "A"]);
        assert_eq!(ran.status, Some(status), "{fixture}: {ran:?}");
        assert!(!ran.out.contains("roll back"), "{}", ran.out);
        assert_eq!(by_the_letter(&["--fixture", &fixture, "--phase", "A"]).status, Some(status));
    }
    // By evidence three errors of 120 are no proof against one per cent, and people are told how sure the gate is.
    let doubt = analyze(&["--fixture", VIOLATION, "--phase", "A"]);
    assert_eq!(doubt.status, Some(4), "{doubt:?}");
    assert!(doubt.out.contains("3 of 120 against 1 %: 1 in 8 by luck") && !doubt.out.contains("roll back"));
}

/// SLO-11: what cannot be judged is over 10, with one line that says where and why.
#[test]
fn a_dry_run_that_cannot_be_says_so_in_one_line() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let broken = directory.path().join("broken.jsonl");
    let batches = cli::workspace().join("tests/fixtures/autosave_phaseA_batches.jsonl");
    let first = fs::read_to_string(batches).expect("the fixture").lines().next().map(str::to_owned);
    let text = format!("{}\n{{\"schema\": \"phasegate.batch/1\", \"target\"\n", first.expect("a line"));
    fs::write(&broken, text).expect("a file");
    let broken = broken.to_str().expect("a path");
    let cases: [(&[&str], i32, &[&str]); 6] = [
        (&["--fixture", "no-such-file.jsonl", "--phase", "A"], 13, &["no-such-file.jsonl"]),
        (&["--fixture", broken, "--phase", "A"], 12, &[broken, "line 2"]),
        (&["--fixture", "/dev/null", "--phase", "A"], 12, &["/dev/null"]),
        (&["--fixture", VIOLATION, "--phase", "Z"], 13, &["`Z`"]),
        (&["--fixture", VIOLATION, "--phase", "A", "--policy", "no-policy.yaml"], 13, &["no-policy.yaml"]),
        (&["--fixture", VIOLATION, "--phase", "A", "--target", "nope"], 13, &["nope"]),
    ];
    for (arguments, status, parts) in cases {
        let ran = analyze(arguments);
        assert_eq!(ran.status, Some(status), "{arguments:?}: {ran:?}");
        assert_eq!((ran.err.lines().count(), ran.out.as_str()), (1, ""), "{arguments:?}: {ran:?}");
        assert!(parts.iter().all(|part| ran.err.contains(part)), "{arguments:?}: {}", ran.err);
    }
}

/// The fixture's events as if all of them had happened just now.
fn restamped() -> String {
    let now = jiff::Timestamp::now();
    let fixture = fs::read_to_string(cli::workspace().join(VIOLATION)).expect("the fixture");
    let lines = fixture.lines().map(|line| {
        let mut event: Value = serde_json::from_str(line).expect("an event");
        event["ts"] = json!(now.to_string());
        format!("{event}\n")
    });
    lines.collect()
}

/// Source §7.1, DE-3, RB-1, CO-3: the fixture's telemetry in a file that the collector reads leads to the
/// rollback that the dry run announced.
#[tokio::test(flavor = "multi_thread")]
async fn the_violation_fixture_through_the_services_rolls_back() {
    let vendors = Vendors::start().await;
    let literal = POLICY.replace("warn_ratio: 80%", "judge: window\n      warn_ratio: 80%");
    let stack = Stack::start(Layout::ThreeOnPostgres, &literal, &vendors.environment()).await;
    begin(&stack).await;
    fs::write(stack.telemetry_directory().join("fixture.jsonl"), restamped()).expect("the telemetry");
    stack.until_phase("off", "off").await;
    assert_eq!(stack.phase_changes(), ["off A", "A off"], "{}", stack.logs());

    // By the literal policy, which has the same thresholds on the fixture's own scale of time.
    let dry = by_the_letter(&["--fixture", VIOLATION, "--phase", "A", "--output", "json"]);
    let dry: Value = serde_json::from_str(&dry.out).unwrap_or_else(|error| panic!("{error}: {dry:?}"));
    let real =
        stack.get("analyzer", "/v1/decisions?target=autosave&verdict=violation").await.expect("decisions");
    let (dry, real) = (&dry["decisions"][0], &real["items"][0]);
    assert_eq!(real["rollback_required"], true, "{real}");
    assert_eq!(real["violated"], dry["violated"]);
    assert_eq!(real["metrics"][0], dry["metrics"][0], "the p95");
    assert_eq!(real["metrics"][1], dry["metrics"][1], "the error rate");
    let text = vendors.until_message("🚨 AutoSave A violation / metric=error_rate").await;
    assert!(text.contains("phasegate rollback --target autosave --phase A"), "{text}");
    assert_eq!(vendors.pagerduty.incidents().len(), 1);
}
