//! The checklist over made-up facts: all in order, and then one thing wrong at a time, found at the right item.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use analyzer_svc::store::StoredBatch;
use domain::gate::batch_hash;
use domain::kinds::Kinds;
use domain::policy::Policy;
use domain::template::Templates;
use domain::template::values::decision_values;
use serde_json::{Value, json};
use shared_types::batch::{Distribution, Intake, SCHEMA};
use shared_types::{Batch, Decision, Histogram, PhaseId, Window};

use super::facts::{Facts, Notice, Standing};
use super::line::Line;
use super::*;

const QUARTER: Duration = Duration::from_secs(900);

fn at(minutes: u64) -> Timestamp {
    Timestamp::parse("2026-11-22T10:00:00Z").unwrap().plus(Duration::from_secs(60 * minutes))
}

fn batch(n: u64) -> Batch {
    let window = Window { start: at(15 * n), end: at(15 * n).plus(QUARTER) };
    let mut histogram = Histogram::default();
    (1..=100).for_each(|save| histogram.record(f64::from(save) * 10.0));
    let q = |q| histogram.quantile(q).unwrap();
    let saves = Distribution {
        unit: "ms".into(),
        count: 100,
        p50: q(0.5),
        p95: q(0.95),
        p99: q(0.99),
        max: 1000.0,
        histogram: histogram.encode(),
    };
    let counters =
        [("autosave.save.completed", 100), ("autosave.save.error", 1), ("autosave.history.drift", 0)];
    Batch {
        schema: SCHEMA.into(),
        target: TargetName::parse("autosave").unwrap(),
        phase: PhaseId::parse("B").unwrap(),
        epoch: 2,
        window,
        counters: counters.map(|(name, count)| (name.to_owned(), count)).into(),
        distributions: BTreeMap::from([("autosave.save.completed".to_owned(), saves)]),
        buckets: BTreeMap::new(),
        breakdowns: BTreeMap::new(),
        values: BTreeMap::new(),
        queries: Vec::new(),
        intake: Intake::default(),
        collector_latency_ms: 31_000,
        attempts: 1,
        source: "jsonl".into(),
        collected_at: window.end.plus(Duration::from_secs(31)),
        next_window: None,
        policy_version: None,
    }
}

/// Four quarters of phase B; the last one violates, is rolled back, and the rollback is done.
fn in_order() -> Facts {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let policy = Policy::load(&root.join("examples/policies/source-document.yaml")).unwrap();
    let policy = policy.targets.into_values().next().unwrap();
    let templates = Templates::load(root, &policy).unwrap();
    let batches: Vec<Batch> = (0..4).map(batch).collect();
    let decisions: Vec<Decision> = (0..4).map(|n| decision(&batches[n], n == 3)).collect();
    let stored = batches.iter().zip(&decisions).map(|(batch, decision)| StoredBatch {
        batch_hash: batch_hash(batch),
        received_at: decision.decided_at,
        decision_id: decision.decision_id,
        verdict: decision.verdict,
        batch: batch.clone(),
    });
    let explanations = decisions.iter().map(|it| (it.decision_id, explanation(it, true)));
    let text = templates.ok.render(&decision_values(&policy, &decisions[0])).unwrap();
    let notice = Notice {
        id: uuid::Uuid::from_u128(1),
        kind: "ok".into(),
        channel: "#autosave-rollout".into(),
        text,
        incident: None,
        decision: Some(decisions[0].decision_id),
        state: "sent".into(),
        created_at: at(16),
    };
    let card = json!({
        "target": "autosave", "window": batches[3].window,
        "slos": [metric("save_latency_p95", Some(0.95), "s"), metric("error_rate", Some(100.0 / 101.0), "%"),
                 metric("history_drift", Some(0.0), ""), metric("collector_latency", Some(31.0), "s")],
    });
    Facts {
        kinds: Kinds::shipped(),
        target: TargetName::parse("autosave").unwrap(),
        from: at(0),
        to: at(120),
        lines: Some(batches.iter().map(|it| (it.window.start, Line::Whole(Box::new(it.clone())))).collect()),
        batches: stored.collect(),
        explanations: explanations.collect(),
        card: serde_json::from_value(card).unwrap(),
        policy: Some(policy),
        templates: Some(templates),
        telemetry: None,
        notifications: vec![notice],
        incidents: vec![serde_json::from_value(incident(&decisions[3], "succeeded", true)).unwrap()],
        rollout: Standing { phase: PhaseId::parse("A").unwrap(), epoch: 3, since: Some(at(62)) },
        decisions,
    }
}

