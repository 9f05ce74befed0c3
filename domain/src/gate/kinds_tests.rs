//! The metrics that people have, each beside those of the shipped policy: what a stay of windows is told by them.

use std::collections::BTreeMap;
use std::time::Duration;

use Verdict::{Insufficient, Ok, Unsure, Violation, Warn};
use shared_types::batch::Batch;
use shared_types::decision::{InsufficientReason, MetricVerdict, ViolationAction};
use shared_types::{Decision, Verdict, Window};

use super::fixture::{Counts, autosave, shipped_policy, ten_o_clock, with_source_of};
use super::ledger::{Judged, Rules, decide};
use super::recompute::decide_again;
use super::{Attempts, CheckedBatch, GateState, Group, Subject, batch_hash, observe_batch};
use crate::kinds::Kinds;
use crate::policy::{OnRegression, Policy};

/// A stay in phase A with one metric more, called `m`.
struct Stay {
    policy: Policy,
    state: GateState,
    /// Where the next window begins.
    at: shared_types::Timestamp,
}

fn read(metric: &str, threshold: &str, action: &str) -> Result<Policy, String> {
    let drift = "history_drift:     { mean: autosave.history.drift, over: 1h }";
    let text = shipped_policy().text;
    let text = text
        .replacen(drift, &format!("{drift}\n      m: {metric}"), 1)
        .replacen("history_drift: rollback,", &format!("history_drift: rollback, m: {action},"), 1)
        .replace("history_drift: 0,", &format!("history_drift: 0, m: {threshold},"));
    let number = metric.strip_prefix("{ value: ").and_then(|rest| rest.split([',', ' ']).next());
    let text = number.map_or(text.clone(), |number| with_source_of(&text, number));
    Policy::parse_with(&text, "p", &Kinds::shipped()).map_err(|error| error.to_string())
}

