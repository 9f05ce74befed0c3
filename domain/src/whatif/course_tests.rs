//! Rollouts over made-up telemetry.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::whatif::archive::Judge;
use shared_types::Histogram;
use shared_types::batch::{Distribution, Intake, SCHEMA};

use super::*;

const QUARTER: Duration = Duration::from_secs(900);

fn policy(change: impl FnOnce(String) -> String) -> Arc<Policy> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/policies/source-document.yaml");
    let text = change(std::fs::read_to_string(shipped).unwrap());
    Arc::new(Policy::parse(&text, "policy").unwrap())
}

fn autosave() -> TargetName {
    TargetName::parse("autosave").unwrap()
}

/// The `n`th quarter of an hour, with saves of so many ms; recorded in phase A, epoch 1.
fn batch(n: u32, save_ms: f64) -> Batch {
    let start = Timestamp::parse("2026-11-22T00:00:00Z").unwrap().plus(QUARTER * n);
    let window = Window { start, end: start.plus(QUARTER) };
    let mut histogram = Histogram::default();
    for _ in 0..100 {
        histogram.record(save_ms);
    }
    let q = |q| histogram.quantile(q).unwrap();
    let saves = Distribution {
        unit: "ms".into(),
        count: 100,
        p50: q(0.5),
        p95: q(0.95),
        p99: q(0.99),
        max: save_ms,
        histogram: histogram.encode(),
    };
    let counters =
        [("autosave.save.completed", 100), ("autosave.save.error", 0), ("autosave.history.drift", 0)];
    Batch {
        schema: SCHEMA.into(),
        target: autosave(),
        phase: PhaseId::parse("A").unwrap(),
        epoch: 1,
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

/// Both ways of measuring have to give the same course.
fn played(policy: &Arc<Policy>, batches: &[Batch]) -> Course {
    let run = |shared: bool| {
        let mut rollout = Rollout::new(Arc::clone(policy), &autosave(), policy).unwrap();
        let mut measure = Judge::new(Arc::clone(policy), autosave(), None).unwrap();
        for batch in batches {
            let of = Archived::as_recorded(batch, batch.collected_at);
            let observed = measure.judge(of, None).ok().filter(|_| shared);
            rollout.add(
                batch,
                batch.collected_at,
                observed.as_ref().or(measure.judge(of, None).ok().as_ref()),
            );
        }
        rollout.finish()
    };
    let course = run(true);
    assert_eq!(course, run(false));
    course
}

fn phases(course: &Course) -> Vec<&str> {
    course.phases.iter().map(|it| it.phase.as_str()).collect()
}

/// PO-4, PH-2 to PH-4: a healthy rollout goes up as soon as each condition holds: 2 h, 24 h, 72 h, and the windows that
/// span a move belong to no phase.
#[test]
fn a_healthy_rollout_reaches_its_end() {
    let batches: Vec<Batch> = (0..420).map(|n| batch(n, 500.0)).collect();
    let course = played(&policy(|text| text), &batches);
    assert_eq!(phases(&course), ["A", "B", "C"]);
    let hours = |at: Timestamp| at.since(batches[0].window.start).as_secs() / 3600;
    assert_eq!(course.phases.iter().map(|it| hours(it.at)).collect::<Vec<_>>(), [0, 2, 26]);
    assert_eq!(course.completed_at.map(hours), Some(98));
    assert_eq!((course.incidents, course.rollbacks.len(), course.unjudged), (0, 0, 0));
}

/// PO-4, RB-1, RB-6: what phase A bears is too slow for B: one step down, a watch, and up again; a looser limit bears it.
#[test]
fn a_violation_rolls_back_one_phase_and_another_limit_does_not() {
    let slow = |n: u32| {
        if n < 20 {
            500.0
        } else if n < 24 {
            2_300.0
        } else {
            500.0
        }
    };
    let batches: Vec<Batch> = (0..60).map(|n| batch(n, slow(n))).collect();
    let course = played(&policy(|text| text), &batches);
    assert_eq!(phases(&course)[..3], ["A", "B", "A"]);
    let rollback = &course.rollbacks[0];
    assert_eq!((rollback.from.as_str(), rollback.to.as_str()), ("B", "A"));
    assert_eq!(rollback.reason, "save_latency_p95 violation");
    assert_eq!(rollback.at, batches[20].collected_at);
    assert_eq!((course.rollbacks.len(), course.incidents), (1, 1), "{course:?}");
    assert_eq!(phases(&course).len(), 4, "after the watch it goes up again: {course:?}");

    let looser = policy(|text| text.replace("save_latency_p95: 2.0s", "save_latency_p95: 2.4s"));
    let course = played(&looser, &batches);
    assert_eq!((phases(&course), course.rollbacks.len()), (vec!["A", "B"], 0));
}

/// A violation in the first phase ends at `off`; it starts again when the recorded rollout did.
#[test]
fn a_rollout_that_went_off_starts_with_the_recorded_one() {
    let mut batches: Vec<Batch> = (0..30).map(|n| batch(n, if n == 3 { 9_000.0 } else { 500.0 })).collect();
    for batch in &mut batches[12..] {
        batch.epoch = 3;
    }
    let course = played(&policy(|text| text), &batches);
    assert_eq!(phases(&course)[..3], ["A", "off", "A"]);
    assert_eq!(course.phases[2].at, batches[12].window.start);
}

/// SLO-7: a batch that never came is missed here too.
#[test]
fn a_hole_is_a_violation() {
    let batches: Vec<Batch> = (0..12).filter(|n| *n != 5).map(|n| batch(n, 500.0)).collect();
    let course = played(&policy(|text| text), &batches);
    assert_eq!(course.rollbacks[0].reason, "collector_latency violation");
}
