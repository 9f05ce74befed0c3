//! The stories of the judgement, through the whole gate: what is said of windows one after the other.

use std::time::Duration;

use super::super::fixture::{Counts as Batch, autosave, shipped, window};
use super::super::ledger::{Judged, Rules, decide};
use super::super::{CheckedBatch, GateState, Subject, observe_batch, observe_missing};
use crate::policy::{Gaps, TargetPolicy};
use Verdict::{Insufficient, Ok, Unsure, Violation, Warn};
use shared_types::batch::Example;
use shared_types::decision::{Cause, UncountedReason, ViolationAction};
use shared_types::{Decision, PhaseId, Verdict};

/// A stay in a phase of the shipped policy, and the number of its next window.
struct Stay {
    policy: TargetPolicy,
    phase: usize,
    state: GateState,
    next: u32,
}

impl Stay {
    fn of(policy: TargetPolicy) -> Self {
        Self { policy, phase: 0, state: GateState::unheard(autosave()), next: 0 }
    }

    fn a() -> Self {
        Self::of(shipped())
    }

    fn window(&mut self, bad: u64, attempts: u64) -> Decision {
        let number = self.next;
        self.next += 1;
        self.nth(number, &Batch { completed: attempts - bad, errors: bad, ..Batch::default() })
    }

    fn nth(&mut self, number: u32, batch: &Batch) -> Decision {
        self.judged(&Batch { window: window(number), ..batch.clone() })
    }

    fn judged(&mut self, batch: &Batch) -> Decision {
        self.batch(batch.batch())
    }

    fn batch(&mut self, batch: shared_types::Batch) -> Decision {
        let phase = &self.policy.phases[self.phase];
        let batch = CheckedBatch::check(batch, &self.policy).unwrap();
        let observed = observe_batch(&batch, &[], &self.policy, phase);
        let subject = Subject::of(batch.batch());
        let at = subject.window.end.plus(Duration::from_secs(31));
        let judged = Judged { subject, observed, batch_hash: None, elapsed_ms: None, sequence: 1, at };
        decide(&mut self.state, Rules { version: "v", policy: &self.policy, phase }, judged)
    }

    fn missing(&mut self, cause: Cause) -> Decision {
        let (elapsed, phase) = (Duration::from_secs(301), &self.policy.phases[self.phase]);
        let observed = observe_missing(cause, elapsed, &self.policy);
        let window = window(self.next);
        self.next += 1;
        let subject = Subject { target: autosave(), phase: PhaseId::parse("A").unwrap(), epoch: 1, window };
        let at = window.end.plus(elapsed);
        let judged =
            Judged { subject, observed, batch_hash: None, elapsed_ms: Some(301_000), sequence: 1, at };
        decide(&mut self.state, Rules { version: "v", policy: &self.policy, phase }, judged)
    }
}

fn errors(decision: &Decision) -> &shared_types::decision::Weighed {
    decision.metrics[1].weighed.as_ref().unwrap()
}

fn compliant(decision: &Decision) -> (u64, u64) {
    let gate = decision.gate.as_ref().unwrap();
    (gate.compliant_batches, gate.compliant_ms / 60_000)
}

fn check(windows: &[(u64, u64)], expected: &[Verdict]) -> Vec<Decision> {
    let mut stay = Stay::a();
    let decisions: Vec<_> = windows.iter().map(|(bad, attempts)| stay.window(*bad, *attempts)).collect();
    let verdicts: Vec<_> = decisions.iter().map(|it| it.verdict).collect();
    assert_eq!(verdicts, expected, "{windows:?}");
    decisions
}

