//! A kind of metric of somebody else: a floor under a count. Nothing of it stands in the product; it is added to the
//! registry's value, and all that the product does with a metric works for it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use domain::telemetry::event_specs;
use std::sync::Arc;
use std::time::Duration;

use domain::gate::metric::{Facts, Metric, MetricKind, Observation};
use domain::gate::{
    CheckedBatch, Judgement, Observed, judge, longest_look_back, observe_batch, observe_missing, recompute,
};
use domain::kinds::{Chosen, Kinds};
use domain::policy::Wrong;
use domain::policy::diff::Effect;
use domain::policy::draft::LimitChange;
use domain::policy::kind_section::{Section, Text, schema_of};
use domain::policy::schema::schema_json_of;
use domain::policy::{DisplayUnit, Policy, TargetPolicy};
use domain::story::Tally;
use domain::telemetry::totals::{BatchHead, Totals};
use events::EventSpec;
use shared_types::decision::{Cause, Direction, MetricVerdict};
use shared_types::{Batch, Decision, PhaseId, TargetName, Timestamp, Verdict, Window};

const SHIPPED: &str = include_str!("../../examples/policies/source-document.yaml");

/// A count that has to be reached.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawFloor {
    /// The event that has to occur often enough.
    floor: Text,
}

#[derive(Debug, PartialEq)]
struct Floor {
    of: String,
}

const FLOOR: MetricKind = MetricKind {
    key: "floor",
    schema: schema_of::<RawFloor>,
    read,
    example: "{ floor: autosave.save.completed }",
    has_attempts: false,
};

fn read(section: &Section, _window: Duration) -> Result<(Chosen<dyn Metric>, DisplayUnit), Wrong> {
    let raw: RawFloor = section.read()?;
    let of = section.text("floor", &raw.floor)?;
    Ok((Chosen(Arc::new(Floor { of })), DisplayUnit::Number))
}

impl Metric for Floor {
    fn needs(&self) -> Vec<EventSpec> {
        vec![EventSpec::counted(&self.of)]
    }

    fn observe(&self, facts: &Facts<'_>) -> Observation {
        Observation { value: Some(facts.count(&self.of) as f64), ..Observation::default() }
    }

    fn words(&self) -> String {
        format!("number of `{}`, a batch", self.of)
    }

    fn direction(&self) -> Direction {
        Direction::AtLeast
    }
}

fn kinds() -> Kinds {
    Kinds::shipped().with_metric(FLOOR)
}

/// The shipped policy with a floor of `limit` under the saves, in phase A.
fn text(limit: u64) -> String {
    SHIPPED
        .replacen(
            "{ builtin: collector_latency, display: s }",
            "{ builtin: collector_latency, display: s }\n      saves: { floor: autosave.save.completed }",
            1,
        )
        .replacen("collector_latency: rollback }", "collector_latency: rollback, saves: page }", 1)
        .replacen("collector_latency: 3m }", &format!("collector_latency: 3m, saves: {limit} }}"), 1)
        .replace("collector_latency: 2m }", "collector_latency: 2m, saves: 1000 }")
}

fn policy(limit: u64) -> Policy {
    Policy::parse_with(&text(limit), "p", &kinds()).unwrap_or_else(|error| panic!("{error}"))
}

fn target(policy: &Policy) -> &TargetPolicy {
    policy.targets.values().next().unwrap()
}

fn batch(policy: &Policy, saves: u64, save_ms: f64) -> Batch {
    let start = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
    let window = Window { start, end: start.plus(Duration::from_secs(900)) };
    let mut totals = Totals::default();
    totals.counters.insert("autosave.save.completed".into(), saves);
    let durations = totals.distributions.entry("autosave.save.completed".into()).or_default();
    (0..saves).for_each(|_| durations.0.record(save_ms));
    let head = BatchHead {
        target: TargetName::parse("autosave").unwrap(),
        phase: PhaseId::parse("A").unwrap(),
        epoch: 1,
        window,
        next_window: None,
        attempts: 1,
        source: "http",
        collected_at: window.end.plus(Duration::from_secs(31)),
        paused: Duration::ZERO,
        policy_version: None,
    };
    totals.into_batch(head, &event_specs(target(policy)).unwrap())
}

fn observed(policy: &Policy, saves: u64, save_ms: f64) -> Observed {
    let target = target(policy);
    let checked = CheckedBatch::check(batch(policy, saves, save_ms), target).unwrap();
    observe_batch(&checked, &[], target, &target.phases[0])
}

fn judged(policy: &Policy, saves: u64, save_ms: f64) -> Judgement {
    let (window, target) = (batch(policy, saves, save_ms).window, target(policy));
    judge(&observed(policy, saves, save_ms), window, None, target, &target.phases[0])
}

fn saves(judgement: &Judgement) -> &MetricVerdict {
    judgement.metrics.iter().find(|metric| metric.metric == "saves").unwrap()
}

/// PO-1: the section is read and refused like any other; without the kind it is no metric.
#[test]
fn a_policy_with_a_kind_of_ones_own_is_read() {
    let policy = policy(100);
    assert_eq!(target(&policy).metrics[4].kind.of_kind::<Floor>().unwrap().of, "autosave.save.completed");
    let refused = |text: &str, kinds: &Kinds| Policy::parse_with(text, "p", kinds).unwrap_err().to_string();
    let text = text(100);
    let error = refused(&text, &Kinds::shipped());
    assert_eq!(
        error,
        "p:22:14: targets.autosave.metrics.saves: expected exactly one of `quantile`, `ratio`, `count`, `mean`, `value` and `builtin`"
    );
    let error = refused(&text.replacen("{ floor: autosave.save.completed }", "{ floor: \"\" }", 1), &kinds());
    assert_eq!(error, "p:22:23: targets.autosave.metrics.saves.floor: expected a text that is not empty");
    let with_another = text.replacen("{ floor: autosave.save.completed }", "{ floor: x, over: 1h }", 1);
    let error = refused(&with_another, &kinds());
    assert_eq!(error, "p:22:32: targets.autosave.metrics.saves.over: does not belong to this kind of metric");
    let schema = schema_json_of(&kinds());
    assert!(schema.contains("The event that has to occur often enough."));
}