fn metric(name: &str, observed: Option<f64>, unit: &str) -> Value {
    json!({"metric": name, "observed": observed, "threshold": 2.0, "unit": unit, "ratio": null, "verdict": "ok",
           "on_violation": "rollback"})
}

fn decision(batch: &Batch, violates: bool) -> Decision {
    let id = uuid::Uuid::from_u128(0xd0 + u128::try_from(batch.window.start.as_millis()).unwrap());
    serde_json::from_value(json!({
        "schema": "phasegate.decision/1", "decision_id": id, "target": "autosave", "phase": "B", "epoch": 2,
        "window": batch.window, "verdict": if violates { "violation" } else { "ok" },
        "rollback_required": violates, "action": if violates { json!("rollback") } else { Value::Null }, "cause": "slo",
        "metrics": [metric("save_latency_p95", Some(0.949), "s"), metric("error_rate", Some(0.99), "%")],
        "violated": if violates { vec!["error_rate"] } else { vec![] }, "policy_version": "sha256:1",
        "decided_at": batch.collected_at,
        "gate": {"epoch": 2, "compliant_batches": 1, "compliant_ms": 900_000, "needed_batches": null,
                 "needed_ms": 86_400_000, "satisfied": false, "broken_by": null, "through": batch.window},
    }))
    .unwrap()
}

fn explanation(decision: &Decision, same: bool) -> analyzer_svc::explain::Explanation {
    let difference = json!({"field": "metrics[0].observed", "stored": 0.949, "recomputed": 1.2});
    let differences = if same { vec![] } else { vec![difference] };
    serde_json::from_value(json!({
        "decision": decision, "metrics": [], "batch": null, "event": null,
        "recomputed": {"same": same, "differences": differences},
    }))
    .unwrap()
}

fn incident(decision: &Decision, state: &str, finished: bool) -> Value {
    let hop = |minute: u64, kind: &str, detail: &str, data: Value| json!({"at": at(minute), "kind": kind, "detail": detail, "data": data});
    let transition = json!({"transition": "00000000-0000-0000-0000-000000007c5a"});
    let mut timeline = vec![
        hop(60, "batch_window_ended", "", Value::Null),
        hop(
            61,
            "decided",
            "violation (slo)",
            json!({"decision": decision.decision_id, "window": decision.window}),
        ),
        hop(
            61,
            "decision_received",
            "",
            json!({"decision": decision.decision_id, "window": decision.window}),
        ),
        hop(61, "rollback_requested", "phasegate: B to A", transition.clone()),
        hop(61, "command_started", "attempt 1", transition.clone()),
    ];
    if finished {
        timeline.push(hop(62, "command_finished", "exit status 0", transition));
        timeline.push(hop(
            62,
            "phase_changed",
            "",
            json!({"hop": "phase_changed", "from": "B", "to": "A", "epoch": 3}),
        ));
    }
    json!({
        "id": "INC-20261122-001", "recovered_at": null, "closed_at": null,
        "rollback": {"state": state},
        "decisions": [decision.decision_id], "timeline": timeline,
    })
}

fn outcomes(report: &Report) -> Vec<Outcome> {
    report.items.iter().map(|it| it.outcome).collect()
}

/// VE-1: all six hold, each with its figure.
#[test]
fn what_is_in_order_is_ok() {
    let report = check(&in_order(), &[]);
    assert!(report.ok, "{}", text(&report));
    assert_eq!(outcomes(&report), [Outcome::Ok; 6]);
    insta::assert_snapshot!("ok", text(&report));
}

/// VE-1: one thing wrong fails its item, and no other.
#[track_caller]
fn fails(item: Item, expected: &str, change: impl FnOnce(&mut Facts)) {
    let mut facts = in_order();
    change(&mut facts);
    let report = check(&facts, &[]);
    assert!(!report.ok);
    for finding in &report.items {
        let wanted = if finding.item == item { Outcome::Failed } else { Outcome::Ok };
        assert_eq!(finding.outcome, wanted, "{}", text(&report));
    }
    assert!(text(&report).contains(expected), "`{expected}` in\n{}", text(&report));
    assert!(text(&report).contains('→'), "it says what to do");
}

/// VE-1, CO-3
#[test]
fn an_incomplete_archive_is_found() {
    fails(Item::Jsonl, "no line", |it| _ = it.lines.as_mut().unwrap().remove(&at(15)));
    fails(Item::Jsonl, "torn", |it| {
        it.lines.as_mut().unwrap().insert(at(15), Line::Torn("EOF".into()));
    });
    fails(Item::Jsonl, "not the batch that was judged", |it| {
        let mut other = batch(1);
        other.counters.insert("autosave.save.error".into(), 2);
        it.lines.as_mut().unwrap().insert(at(15), Line::Whole(Box::new(other)));
    });
    fails(Item::Jsonl, "no batch was ever made", |it| {
        it.batches.remove(1);
        it.lines.as_mut().unwrap().remove(&at(15));
    });
    fails(Item::Jsonl, "the analyzer has no such batch", |it| _ = it.batches.remove(0));
}