/// JU-3: one error of sixty is no evidence against one per cent; three times the limit is, once it is no chance any more.
#[test]
fn a_quiet_version_is_not_thrown_out_by_chance_and_a_bad_one_is_found() {
    check(&[(0, 60), (1, 60), (0, 60), (1, 60)], &[Ok, Warn, Ok, Warn]);
    let at_once = check(&[(30, 1000)], &[Violation]);
    assert!(at_once[0].rollback_required && at_once[0].violated == ["error_rate"]);
    let slowly =
        check(&[(3, 100); 8], &[Unsure, Unsure, Unsure, Unsure, Unsure, Unsure, Violation, Violation]);
    let published = [0.659_255, 1.901_670, 2.981_221, 4.056_432, 5.161_785, 6.300_128, 7.465_823];
    for (decision, expected) in std::iter::zip(&slowly, published) {
        let found = errors(decision).evidence.unwrap();
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
    assert!(!slowly[5].rollback_required && slowly[6].rollback_required);
    assert_eq!(errors(&slowly[4]).more_windows, Some(2), "two more of these, and it is a violation");
    assert_eq!(compliant(&slowly[5]), (0, 0), "`unsure` feeds nothing");
}

/// JU-5: little traffic is put together; the group feeds one batch, with the time of all its windows.
#[test]
fn small_windows_are_judged_together() {
    let three = check(&[(0, 20); 3], &[Insufficient, Insufficient, Ok]);
    assert_eq!(compliant(&three[1]), (0, 0));
    assert_eq!(compliant(&three[2]), (1, 45));
    let sixteen = check(&[(0, 2); 17], &[[Insufficient; 15].as_slice(), &[Ok, Insufficient]].concat());
    assert_eq!(compliant(&sixteen[15]), (1, 16 * 15), "sixteen windows are judged as they stand");
    // Evidence takes every window, however small.
    check(&[(6, 50)], &[Violation]);
    check(&[(3, 3), (3, 3)], &[Insufficient, Violation]);
    // One empty quarter of an hour does not hide ten bad ones, and does not wait for company.
    let quiet = check(&[(0, 20), (0, 0), (0, 40)], &[Insufficient, Insufficient, Ok]);
    assert_eq!(compliant(&quiet[2]), (1, 30));
}

/// JU-5: saves and their failures fill at different windows; they are put together in step, so that none waits for ever.
#[test]
fn groups_of_two_metrics_end_together() {
    let mut stay = Stay::a();
    stay.window(1, 25);
    let verdicts: Vec<_> = (0..30).map(|_| stay.window(0, 25).verdict).collect();
    let compliant = verdicts.iter().filter(|verdict| verdict.is_compliant()).count();
    assert!(compliant >= 10, "{verdicts:?}");
}

/// JU-8, JU-16, CO-10: a batch that came slowly is the guard's trouble: one is in doubt, and breaks nothing.
#[test]
fn a_slow_batch_breaks_nothing() {
    let mut stay = Stay::a();
    let (slow, prompt) = (Batch { latency_ms: 200_000, ..Batch::default() }, Batch::default());
    let said: Vec<_> = [false, true, true, false, true, true, true]
        .into_iter()
        .zip(0..)
        .map(|(late, n)| stay.nth(n, if late { &slow } else { &prompt }))
        .map(|decision| (decision.verdict, decision.action, compliant(&decision).0))
        .collect();
    let page = Some(ViolationAction::Page);
    let expected = [
        (Ok, None, 1),
        (Unsure, None, 1),
        (Unsure, None, 1),
        (Ok, None, 2),
        (Unsure, None, 2),
        (Unsure, None, 2),
        (Violation, page, 0),
    ];
    assert_eq!(said, expected);
}

/// JU-3: a limit that was broken is no reason to roll back in a window that keeps it.
#[test]
fn old_news_roll_nothing_back() {
    let decisions = check(&[(100, 1000), (1, 100)], &[Violation, Unsure]);
    assert!(errors(&decisions[1]).evidence.unwrap() >= errors(&decisions[1]).needed);
    assert_eq!(decisions[1].action, None);
}

/// JU-8: three missing windows in a row pass; the fourth breaks the run, and a person is paged.
#[test]
fn a_gap_is_not_the_features_doing() {
    let mut stay = Stay::a();
    let mut said = vec![];
    for batch in [true, false, true, false, false, false, false] {
        let decision = if batch { stay.window(0, 80) } else { stay.missing(Cause::CollectionDelayed) };
        said.push((decision.verdict, decision.action, compliant(&decision).0));
    }
    let (page, pass) = (Some(ViolationAction::Page), Insufficient);
    let expected = [
        (Ok, None, 1),
        (pass, None, 1),
        (Ok, None, 2),
        (pass, None, 2),
        (pass, None, 2),
        (pass, None, 2),
        (Violation, page, 0),
    ];
    assert_eq!(said, expected);
    assert_eq!(compliant(&stay.window(0, 80)).0, 1, "the run begins anew");
}

/// JU-8: who wants a rollback when blind says so; a hole that nobody told of is a gap as well.
#[test]
fn gaps_are_the_policys() {
    let mut policy = shipped();
    policy.gate.gaps = Gaps { tolerated: 0, blind: ViolationAction::Rollback };
    assert!(Stay::of(policy).missing(Cause::CollectionDelayed).rollback_required);
    let mut stay = Stay::a();
    stay.window(0, 80);
    stay.next += 3;
    assert_eq!(compliant(&stay.window(0, 80)).0, 2);
    stay.next += 4;
    assert_eq!(compliant(&stay.window(0, 80)).0, 1);
}

/// JU-8, ES-2: retries that are exhausted are a violation at once, with the action of the collector's own metric.
#[test]
fn exhausted_retries_violate_at_once() {
    let decision = Stay::a().missing(Cause::RetryExhausted);
    assert_eq!((decision.verdict, decision.action), (Violation, Some(ViolationAction::Page)));
}

/// JU-7: where nothing is allowed nothing is chance.
#[test]
fn a_limit_of_zero_has_no_statistics() {
    let mut policy = shipped();
    policy.phases[0].thresholds.insert("error_rate".into(), 0.0);
    let mut stay = Stay::of(policy);
    assert_eq!(stay.window(0, 1000).verdict, Ok);
    assert_eq!(stay.window(1, 10).verdict, Violation);
    let drift = Batch { drift: 1, ..Batch::default() };
    assert_eq!(Stay::a().nth(0, &drift).violated, ["history_drift"]);
}

/// JU-6: a version a little over its limit is told from one at the limit by the whole stay.
#[test]
fn the_whole_stay_has_to_keep_the_limit() {
    let mut stay = Stay::a();
    let over = |decision: &Decision| decision.gate.as_ref().unwrap().stay_over.clone();
    assert!(over(&stay.window(10, 1000)).is_empty(), "at the limit is within it");
    let found = over(&stay.window(11, 1000));
    assert_eq!((found.len(), found[0].bad, found[0].attempts, found[0].allowed), (1, 21, 2000, 0.01));
    assert!(over(&stay.window(5, 1000)).is_empty());
}

/// JU-15: a window judged after a later one adds to the evidence and is at most unsure.
#[test]
fn a_late_window_is_at_most_unsure() {
    let mut stay = Stay::a();
    stay.nth(1, &Batch::default());
    let late = stay.nth(0, &Batch { completed: 900, errors: 100, ..Batch::default() });
    assert_eq!(late.verdict, Unsure);
    assert!(errors(&late).evidence.unwrap() > errors(&late).needed);
    assert_eq!(stay.nth(2, &Batch { completed: 97, errors: 3, ..Batch::default() }).verdict, Violation);
}

/// JU-15: another limit, spread, certainty or way of counting starts a metric anew, and the decision says so.
#[test]
fn a_changed_policy_starts_anew() {
    let mut stay = Stay::a();
    for _ in 0..6 {
        stay.window(3, 100);
    }
    stay.policy.gate.spread = 0.2;
    let anew = stay.window(3, 100);
    assert_eq!(anew.verdict, Unsure);
    assert!(errors(&anew).anew && errors(&anew).evidence.unwrap() < 1.0);
    assert!(!errors(&stay.window(3, 100)).anew);
}

/// JU-16: without attempts there is nothing to weigh; three windows in a row are a violation.
#[test]
fn a_value_over_its_limit_has_to_stay_there() {
    let mut policy = shipped();
    policy.phases[0].thresholds.insert("history_drift".into(), 0.5);
    let mut stay = Stay::of(policy);
    let drift = Batch { drift: 1, ..Batch::default() };
    let verdicts: Vec<_> = [&drift, &drift, &Batch::default(), &drift, &drift, &drift]
        .into_iter()
        .zip(0..)
        .map(|(batch, n)| stay.nth(n, batch).verdict)
        .collect();
    assert_eq!(verdicts, [Unsure, Unsure, Ok, Unsure, Unsure, Violation]);
}

/// JU-4: a day without one window that is clear, and a person is asked; once.
#[test]
fn who_stays_unsure_for_a_day_asks_a_person() {
    let mut stay = Stay::a();
    let actions: Vec<_> = (0..100).map(|_| stay.window(0, 0).action).collect();
    let asked: Vec<_> = actions.iter().enumerate().filter(|(_, action)| action.is_some()).collect();
    assert_eq!(asked, [(95, &Some(ViolationAction::Page))]);
}

/// JU-12: a decision names all that its evidence stood on: made again from that alone, it comes out the same.
#[test]
fn a_decision_can_be_made_again_from_its_evidence() {
    let mut stay = Stay::a();
    for (bad, attempts) in [(3, 100), (0, 20), (9, 300), (1, 40), (0, 0), (7, 100), (2, 60)] {
        let decision = stay.window(bad, attempts);
        let before = decision.evidence.as_ref().unwrap().run.clone().unwrap_or_default();
        let text = serde_json::to_string(&before).unwrap();
        let before = serde_json::from_str(&text).unwrap();
        let mut again = Stay::a();
        again.state.run = Some((decision.phase.clone(), super::super::Run::resume(1, &before)));
        again.next = stay.next - 1;
        let made = again.window(bad, attempts);
        assert_eq!((&made.metrics, &made.gate), (&decision.metrics, &decision.gate));
    }
}

/// PH-9: proof that is older than is tolerated is none; windows that wait for company are no silence.
#[test]
fn proof_grows_old() {
    let stale = |decision: &Decision| decision.gate.as_ref().unwrap().stale.map(|stale| stale.windows);
    let mut stay = Stay::a();
    stay.window(0, 80);
    let silent: Vec<_> = (0..5).map(|_| stale(&stay.window(0, 0))).collect();
    assert_eq!(silent, [None, None, None, Some(4), Some(5)]);
    assert_eq!(stale(&stay.window(0, 80)), None, "the next compliant window lifts it");
    let waiting: Vec<_> = (0..6).map(|_| stale(&stay.window(0, 5))).collect();
    assert_eq!(waiting, [None; 6]);
}

/// PH-9: eight batches are eight windows' time, whatever the cadence.
#[test]
fn short_windows_count_by_their_time() {
    let mut stay = Stay::a();
    let batches: Vec<_> = (0..6)
        .map(|n| {
            let start = super::super::fixture::ten_o_clock().plus(Duration::from_secs(300 * n));
            let short = shared_types::Window { start, end: start.plus(Duration::from_secs(300)) };
            compliant(&stay.judged(&Batch { window: short, ..Batch::default() })).0
        })
        .collect();
    assert_eq!(batches, [0, 0, 1, 1, 1, 2]);
}

/// TE-6: what could not be counted is not thereby good, and a violation stands.
#[test]
fn what_is_not_counted_is_not_compliant() {
    let mut stay = Stay::a();
    let mut said = |malformed: u64, unknown: u64, errors: u64| {
        let number = stay.next;
        stay.next += 1;
        let mut batch =
            Batch { window: window(number), errors, completed: 100 - errors, ..Batch::default() }.batch();
        batch.intake.malformed = malformed;
        batch.intake.unknown = unknown;
        let decision = stay.batch(batch);
        (decision.verdict, decision.uncounted.as_ref().is_some_and(|it| it.over), compliant(&decision).0)
    };
    assert_eq!(said(0, 0, 0), (Ok, false, 1));
    assert_eq!(said(5, 0, 0), (Ok, false, 2), "5 of 105 is below 5 %");
    assert_eq!(said(100, 0, 0), (Insufficient, true, 2));
    assert_eq!(said(0, 6, 0), (Insufficient, true, 2));
    assert_eq!(said(0, 0, 0), (Ok, false, 3));
    assert_eq!(said(100, 0, 50), (Violation, true, 0));
}

/// TE-6: the decision names the commonest of what was not counted and its first line, from the batch alone.
#[test]
fn what_is_not_counted_is_named_in_the_decision() {
    let mut batch = Batch { completed: 100, ..Batch::default() }.batch();
    let example = |what: &str, line| Example {
        kind: UncountedReason::Unknown,
        what: what.to_owned(),
        line,
        field: None,
        found: None,
        text: None,
        meant: None,
    };
    batch.intake.unknown = 60;
    batch.intake.malformed = 3;
    batch.intake.malformed_reasons = [("not UTF-8".to_owned(), 3)].into();
    let names = [("other", 30), ("save.a", 10), ("save.compleeted", 10), ("save.z", 9)];
    batch.intake.unknown_names = names.map(|(name, count)| (name.to_owned(), count)).into();
    batch.intake.examples = vec![example("save.z", 2), example("save.a", 5), example("save.a", 9)];
    let uncounted = Stay::a().batch(batch).uncounted.unwrap();
    assert_eq!((uncounted.reason, uncounted.over), (UncountedReason::Unknown, true));
    assert_eq!(
        uncounted.commonest.as_deref(),
        Some("save.a"),
        "of equals the first by name; `other` is none"
    );
    assert_eq!(uncounted.example, Some(example("save.a", 5)));
}

fn missed(decision: &Decision) -> Vec<&str> {
    decision.gate.as_ref().unwrap().vanished.iter().map(|it| it.event.as_str()).collect()
}

/// TE-6: an event that is missed is told in one decision and shown while it lasts, through a move up and a rollback; another
/// rollout begins anew.
#[test]
fn an_event_that_vanished_is_told_once() {
    const ERROR: &str = "autosave.save.error";
    let mut stay = Stay::a();
    (0..10).for_each(|_| assert!(stay.window(8, 2000).vanished.is_empty()));
    let mut told = vec![];
    for epoch in [1, 1, 2, 2, 3] {
        let number = stay.next;
        stay.next += 1;
        let window = window(number);
        let batch = Batch { window, epoch, completed: 2000, ..Batch::default() };
        let decision = stay.judged(&batch);
        let stored: Decision = serde_json::from_str(&serde_json::to_string(&decision).unwrap()).unwrap();
        let before = stored.evidence.as_ref().unwrap().run.as_ref().unwrap();
        let mut again = Stay::a();
        again.state.run = Some((decision.phase.clone(), super::super::Run::resume(epoch, before)));
        assert_eq!(again.judged(&batch), decision, "made again from its evidence");
        told.push((decision.vanished.clone(), missed(&decision).len()));
    }
    let once = (vec![ERROR.to_owned()], 1);
    assert_eq!(told, [(vec![], 0), (vec![], 0), once, (vec![], 1), (vec![], 1)]);
    let of = |stay: &mut Stay, epoch, errors| {
        let number = stay.next;
        stay.next += 1;
        stay.judged(&Batch { window: window(number), epoch, errors, completed: 2000, ..Batch::default() })
    };
    let (mut other, mut back) = (Stay { policy: shipped(), ..stay }, Stay::a());
    back.state = other.state.clone();
    back.next = other.next;
    assert!(missed(&of(&mut back, 3, 8)).is_empty(), "it came again");
    let fresh = of(&mut other, 5, 0);
    assert!(missed(&fresh).is_empty(), "it was off in between");
    assert!(fresh.evidence.unwrap().run.is_none());
}

/// TE-6: by `judge: window` nothing is missed, and a batch that came late tells nothing.
#[test]
fn who_judges_by_the_window_misses_nothing() {
    let mut policy = shipped();
    policy.gate.judge = crate::policy::JudgeBy::Window;
    let mut stay = Stay::of(policy);
    (0..10).for_each(|_| _ = stay.window(8, 2000));
    assert!((0..5).all(|_| stay.window(0, 2000).vanished.is_empty()));
    let mut late = Stay::a();
    (0..10).for_each(|_| _ = late.window(8, 2000));
    let batch = Batch { completed: 2000, ..Batch::default() };
    late.nth(11, &batch);
    late.nth(12, &batch);
    assert!(late.nth(10, &batch).vanished.is_empty(), "older than the newest");
    assert_eq!(late.nth(13, &batch).vanished, ["autosave.save.error"]);
}
