//! The shipped policy holds the numbers of SLO-1 and the rules around it; wrong ones are refused by line and path.

use std::path::Path;

use std::time::Duration;

use shared_types::decision::ViolationAction;
use shared_types::{PhaseId, TargetName};

use super::*;
use crate::gate::metric::mean::Mean;
use crate::sources::jsonl::Jsonl;

mod examples;
mod generated;
mod sources;
mod templates;
mod wrong;

const SHIPPED: &str = include_str!("../../../../governance/policy.yaml");

fn autosave() -> TargetPolicy {
    let policy = Policy::parse(SHIPPED, "governance/policy.yaml").unwrap();
    policy.targets.into_values().next().unwrap()
}

/// PO-1
#[test]
fn the_shipped_policy_is_read_whole() {
    let policy = Policy::parse(SHIPPED, "governance/policy.yaml").unwrap();
    assert_eq!(policy.targets.keys().map(TargetName::as_str).collect::<Vec<_>>(), ["autosave"]);
    assert!(
        Policy::is_version(&policy.version) && !Policy::is_version(&policy.version[..70]),
        "{}",
        policy.version
    );
    assert_eq!(&*policy.text, SHIPPED);
    assert_eq!(policy.retention.batches, Some(Duration::from_hours(24 * 400)));
    assert_eq!((policy.retention.audit, policy.retention.histograms), (None, None));
    let target = autosave();
    assert_eq!(target.collection.window, Duration::from_mins(15));
    assert_eq!(target.collection.retry, [30, 60, 120, 240].map(Duration::from_secs));
    assert_eq!(
        target.collection.source.of_kind::<Jsonl>(),
        Some(&Jsonl { paths: vec!["telemetry/autosave/*.jsonl".into()] })
    );
    assert_eq!(target.transitions.executor.describe().read_back, None);
    assert_eq!(target.evidence.len(), 5);
}

/// SLO-1
#[test]
fn the_shipped_thresholds_are_those_of_the_rules() {
    let target = autosave();
    let limits =
        |metric: &str| -> Vec<f64> { target.phases.iter().map(|phase| phase.thresholds[metric]).collect() };
    assert_eq!(limits("save_latency_p95"), [2.5, 2.0, 1.8]);
    assert_eq!(limits("error_rate"), [1.0, 0.5, 0.3]);
    assert_eq!(limits("history_drift"), [0.0, 0.0, 0.0]);
    assert_eq!(limits("collector_latency"), [180.0, 120.0, 120.0]);
    let names: Vec<&str> = target.metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, ["save_latency_p95", "error_rate", "history_drift", "collector_latency"]);
    assert_eq!(
        target.metrics[2].kind.of_kind::<Mean>(),
        Some(&Mean { of: "autosave.history.drift".into(), over: Duration::from_hours(1) })
    );
    assert_eq!((target.gate.warn_ratio, target.gate.min_samples), (0.8, 50));
    // JU-8: what troubles the collector is not the version's doing.
    let actions: Vec<_> = target.metrics.iter().map(|metric| metric.on_violation).collect();
    let rollback = ViolationAction::Rollback;
    assert_eq!(actions, [rollback, rollback, rollback, ViolationAction::Page]);
    let gate = &target.gate;
    assert!(gate.judge.weighs() && (gate.certainty, gate.spread) == (1000.0, 0.15));
    assert_eq!((gate.gaps.tolerated, gate.gaps.blind), (3, ViolationAction::Page));
}

/// The letter of the source document stays one policy away: it differs from the shipped one in how windows are judged alone.
#[test]
fn the_literal_reading_is_one_policy_away() {
    let text = include_str!("../../../../examples/policies/source-document.yaml");
    let literal = Policy::parse(text, "source-document.yaml").unwrap().targets.into_values().next().unwrap();
    assert!(!literal.gate.judge.weighs());
    assert!(literal.metrics.iter().all(|metric| metric.on_violation == ViolationAction::Rollback));
    let mut shipped = autosave();
    shipped.gate = literal.gate.clone();
    shipped.metrics.clone_from(&literal.metrics);
    assert_eq!(shipped, literal);
}