/// VE-1: a rollout's start lies in the time: the windows before it are archived, and nobody judges them.
#[test]
fn windows_outside_a_rollout_need_no_judgement() {
    let mut facts = in_order();
    let off = Batch { phase: PhaseId::off(), epoch: 0, ..batch(0) };
    facts.lines.as_mut().unwrap().insert(at(0), Line::Whole(Box::new(off)));
    facts.batches.remove(0);
    facts.decisions.remove(0);
    facts.notifications.clear();
    facts.explanations.retain(|id, _| facts.decisions.iter().any(|it| it.decision_id == *id));
    let report = check(&facts, &[]);
    assert!(report.ok, "{}", text(&report));
    assert!(report.items[0].figure.starts_with("3 windows, 3 whole lines, 0 wrong"), "{}", text(&report));
}

/// VE-1, SLO-10
#[test]
fn a_decision_that_comes_out_otherwise_is_found() {
    fails(Item::Recompute, "metrics[0].observed: stored 0.949, recomputed 1.2", |it| {
        let decision = it.decisions[1].clone();
        it.explanations.insert(decision.decision_id, explanation(&decision, false));
    });
}

/// VE-1, DA-2: 5 % is the limit, whichever way.
#[test]
fn a_dashboard_that_is_off_is_found() {
    fn p95(facts: &mut Facts) -> &mut Option<f64> {
        &mut facts.card.as_mut().unwrap().slos[0].observed
    }
    fails(Item::Dashboard, "save_latency_p95: shown 1 s", |it| *p95(it) = Some(1.0));
    fails(Item::Dashboard, "save_latency_p95: shown 0.9 s", |it| *p95(it) = Some(0.9));
    fails(Item::Dashboard, "shown nothing", |it| *p95(it) = None);
    fails(Item::Dashboard, "history_drift", |it| it.card.as_mut().unwrap().slos[2].observed = Some(0.25));
    let mut near = in_order();
    *p95(&mut near) = Some(0.98);
    let report = check(&near, &[]);
    assert!(report.ok && text(&report).contains("beyond the goal"), "{}", text(&report));
}

/// VE-1: after a rollback to `off` nothing is shown, and nothing can be off; while a phase is judged, that is not passed.
#[test]
fn a_dashboard_without_a_window_is_in_order_only_where_nothing_is_judged() {
    let mut facts = in_order();
    facts.card.as_mut().unwrap().window = None;
    assert_eq!(check(&facts, &[]).items[2].outcome, Outcome::NotChecked);
    facts.rollout.phase = PhaseId::off();
    let report = check(&facts, &[]);
    assert!(
        report.ok && text(&report).contains("0 figures: the target is in phase off"),
        "{}",
        text(&report)
    );
}

/// VE-1
#[test]
fn drift_is_found() {
    let mut facts = in_order();
    facts.batches[0].batch.counters.insert("autosave.history.drift".into(), 2);
    let report = check(&facts, &[Item::Jsonl]);
    let finding = &report.items[3];
    assert_eq!(finding.outcome, Outcome::Failed);
    assert!(finding.problems[0].contains("autosave.history.drift 2"), "{finding:?}");
    assert!(finding.remedy.unwrap().contains("maxGenerations"));
}

/// VE-1, NO-2
#[test]
fn unfilled_notifications_are_found() {
    let with = |text: &'static str| move |it: &mut Facts| it.notifications[0].text = text.to_owned();
    fails(Item::Notifications, "`{phase}`", with("✅ AutoSave {phase} OK"));
    fails(Item::Notifications, "`NaN`", with("✅ AutoSave B OK / p95=NaNs / err=NaN%"));
    fails(Item::Notifications, "`null`", with("✅ AutoSave B OK / p95=null"));
    fails(Item::Notifications, "`n/a`", with("✅ AutoSave B OK / p95=n/a"));
    fails(Item::Notifications, "(window) is not in", with("✅ AutoSave B OK / p95=0.949s / err=0.99%"));
    fails(Item::Notifications, "nothing", with(" "));
}

