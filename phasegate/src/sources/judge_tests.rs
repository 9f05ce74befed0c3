#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use domain::kinds::Chosen;
use domain::policy::Policy;
use domain::sources::http::Http;
use domain::telemetry::event_specs;
use domain::telemetry::totals::{BatchHead, Totals};
use shared_types::batch::Intake;
use shared_types::{PhaseId, TargetName, Timestamp, Window};

use super::*;
use crate::doctor::Level;

const COMPLETED: &str = "autosave.save.completed";
const ERROR: &str = "autosave.save.error";

/// The shipped policy: 50 attempts a window.
fn policy() -> TargetPolicy {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../governance/policy.yaml");
    Policy::load(std::path::Path::new(shipped)).unwrap().targets.into_values().next().unwrap()
}

fn batch(policy: &TargetPolicy, counts: &[(&str, u64)], missing: &[(&str, &str)]) -> Batch {
    let start = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
    let window = Window { start, end: start.plus(Duration::from_secs(900)) };
    let mut totals = Totals {
        counters: counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        ..Totals::default()
    };
    totals.intake.missing =
        missing.iter().map(|(name, why)| ((*name).to_owned(), (*why).to_owned())).collect();
    let head = BatchHead {
        target: TargetName::parse("autosave").unwrap(),
        phase: PhaseId::parse("A").unwrap(),
        epoch: 1,
        window,
        next_window: None,
        attempts: 1,
        source: "jsonl",
        collected_at: window.end,
        paused: Duration::ZERO,
        policy_version: None,
    };
    totals.into_batch(head, &event_specs(policy).unwrap())
}

fn of<'a>(reports: &'a [MetricReport], name: &str) -> &'a MetricReport {
    reports.iter().find(|it| it.metric == name).unwrap()
}

#[track_caller]
fn stands_with(judge: JudgeBy, attempts: u64, standing: Standing, windows: Option<u64>, said: &str) {
    let mut policy = policy();
    policy.gate.judge = judge;
    let batch = batch(&policy, &[(COMPLETED, attempts)], &[]);
    let reports = metrics(&policy, batch).unwrap();
    let report = of(&reports, "error_rate");
    assert_eq!((report.standing, report.windows_needed), (standing, windows));
    assert_eq!((report.attempts, report.min_samples), (Some(attempts), Some(50)));
    let told: Vec<String> = report.problems.iter().map(|it| format!("{} → {}", it.said, it.remedy)).collect();
    assert!(told.join("\n").contains(said) && told.is_empty() == said.is_empty(), "{told:?}");
}

/// SLO-6: with less attempts than the gate asks for a window says nothing by itself; how many do is said.
#[test]
fn too_few_attempts_take_several_windows() {
    let evidence = |attempts, standing, windows, said| {
        stands_with(JudgeBy::Evidence, attempts, standing, windows, said);
    };
    evidence(50, Standing::Judged, Some(1), "");
    evidence(49, Standing::TooFew, Some(2), "49 attempts of at least 50: a verdict takes 2 windows");
    evidence(1, Standing::TooFew, Some(50), "1 attempt of at least 50");
    evidence(0, Standing::TooFew, None, "no attempt in the window, of at least 50 → see whether the feature");
    stands_with(JudgeBy::Window, 20, Standing::TooFew, Some(3), "each stays `insufficient`");
}

/// What needs no minimum is judged by whatever came, and what the collector knows of itself is not of the source.
#[test]
fn what_needs_no_attempts_is_judged_without_any() {
    let policy = policy();
    let reports = metrics(&policy, batch(&policy, &[], &[])).unwrap();
    let drift = of(&reports, "history_drift");
    assert_eq!((drift.standing, drift.value, drift.attempts), (Standing::Judged, Some(0.0), None));
    let latency = of(&reports, "collector_latency");
    assert_eq!((latency.standing, latency.value, latency.unit), (Standing::Judged, None, "s"));
    assert_eq!(latency.made_of[0].from, Origin::Collector);
}

/// Durations come one by one, whatever a limit is.
#[test]
fn durations_are_known_exactly() {
    let policy = policy();
    let reports = metrics(&policy, batch(&policy, &[], &[])).unwrap();
    assert_eq!(of(&reports, "save_latency_p95").resolution, Some(Resolution::Exact));
    assert_eq!(of(&reports, "error_rate").resolution, None);
}

/// CO-5: what the source does not have is no zero, and says why.
#[test]
fn what_is_missing_says_why() {
    let policy = policy();
    let batch = batch(&policy, &[(COMPLETED, 100)], &[(ERROR, "no sample of `errors_total`")]);
    let reports = metrics(&policy, batch).unwrap();
    let report = of(&reports, "error_rate");
    assert_eq!((report.standing, report.value, report.attempts), (Standing::Missing, None, None));
    assert_eq!(report.problems[0].level, Level::Failed);
    assert_eq!(report.problems[0].said, "autosave.save.error: no sample of `errors_total`");
    assert_eq!(of(&reports, "history_drift").standing, Standing::Judged);
}

