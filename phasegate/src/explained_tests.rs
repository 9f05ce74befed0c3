//! What an on-call person reads.

use serde_json::json;

use super::*;

fn explanation(recomputed: &serde_json::Value) -> Explanation {
    let window = json!({"start": "2026-11-22T10:30:00.000Z", "end": "2026-11-22T10:45:00.000Z"});
    let before = json!({"start": "2026-11-22T10:15:00.000Z", "end": "2026-11-22T10:30:00.000Z"});
    let p95 = json!({"metric": "save_latency_p95", "observed": 2.81, "threshold": 2.0, "unit": "s", "ratio": 1.405,
        "verdict": "violation", "on_violation": "rollback", "bad": 320, "attempts": 4810, "allowed": 0.05, "evidence": 8.1,
        "needed": 6.9, "design_effect": 1.0});
    let drift = json!({"metric": "history_drift", "observed": 0.5, "threshold": 0.0, "unit": "", "ratio": null,
        "verdict": "violation", "on_violation": "rollback"});
    let value = json!({"metric": "history_drift", "window": before, "value": 1.0});
    let explained = |verdict: &serde_json::Value, more: serde_json::Value| {
        let mut whole = verdict.clone();
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        whole
    };
    let line = |phase: &str, text: &str, line: u64| json!({"path": format!("targets.autosave.phases[1].thresholds.{phase}"), "text": text, "line": line, "column": 30});
    serde_json::from_value(json!({
        "decision": {
            "schema": "phasegate.decision/1", "decision_id": "0f4a8c7e-2c54-5d0e-9d0b-6a1f5f0d3c11",
            "target": "autosave", "phase": "B", "epoch": 2, "window": window, "verdict": "violation",
            "rollback_required": true, "action": "rollback", "cause": "slo", "metrics": [p95, drift],
            "violated": ["history_drift", "save_latency_p95"], "policy_version": "sha256:5e1f",
            "decided_at": "2026-11-22T10:45:31.250Z",
            "gate": {"epoch": 2, "compliant_batches": 0, "compliant_ms": 0, "needed_batches": null,
                     "needed_ms": 86_400_000, "satisfied": false,
                     "broken_by": {"window": window, "cause": "slo", "metric": "history_drift"}, "through": window},
            "evidence": {"batch_hash": "sha256:ab", "samples": 4822, "history": [value], "sequence": 3},
        },
        "metrics": [
            explained(&p95, json!({"warn_above": 1.6, "certainty": "320 of 4810 against 5 %: 1 in 2000000 by luck; evidence 8.1 of 6.9", "luck": null, "policy": line("save_latency_p95", "2.0s", 41), "history": []})),
            explained(&drift, json!({"warn_above": null, "certainty": "0.5, at most 0", "luck": null, "policy": null, "history": [value]})),
        ],
        "batch": {
            "batch_hash": "sha256:ab", "collected_at": "2026-11-22T10:45:31.000Z",
            "received_at": "2026-11-22T10:45:31.250Z", "source": "jsonl", "attempts": 1,
            "counters": {"autosave.save.completed": 4810, "autosave.save.error": 12},
            "intake": {"malformed": 0, "late": 0, "duplicates": 0, "unknown": 0},
        },
        "event": null,
        "recomputed": recomputed,
    }))
    .unwrap()
}

/// SLO-10
#[test]
fn an_explanation_reads_plainly() {
    insta::assert_snapshot!(text(&explanation(&json!({"same": true, "differences": []}))));
}

/// SLO-10: what a source was asked stands below what it gave.
#[test]
fn an_explanation_tells_what_was_asked() {
    let mut explanation = explanation(&json!({"same": true, "differences": []}));
    let query = json!({"name": "autosave.save.error", "query": "errors_total[1200s]", "time": "2026-11-22T10:45:00.000Z",
        "answer": "sha256:20dc"});
    let batch = explanation.batch.as_mut().unwrap();
    batch.queries = vec![serde_json::from_value(query).unwrap()];
    batch.intake.extrapolated.insert("autosave.save.error".to_owned(), "by increase()".to_owned());
    let text = text(&explanation);
    let line = "autosave.save.error 12 (extrapolated by increase())\n  asked for autosave.save.error: errors_total[1200s] at 2026-11-22T10:45:00.000Z; \
                the answer's hash is sha256:20dc\n  policy sha256:5e1f\n";
    assert!(text.contains(line), "{text}");
}

/// SLO-10
#[test]
fn differences_are_named_one_by_one() {
    let found = json!({"same": false, "differences": [
        {"field": "metrics[0].observed", "stored": 2.81, "recomputed": 1.71},
        {"field": "evidence.batch_hash", "stored": null, "recomputed": null, "why": "the batch it judged is not there"},
    ]});
    insta::assert_snapshot!(recomputed(&serde_json::from_value(found).unwrap()));
}