/// SLO-1, SLO-2: a floor is violated below it, kept at it, and near it from above there is a warning.
#[test]
fn a_floor_is_judged_from_its_own_side() {
    let policy = policy(100);
    for (count, verdict) in [
        (0, Verdict::Violation),
        (99, Verdict::Violation),
        (100, Verdict::Warn),
        (124, Verdict::Warn),
        (125, Verdict::Ok),
        (1000, Verdict::Ok),
    ] {
        let judgement = judged(&policy, count, 500.0);
        assert_eq!(saves(&judgement).verdict, verdict, "{count}");
        assert_eq!(judgement.violated.contains(&"saves".to_owned()), verdict == Verdict::Violation);
    }
    let judgement = judged(&policy, 50, 500.0);
    assert_eq!((saves(&judgement).observed, saves(&judgement).ratio), (Some(50.0), Some(0.5)));
    assert!(!judgement.rollback_required(), "its answer is a page");
}

/// SLO-3: floors and ceilings stand in one order, by how many times they are missed.
#[test]
fn what_misses_its_floor_by_more_is_worse() {
    let policy = policy(200);
    // 2.5 s are allowed: 1.6 times too slow, and 4 times, or once and a third, too few.
    assert_eq!(judged(&policy, 50, 4000.0).violated, ["saves", "save_latency_p95"]);
    assert_eq!(judged(&policy, 150, 4000.0).violated, ["save_latency_p95", "saves"]);
    assert_eq!(judged(&policy, 0, 500.0).violated, ["saves"]);
}

/// SLO-7: a window that did not come says nothing of it.
#[test]
fn silence_is_no_count() {
    let policy = policy(100);
    let target = target(&policy);
    let missing = observe_missing(Cause::CollectionDelayed, Duration::from_secs(300), target);
    let window = batch(&policy, 1, 500.0).window;
    let judgement = judge(&missing, window, None, target, &target.phases[0]);
    assert_eq!((saves(&judgement).observed, saves(&judgement).verdict), (None, Verdict::Insufficient));
    assert_eq!(longest_look_back(target), Duration::from_secs(3600));
}

/// PO-1, PO-3: tables, differences and drafts say the side that is meant, and lowering a floor loosens.
#[test]
fn texts_say_at_least() {
    let (strict, loose) = (policy(100), policy(80));
    let table = domain::policy::render::threshold_table(target(&strict));
    assert!(table.contains("| `saves` | number of `autosave.save.completed`, a batch | ≥ 100 |"), "{table}");
    assert!(strict.summary().to_string().contains("≥ 100"));
    let change = |old: &Policy, new: &Policy| {
        let diff = old.diff(new);
        (diff.changes[0].change.clone(), diff.changes[0].effect)
    };
    assert_eq!(change(&strict, &loose), ("saves ≥ 100 → ≥ 80".to_owned(), Effect::Looser));
    assert_eq!(change(&loose, &strict), ("saves ≥ 80 → ≥ 100".to_owned(), Effect::Stricter));
    let (target, phase) = (TargetName::parse("autosave").unwrap(), PhaseId::parse("A").unwrap());
    let tried = LimitChange { target, phase, metric: "saves".to_owned(), threshold: 80.0 };
    assert_eq!(strict.with_limits(&[tried]).unwrap(), loose);
}

fn decision(policy: &Policy, counts: &[u64]) -> Vec<Decision> {
    use domain::gate::ledger::{Judged, Rules, decide};
    use domain::gate::{GateState, Subject, batch_hash};
    let target = target(policy);
    let mut state = GateState::unheard(TargetName::parse("autosave").unwrap());
    let rules = Rules { version: &policy.version, policy: target, phase: &target.phases[0] };
    let mut made = Vec::new();
    for count in counts {
        let batch = batch(policy, *count, 500.0);
        let (subject, at, hash) = (Subject::of(&batch), batch.collected_at, batch_hash(&batch));
        let observed = observed(policy, *count, 500.0);
        let judged = Judged { subject, observed, batch_hash: Some(hash), elapsed_ms: None, sequence: 1, at };
        made.push(decide(&mut state, rules, judged));
    }
    made
}

/// SLO-10, DA-5: its decisions carry the side, are told by the lowest value of a day, and come out the same again; those
/// that were made before there was a side are read as before.
#[test]
fn decisions_carry_the_side() {
    let policy = policy(100);
    let made = decision(&policy, &[50]).remove(0);
    let json = serde_json::to_value(&made).unwrap();
    assert_eq!(json["metrics"][4]["direction"], "at_least");
    assert!(json["metrics"][0].get("direction").is_none(), "{json}");
    assert_eq!(serde_json::from_value::<Decision>(json).unwrap(), made);

    let again = recompute::decide_again(&made, Some(&batch(&policy, 50, 500.0)), &[], &policy).unwrap();
    assert_eq!(recompute::differences(&made, &again), []);

    let mut tally = Tally::default();
    decision(&policy, &[300, 50, 200]).iter().for_each(|it| tally.take(it, false));
    let slo = tally.finish().1.into_iter().find(|slo| slo.metric == "saves").unwrap();
    assert_eq!((slo.worst, slo.direction), (Some(50.0), Direction::AtLeast));
}