/// A window: its events besides 1,000 good saves, its minutes.
fn counted(events: &[(&str, u64)]) -> BTreeMap<String, u64> {
    events.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

impl Stay {
    fn with(metric: &str, threshold: &str, action: &str) -> Self {
        let policy = read(metric, threshold, action).unwrap();
        Self { policy, state: GateState::unheard(autosave()), at: ten_o_clock() }
    }

    fn next(&mut self, minutes: u64, saves: u64, events: &[(&str, u64)]) -> (Decision, Batch) {
        self.after(minutes, saves, events, BTreeMap::new())
    }

    fn with_values(&mut self, values: BTreeMap<String, f64>) -> Decision {
        self.after(15, 1000, &[], values).0
    }

    /// What the source does not give it says is missing.
    fn after(
        &mut self,
        minutes: u64,
        saves: u64,
        events: &[(&str, u64)],
        values: BTreeMap<String, f64>,
    ) -> (Decision, Batch) {
        let end = self.at.plus(Duration::from_secs(60 * minutes));
        let window = Window { start: self.at, end };
        self.at = end;
        let mut batch = Counts { window, completed: saves, ..Counts::default() }.batch();
        let target = self.policy.targets.values().next().unwrap();
        for needed in target.metrics.iter().flat_map(|metric| metric.kind.needs()) {
            batch.counters.entry(needed.name).or_insert(0);
        }
        batch.counters.extend(counted(events));
        batch.values = values;
        for number in target.metrics.iter().filter_map(|metric| metric.kind.number()) {
            if !batch.values.contains_key(number) {
                batch.intake.missing.insert(number.to_owned(), "nothing".to_owned());
            }
        }
        let phase = &target.phases[0];
        let checked = CheckedBatch::check(batch.clone(), target).unwrap();
        let observed = observe_batch(&checked, &[], target, phase);
        let (subject, at) = (Subject::of(&batch), end.plus(Duration::from_secs(31)));
        let hash = Some(batch_hash(&batch));
        let judged = Judged { subject, observed, batch_hash: hash, elapsed_ms: None, sequence: 1, at };
        let rules = Rules { version: &self.policy.version, policy: target, phase };
        let decision = decide(&mut self.state, rules, judged);
        let again = decide_again(&decision, Some(&batch), &[], &self.policy).unwrap();
        assert_eq!(again, decision, "SLO-10: made again it comes out the same");
        (decision, batch)
    }

    fn window(&mut self, events: &[(&str, u64)]) -> Decision {
        self.next(15, 1000, events).0
    }
}

fn m(decision: &Decision) -> &MetricVerdict {
    decision.metrics.iter().find(|metric| metric.metric == "m").unwrap()
}

fn bad(decision: &Decision) -> (u64, u64, f64) {
    let weighed = m(decision).weighed.as_ref().unwrap();
    (weighed.bad, weighed.attempts, weighed.allowed)
}

const SUCCESS: &str = "{ ratio: pay.ok, to: [pay.ok, pay.failed], at_least: true, display: \"%\" }";

/// JU-1: of a share that has to be reached, what is missing is bad, and 99.9 % lets exactly a thousandth be.
#[test]
fn a_success_ratio_has_to_be_reached() {
    let mut stay = Stay::with(SUCCESS, "99.9%", "rollback");
    let good = stay.window(&[("pay.ok", 2000)]);
    assert_eq!((m(&good).verdict, bad(&good)), (Ok, (0, 2000, 0.001)));
    let published = [-1.245_151_13, 4.685_648_705];
    let evidence = |decision: &Decision| m(decision).weighed.as_ref().unwrap().evidence.unwrap();
    assert!((evidence(&good) - published[0]).abs() < 1e-6);
    let worse = stay.window(&[("pay.ok", 1991), ("pay.failed", 9)]);
    assert!((evidence(&worse) - published[1]).abs() < 1e-6);
    assert_eq!(m(&worse).verdict, Unsure);
    let proven = stay.window(&[("pay.ok", 1980), ("pay.failed", 20)]);
    assert_eq!((m(&proven).verdict, proven.rollback_required), (Violation, true));
    assert_eq!(m(&proven).observed, Some(99.0));
    assert!((m(&proven).excess() - 10.0).abs() < 1e-9, "ten times what may be missing");
    let at_the_limit = Stay::with(SUCCESS, "99.9%", "rollback").window(&[("pay.ok", 999), ("pay.failed", 1)]);
    assert_eq!(m(&at_the_limit).verdict, Warn);
}

/// PO-1: what cannot be meant is refused.
#[test]
fn what_has_to_be_reached_is_a_share_in_per_cent() {
    let refused = |metric: &str| read(metric, "99%", "hold").unwrap_err();
    let outside = "{ ratio: pay.ok, to: [pay.failed], at_least: true, display: \"%\" }";
    assert!(refused(outside).ends_with("m.to: expected `pay.ok` among the events of the whole"));
    let plain = "{ ratio: pay.ok, to: [pay.ok], at_least: true }";
    assert!(refused(plain).ends_with("the key `display` is missing"), "{}", refused(plain));
    assert!(refused("{ ratio: a, to: [] }").ends_with("expected at least one event"));
}

/// JU-1: an event that is no part of the whole is a rate: there may be more than one for each.
#[test]
fn a_numerator_outside_the_denominator_is_a_rate() {
    let mut stay = Stay::with("{ ratio: pay.retry, to: [pay.ok] }", "1.5", "rollback");
    let verdict = |decision: Decision| (m(&decision).verdict, bad(&decision));
    assert_eq!(verdict(stay.window(&[("pay.ok", 100), ("pay.retry", 100)])), (Ok, (100, 100, 1.5)));
    assert_eq!(verdict(stay.window(&[("pay.ok", 100), ("pay.retry", 150)])), (Warn, (150, 100, 1.5)));
    let mut alone = Stay::with("{ ratio: pay.retry, to: [pay.ok] }", "1.5", "rollback");
    let decision = alone.window(&[("pay.ok", 100), ("pay.retry", 300)]);
    let evidence = m(&decision).weighed.as_ref().unwrap().evidence.unwrap();
    assert_eq!(m(&decision).verdict, Violation);
    assert!((evidence - 9.268_010_159).abs() < 1e-6, "{evidence}");
}

/// JU-1: a count is a rate over time, ten a quarter of an hour; a shorter window may hold as many as are in proportion.
#[test]
fn a_count_is_held_against_its_time() {
    let mut stay = Stay::with("{ count: app.crash }", "10", "rollback");
    let crashes = |stay: &mut Stay, minutes, count| stay.next(minutes, 1000, &[("app.crash", count)]).0;
    let verdict = |decision: &Decision| m(decision).verdict;
    assert_eq!(verdict(&crashes(&mut stay, 15, 8)), Ok);
    assert_eq!(verdict(&crashes(&mut stay, 15, 10)), Warn, "at the limit");
    let short = crashes(&mut stay, 5, 3);
    assert_eq!((verdict(&short), m(&short).observed), (Warn, Some(9.0)));
    assert_eq!(verdict(&crashes(&mut stay, 5, 4)), Warn, "over, and the hour together is not");
    let many = crashes(&mut stay, 15, 40);
    assert_eq!((verdict(&many), many.rollback_required), (Violation, true));
    let few = crashes(&mut Stay::with("{ count: app.crash }", "10", "rollback"), 15, 12);
    assert_eq!(verdict(&few), Unsure, "12 where 10 may be is no proof");
    assert_eq!(few.verdict, Unsure, "and does not wait for fifty");
    let stay_over = &few.gate.as_ref().unwrap().stay_over[0];
    assert_eq!((stay_over.bad, stay_over.attempts), (12, 900_000));
}

/// JU-16: a floor of traffic has no attempts: below it once is a doubt, three windows in a row a violation; a window that is
/// not whole says nothing of it.
#[test]
fn a_floor_of_traffic_is_judged_in_whole_windows() {
    let mut stay = Stay::with("{ count: pay.ok, at_least: true }", "50", "page");
    let paid = |stay: &mut Stay, count| m(&stay.window(&[("pay.ok", count)])).verdict;
    assert_eq!([100, 49, 49].map(|count| paid(&mut stay, count)), [Ok, Unsure, Unsure]);
    let (short, _) = stay.next(5, 1000, &[("pay.ok", 1)]);
    assert!(short.metrics.iter().all(|metric| metric.metric != "m"));
    assert_eq!(short.verdict, Ok, "what is not judged is not in the way");
    let third = stay.window(&[("pay.ok", 49)]);
    assert_eq!((m(&third).verdict, third.action), (Violation, Some(ViolationAction::Page)));
    assert_eq!(m(&third).weighed, None, "there is no evidence");
}

/// JU-7: where nothing is allowed one is a violation, whatever the traffic.
#[test]
fn nothing_allowed_is_nothing() {
    let one_bad = |metric: &str, threshold: &str, events: &[(&str, u64)]| {
        let mut stay = Stay::with(metric, threshold, "rollback");
        let none: Vec<_> =
            events.iter().map(|(name, count)| (*name, if *count == 1 { 0 } else { *count })).collect();
        let (quiet, loud) = (stay.window(&none), stay.window(events));
        (m(&quiet).verdict != Violation, m(&loud).verdict)
    };
    let expected = (true, Violation);
    assert_eq!(one_bad("{ count: app.crash }", "0", &[("app.crash", 1)]), expected);
    assert_eq!(one_bad("{ ratio: a, to: [a, b] }", "0", &[("a", 1), ("b", 7)]), expected);
    assert_eq!(one_bad("{ ratio: a, to: [b] }", "0", &[("a", 1), ("b", 0)]), expected);
    assert_eq!(one_bad(SUCCESS, "100%", &[("pay.ok", 7), ("pay.failed", 1)]), expected);
    let slowest = "{ quantile: 1, of: autosave.save.completed, field: duration_ms, display: s }";
    let mut stay = Stay::with(slowest, "400ms", "rollback");
    let (decision, _) = stay.next(15, 3, &[]);
    assert_eq!((m(&decision).verdict, bad(&decision)), (Violation, (3, 3, 0.0)));
}

/// SLO-6: each metric needs as many attempts as it has itself; what its neighbours have is not its own.
#[test]
fn each_metric_needs_samples_of_its_own() {
    let rare = "{ ratio: pay.failed, to: [pay.ok, pay.failed], display: \"%\" }";
    let mut stay = Stay::with(rare, "10%", "rollback");
    let decision = stay.window(&[("pay.ok", 20)]);
    let verdict = |name: &str| decision.metrics.iter().find(|it| it.metric == name).unwrap().verdict;
    assert_eq!((verdict("error_rate"), verdict("save_latency_p95"), verdict("m")), (Ok, Ok, Insufficient));
    let failing = [("autosave.save.error", 990)];
    let (decision, _) = Stay::with(rare, "10%", "rollback").next(15, 10, &failing);
    let latency = &decision.metrics[0];
    assert_eq!(latency.weighed.as_ref().unwrap().attempts, 10);
    assert_eq!(latency.verdict, Insufficient, "ten completed saves are too few, whatever failed");
}

/// JU-6, JU-8, PH-7: what is advisory is shown and never in the way, whatever it says.
#[test]
fn what_is_advisory_is_never_in_the_way() {
    let rare = "{ ratio: pay.failed, to: [pay.ok, pay.failed], display: \"%\" }";
    let mut stay = Stay::with(rare, "1%", "note");
    let mut without = Stay::with(rare, "1%", "note");
    for events in
        [[("pay.ok", 0), ("pay.failed", 500)], [("pay.ok", 3), ("pay.failed", 3)], [("pay.ok", 0); 2]]
    {
        let (decision, quiet) = (stay.window(&events), without.window(&[]));
        assert_eq!((decision.verdict, &decision.violated, decision.action), (Ok, &vec![], None));
        assert_eq!(decision.gate, quiet.gate, "nothing is told of it where people move up");
    }
    let violated = Stay::with(rare, "1%", "note").window(&[("pay.failed", 500)]);
    assert_eq!((m(&violated).verdict, m(&violated).on_violation), (Violation, ViolationAction::Note));
    // Of a target that falls silent it does not count as traffic.
    let silent = |stay: &mut Stay| stay.next(15, 0, &[("pay.ok", 5)]).0;
    let decisions: Vec<_> = (0..4).map(|_| silent(&mut stay)).collect();
    assert_eq!(decisions[3].gate.as_ref().unwrap().stale.unwrap().windows, 4);
    // Its own windows are put together by themselves.
    let mut small = Stay::with(rare, "1%", "note");
    let verdicts: Vec<_> = (0..4).map(|_| m(&small.window(&[("pay.ok", 20)])).verdict).collect();
    assert_eq!(verdicts, [Insufficient, Insufficient, Ok, Ok]);
    assert_eq!(stay.window(&[("autosave.save.error", 500), ("pay.failed", 9)]).violated, ["error_rate"]);
}

/// JU-8: that nobody sees is never only shown.
#[test]
fn blindness_is_not_advisory() {
    let text = shipped_policy().text.replacen("blind: page", "blind: note", 1);
    let error = Policy::parse_with(&text, "p", &Kinds::shipped()).unwrap_err().to_string();
    assert!(error.contains("gaps.blind: expected `hold`, `page` or `rollback`"), "{error}");
}

/// JU-1: what says that it is a share and is none is not judged, and the decision says why.
#[test]
fn more_bad_ones_than_attempts_are_no_share() {
    use super::evidence::{Counts, Limit, Settings, Share};
    use super::threshold::Threshold;
    use super::weigh::{Question, Weights, by_attempts};
    use shared_types::decision::Direction;
    let threshold = Threshold { direction: Direction::AtMost, limit: 1.0, unit: "%", warn_ratio: 0.8 };
    let question = Question {
        metric: "m",
        basis: String::new(),
        before: None,
        value: Some(200.0),
        at_most: Some(200.0),
        threshold,
        late: false,
        advisory: false,
    };
    let settings = Settings { certainty: 1000.0, spread: 0.15 };
    let of = |limit| {
        let weights = Weights {
            limit,
            settings,
            min_samples: 50,
            on_regression: OnRegression::Hold,
            needed_if_changed: 6.9,
        };
        let counts = Counts { bad: 200, attempts: 100 };
        let exposed = Group { counts, unresolved: 0, sessions: None };
        by_attempts(&question, &Attempts { exposed, control: None }, weights)
    };
    let share = Share::of(1.0, 2).unwrap();
    let answer = of(Limit::Share(share));
    let weighed = answer.weighed.unwrap();
    assert_eq!((answer.verdict, answer.reason), (Insufficient, Some(InsufficientReason::NotAShare)));
    assert_eq!((weighed.evidence, answer.remembered), (None, None));
    assert_eq!(serde_json::to_value(answer.reason).unwrap(), "not_a_share");
    assert_eq!(of(Limit::Rate(share)).verdict, Violation);
}

/// JU-16: a number that the source gives has no attempts: beyond its limit once is a doubt, three windows in a row with a number
/// a violation. A window without one says nothing, and breaks no row.
#[test]
fn a_number_of_the_source_is_believed_when_it_stays() {
    let number = |stay: &mut Stay, value: Option<f64>| {
        let decision =
            stay.with_values(value.map(|value| ("success".to_owned(), value)).into_iter().collect());
        (m(&decision).verdict, m(&decision).observed, decision.rollback_required)
    };
    let mut stay = Stay::with("{ value: success, at_least: true, display: \"%\" }", "99%", "rollback");
    assert_eq!(number(&mut stay, Some(99.0)), (Warn, Some(99.0), false));
    assert_eq!(number(&mut stay, Some(98.9)), (Unsure, Some(98.9), false));
    assert_eq!(number(&mut stay, Some(99.5)), (Ok, Some(99.5), false));
    assert_eq!(number(&mut stay, Some(90.0)).0, Unsure);
    assert_eq!(number(&mut stay, None), (Insufficient, None, false));
    assert_eq!(number(&mut stay, Some(90.0)).0, Unsure);
    assert_eq!(number(&mut stay, Some(90.0)), (Violation, Some(90.0), true));
    let mut stay = Stay::with("{ value: saturation }", "0.8", "hold");
    let at = |stay: &mut Stay, value: f64| {
        m(&stay.with_values(BTreeMap::from([("saturation".to_owned(), value)]))).verdict
    };
    assert_eq!([0.5, 0.7, 0.9].map(|value| at(&mut stay, value)), [Ok, Warn, Unsure]);
    assert_eq!(at(&mut stay, -3.0), Ok);
}