/// TE-5: an estimate is judged as what it is, and told.
#[test]
fn what_is_extrapolated_says_so() {
    let policy = policy();
    let mut batch = batch(&policy, &[(COMPLETED, 100)], &[]);
    batch.intake.extrapolated.insert(ERROR.to_owned(), "by increase()".to_owned());
    let reports = metrics(&policy, batch).unwrap();
    let report = of(&reports, "error_rate");
    assert_eq!((report.standing, report.attempts), (Standing::Judged, Some(100)));
    assert_eq!(report.problems[0].level, Level::Warning);
    assert_eq!(report.problems[0].said, "autosave.save.error is extrapolated by increase()");
}

/// What is pushed is seen by nobody but a running collector.
#[test]
fn what_is_pushed_is_not_missing_but_not_seen() {
    let mut policy = policy();
    policy.collection.source = Chosen(Arc::new(Http));
    let unseen = batch(&policy, &[], &[(COMPLETED, "nobody runs"), (ERROR, "nobody runs")]);
    let reports = metrics(&policy, unseen).unwrap();
    let report = of(&reports, "error_rate");
    assert_eq!(report.standing, Standing::NotSeen);
    assert!(report.problems[0].remedy.contains("phasegate up"), "{:?}", report.problems);
    let seen = batch(&policy, &[(COMPLETED, 99), (ERROR, 1)], &[]);
    let reports = metrics(&policy, seen).unwrap();
    let report = of(&reports, "error_rate");
    assert_eq!((report.standing, report.value, report.attempts), (Standing::Judged, Some(1.0), Some(100)));
    assert_eq!(report.made_of[0].made_of, "pushed to the collector");
}

/// TE-6: with what is perhaps meant; beyond `gate.uncounted` no window is compliant.
#[test]
fn unknown_names_are_told_and_too_many_of_them_are_a_failure() {
    let policy = policy();
    let specs = event_specs(&policy).unwrap();
    let of_unknown = |events: u64| {
        let mut batch = batch(&policy, &[(COMPLETED, 100)], &[]);
        let unknown_names = BTreeMap::from([("autosave.save.complete".to_owned(), events)]);
        batch.intake = Intake { unknown: events, unknown_names, ..Intake::default() };
        (super::unknown_names(&specs, &batch, None), problems(&policy, &batch, None, &[], None))
    };
    let (names, few) = of_unknown(5);
    let meant = Some(COMPLETED.to_owned());
    assert_eq!(names, [UnknownName { name: "autosave.save.complete".to_owned(), events: 5, meant }]);
    assert_eq!(few, []);
    let (_, many) = of_unknown(6);
    assert_eq!(many[0].level, Level::Failed);
    assert!(
        many[0].said.starts_with("6 of 106 events are of names that the policy does not use"),
        "{many:?}"
    );
}

/// One of several patterns that matches nothing is told; all of them are a failure, and so is a window that was not wholly read.
#[test]
fn what_was_not_read_is_told() {
    let policy = policy();
    let batch = batch(&policy, &[], &[]);
    let levels = |places: u64, whole: bool| {
        let read = ReadThrough { places, whole, ..ReadThrough::default() };
        let told = problems(&policy, &batch, Some(&read), &["a/*.jsonl".to_owned()], None);
        assert_eq!(told[0].said, "no file matches a/*.jsonl");
        told.iter().map(|it| it.level).collect::<Vec<_>>()
    };
    assert_eq!(levels(1, true), [Level::Warning]);
    assert_eq!(levels(0, true), [Level::Failed]);
    assert_eq!(levels(1, false), [Level::Warning, Level::Failed]);
}

/// JU-1: of durations that are known by bounds it is said which limits cannot be told apart by them.
#[test]
fn a_limit_that_is_no_bound_is_told() {
    let policy = policy();
    let mut batch = batch(&policy, &[(COMPLETED, 100)], &[]);
    let mut buckets = shared_types::Buckets::default();
    buckets.add(0.0, 1_900.0, 90);
    buckets.add(1_900.0, 2_500.0, 10);
    batch.buckets.insert(COMPLETED.to_owned(), buckets);
    let reports = metrics(&policy, batch).unwrap();
    let report = of(&reports, "save_latency_p95");
    assert_eq!(
        (report.standing, report.resolution, report.value),
        (Standing::Unresolved, Some(Resolution::Bounds), None)
    );
    assert_eq!(report.between.map(|it| (it.lower, it.upper)), Some((1.9, Some(2.5))));
    let told: Vec<&str> = report.problems.iter().map(|it| it.said.as_str()).collect();
    assert_eq!(
        told,
        [
            "10 durations may lie on either side of the limit 2 s of B",
            "90 durations may lie on either side of the limit 1.8 s of C",
        ]
    );
}
