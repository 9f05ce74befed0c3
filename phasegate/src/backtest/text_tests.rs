//! What a reviewer reads.

use serde_json::json;

use super::*;

fn compared() -> Compared {
    let window = |hour: &str| json!({"start": format!("2026-11-22T{hour}:00:00.000Z"), "end": format!("2026-11-22T{hour}:15:00.000Z")});
    let said = |verdict: &str, rollback: bool, violated: &[&str]| json!({"verdict": verdict, "rollback_required": rollback, "violated": violated, "decided_at": "2026-11-22T11:15:31.000Z"});
    let gate = json!({
        "target": "autosave", "from": "2026-11-22T10:00:00.000Z", "to": "2026-11-23T10:00:00.000Z",
        "policy": "sha256:2222", "compared_with": ["sha256:1111"], "same": false, "differs": true, "decisions": 96, "identical": 0,
        "verdicts": {"old": {"ok": 90, "insufficient": 0, "warn": 6, "violation": 0},
                     "new": {"ok": 90, "insufficient": 0, "warn": 4, "violation": 2}},
        "changes": {"total": 2, "items": [{
            "decision_id": "0f4a8c7e-2c54-5d0e-9d0b-6a1f5f0d3c11", "window": window("11"), "phase": "B", "epoch": 2,
            "cause": "slo", "old": said("warn", false, &[]), "new": said("violation", true, &["save_latency_p95"]),
            "metrics": [{"metric": "save_latency_p95", "unit": "s", "observed": 1.8, "old_threshold": 2.0,
                         "new_threshold": 1.5, "old": "warn", "new": "violation"}]}]},
        "rollbacks": {"kept": 0, "gained": 1, "lost": 0, "moved": 0, "items": [{"epoch": 2, "phase": "B", "old": null,
            "new": {"window": window("11"), "decided_at": "2026-11-22T11:15:31.000Z", "metric": "save_latency_p95"}}]},
        "phases": [{"epoch": 2, "phase": "B", "old": "2026-11-23T09:45:31.000Z", "new": null}],
        "detection": {"episodes": 1, "old": {"noticed": 0, "median_ms": null, "worst_ms": null},
            "new": {"noticed": 1, "median_ms": 931_000, "worst_ms": 931_000}, "items": []},
        "not_replayed": [
            {"reason": "missing_windows", "detail": "nothing is kept of them", "windows": 3, "first": window("12")},
            {"reason": "window_length", "detail": "made in windows of 15m, the policy asks for 10m", "windows": 96,
             "first": window("10")}],
        "spreads": [{"metric": "error_rate", "pairs": 2_801, "spread": 0.2214},
                    {"metric": "save_latency_p95", "pairs": 12, "spread": null}],
        "unjudged": {"total": 0, "items": []}, "strip": {"start_ms": [], "old": "", "new": ""},
    });
    let (a, b) = (shared_types::PhaseId::parse("A").unwrap(), shared_types::PhaseId::parse("B").unwrap());
    let at = |text: &str| shared_types::Timestamp::parse(text).unwrap();
    let entered = |phase: &shared_types::PhaseId, text: &str| domain::whatif::course::Entered {
        phase: phase.clone(),
        at: at(text),
    };
    let old =
        Course { phases: vec![entered(&b, "2026-11-22T10:00:00Z")], completed_at: None, ..Course::default() };
    let new = Course {
        phases: vec![entered(&b, "2026-11-22T10:00:00Z"), entered(&a, "2026-11-22T11:15:31Z")],
        rollbacks: vec![domain::whatif::course::RolledBack {
            from: b.clone(),
            to: a.clone(),
            at: at("2026-11-22T11:15:31Z"),
            reason: "save_latency_p95 violation".to_owned(),
        }],
        incidents: 1,
        ..Course::default()
    };
    Compared::new(serde_json::from_value(gate).unwrap(), Some(Courses { old, new }))
}

/// PO-4
#[test]
fn a_backtest_reads_plainly() {
    insta::assert_snapshot!(text(&compared()));
}