/// JU-2, JU-8: what a policy that says nothing of it gets.
#[test]
fn a_gate_without_the_keys_of_evidence_has_those_that_are_shipped() {
    let lines = SHIPPED.lines().filter(|line| {
        !["judge:", "certainty:", "spread:", "uncounted:", "gaps:", "on_regression:"]
            .iter()
            .any(|key| line.trim_start().starts_with(key))
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let bare = Policy::parse(&text, "policy.yaml").unwrap().targets.into_values().next().unwrap();
    assert_eq!(bare.gate, autosave().gate);
}

/// PH-1, PH-2, PH-3, PH-4
#[test]
fn the_shipped_phases_are_those_of_the_rules() {
    let target = autosave();
    let phase = |id: &str| target.phase(&PhaseId::parse(id).unwrap()).unwrap();
    let audiences: Vec<f64> = target.phases.iter().map(|phase| phase.audience_percent).collect();
    assert_eq!(audiences, [5.0, 30.0, 100.0]);
    let (a, b, c) = (&phase("A").advance, &phase("B").advance, &phase("C").advance);
    assert_eq!(a.condition, AdvanceCondition::CompliantBatches(8));
    assert_eq!(a.approvals, ["sre", "dev-lead"]);
    assert_eq!(b.condition, AdvanceCondition::CompliantFor(Duration::from_hours(24)));
    assert_eq!((b.critical_alerts, b.incident_notifications), (Some(0), None));
    assert_eq!(b.approvals, ["sre"]);
    assert_eq!(c.condition, AdvanceCondition::CompliantFor(Duration::from_hours(72)));
    assert_eq!((c.critical_alerts, c.incident_notifications), (None, Some(0)));
    assert_eq!(c.approvals, ["governance"]);
}

/// PO-1: the budget of automatic rollbacks is six a day where the file says nothing.
#[test]
fn the_rollback_budget_has_a_default() {
    assert_eq!(autosave().transitions.budget, RollbackBudget::default());
    let line = "recovery: { watch: 30m, cadence: 5m }";
    let text =
        SHIPPED.replacen(line, &format!("{line}\n      budget: {{ automatic_rollbacks: 3, per: 12h }}"), 1);
    let budget = Policy::parse(&text, "p").unwrap().targets.into_values().next().unwrap().transitions.budget;
    assert_eq!((budget.automatic_rollbacks, budget.per), (3, Duration::from_hours(12)));
}

/// PH-1, RB-1
#[test]
fn below_the_first_phase_is_off_and_above_the_last_completed() {
    let target = autosave();
    let id = |text: &str| PhaseId::parse(text).unwrap();
    for (phase, below, above) in [
        ("off", None, Some("A")),
        ("A", Some("off"), Some("B")),
        ("B", Some("A"), Some("C")),
        ("C", Some("B"), Some("completed")),
        ("completed", Some("C"), None),
        ("D", None, None),
    ] {
        assert_eq!(target.below(&id(phase)), below.map(id), "below {phase}");
        assert_eq!(target.above(&id(phase)), above.map(id), "above {phase}");
    }
}

/// PO-1
#[test]
fn the_version_changes_with_any_byte_and_targets_stand_side_by_side() {
    let target = SHIPPED.split_once("targets:\n").unwrap().1.split_once("\nretention:").unwrap().0;
    let second = target.replace("autosave", "merge").replacen("window: 15m", "window: 2s", 1);
    let second = second.replacen("grace: 30s", "grace: 200ms", 1).replacen("cadence: 5m", "cadence: 1s", 1);
    let text = SHIPPED.replace("\nretention:", &format!("\n{second}\nretention:"));
    let policy = Policy::parse(&text, "policy.yaml").unwrap();
    assert_eq!(policy.targets.keys().map(TargetName::as_str).collect::<Vec<_>>(), ["autosave", "merge"]);
    let merge = &policy.targets[&TargetName::parse("merge").unwrap()];
    assert_eq!(merge.collection.window, Duration::from_secs(2));
    let commented = Policy::parse(&format!("{text}# a remark\n"), "policy.yaml").unwrap();
    assert_eq!(commented.targets, policy.targets);
    assert_ne!(commented.version, policy.version);
}

/// PO-1
#[test]
fn a_file_that_is_not_text_or_not_there_is_refused_by_name() {
    let wrong = Policy::parse_bytes(b"version: 1\n# \xff\n", "policy.yaml").expect_err("not UTF-8");
    assert_eq!(wrong.to_string(), "policy.yaml:2:3: expected UTF-8 text");
    let absent = Policy::load(Path::new("no/such/policy.yaml")).expect_err("absent");
    assert_eq!(absent.to_string(), "no/such/policy.yaml: cannot be read");
    for empty in ["", "# nothing\n", "---\n", "null\n", "[]\n"] {
        Policy::parse(empty, "policy.yaml").expect_err("no policy at all");
    }
}

/// PO-1
#[test]
fn the_summary_shows_targets_phases_thresholds_and_version() {
    let summary = Policy::parse(SHIPPED, "governance/policy.yaml").unwrap().summary();
    insta::assert_snapshot!(summary.to_string().replace(&summary.version, "sha256:…"));
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["targets"][0]["phases"][1]["thresholds"]["error_rate"], 0.5);
}