/// VE-1, DE-5
#[test]
fn a_rollback_that_did_not_end_is_found() {
    let with = |state: &'static str, finished: bool| {
        move |it: &mut Facts| {
            it.incidents = vec![serde_json::from_value(incident(&it.decisions[3], state, finished)).unwrap()];
        }
    };
    fails(Item::Rollbacks, "is running", with("running", false));
    fails(Item::Rollbacks, "waits for its start", with("requested", false));
    fails(Item::Rollbacks, "failed", with("failed", false));
    fails(Item::Rollbacks, "waits for a person: frozen by sre", |it| {
        let mut waiting = incident(&it.decisions[3], "requested", false);
        let hop = json!({"at": at(61), "kind": "rollback_waiting", "detail": "frozen by sre", "data": {"transition": "00000000-0000-0000-0000-000000007c5a"}});
        waiting["timeline"].as_array_mut().unwrap().push(hop);
        it.incidents = vec![serde_json::from_value(waiting).unwrap()];
    });
    fails(Item::Rollbacks, "has not reached the reporter", |it| {
        it.incidents.clear();
        it.rollout.since = Some(at(0));
        it.rollout.epoch = 2;
    });
}

/// PH-8: a violation of a stay that was over by then asks for nothing.
#[test]
fn a_violation_of_a_stay_that_was_over_is_not_lost() {
    let mut facts = in_order();
    let mut late = decision(&batch(4), true);
    late.decided_at = at(76);
    facts.explanations.insert(late.decision_id, explanation(&late, true));
    facts.decisions.push(late);
    let report = check(&facts, &[Item::Jsonl]);
    assert!(report.ok, "{}", text(&report));
    assert!(report.items[5].figure.contains("2 rollback_required, 1 traced"), "{:?}", report.items[5]);
}

/// VE-1: what cannot be looked at is not passed, unless it was left out by name.
#[test]
fn what_cannot_be_looked_at_fails_unless_it_is_left_out() {
    let mut facts = in_order();
    facts.lines = None;
    facts.policy = None;
    let report = check(&facts, &[]);
    assert!(!report.ok);
    for (number, outcome) in [(0, Outcome::NotChecked), (2, Outcome::NotChecked), (3, Outcome::NotChecked)] {
        assert_eq!(report.items[number].outcome, outcome, "{}", text(&report));
    }
    let report = check(&facts, &[Item::Jsonl, Item::Dashboard, Item::Drift]);
    assert!(report.ok, "{}", text(&report));
    insta::assert_snapshot!("skipped", markdown(&report));
}

/// CO-3: files are read by their names, as they stand in the folder.
#[test]
fn the_archive_is_read_from_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let line = |n| format!("{}\n", serde_json::to_string(&batch(n)).unwrap());
    write("20261122T100000Z.jsonl", &line(0));
    write("20261122T101500Z.jsonl", line(1).trim_end());
    write("20261122T103000Z.jsonl", &line(1));
    write("20261122T104500.250Z.jsonl", "{\n");
    write("20261122T120000Z.jsonl", &line(8));
    write("notes.txt", "none of ours");
    let lines = Line::read_all(folder.path(), at(0), at(120)).unwrap();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(matches!(&lines[&at(0)], Line::Whole(it) if it.window == batch(0).window));
    assert!(lines.values().skip(1).all(|line| matches!(line, Line::Torn(_))), "{lines:?}");
    assert_eq!(Line::read_all(&folder.path().join("nothing"), at(0), at(1)), None);
    // A day in one file: a line that was damaged is told by its window, and one that is not whole yet is not there.
    let day = |lines: &[&str]| write("2026-11-22.jsonl", &lines.concat());
    let damaged = line(3).replace("\"counters\":", "\"counters\"");
    day(&[&line(0), &line(2), &damaged, "{\n", line(4).trim_end()]);
    let lines = Line::read_all(folder.path(), at(0), at(120)).unwrap();
    assert!(matches!(&lines[&at(0)], Line::Whole(_)), "the same as in its own file: {lines:?}");
    let Line::Torn(why) = &lines[&at(30)] else { panic!("{lines:?}") };
    assert_eq!(why, "it stands there twice, and not the same");
    let Line::Torn(why) = &lines[&at(45)] else { panic!("{lines:?}") };
    assert!(why.starts_with("line 3: "), "{why}");
    assert!(matches!(&lines[&at(45).plus(Duration::from_millis(1))], Line::Torn(_)), "{lines:?}");
    assert!(!lines.contains_key(&at(60)), "{lines:?}");
    // The newest window began less than a second ago.
    let just_now = at(15).plus(Duration::from_millis(250));
    assert!(Line::read_all(folder.path(), at(0), just_now).unwrap().contains_key(&at(15)));
}
