//! The stories of control groups and of single sessions, through the whole gate (JU-9, JU-10).

use super::super::fixture::{Counts as Batch, autosave, policy as literal, shipped, window, with_control};
use super::super::ledger::{Judged, Rules, decide};
use super::super::{CheckedBatch, GateState, Subject, observe_batch};
use crate::policy::{OnRegression, TargetPolicy};
use Verdict::{Ok, Unsure, Violation, Warn};
use shared_types::decision::{ControlFinding, Held, LeftOut, ViolationAction, Weighed};
use shared_types::{Decision, Verdict};
use std::time::Duration;

struct Stay {
    policy: TargetPolicy,
    phase: &'static str,
    epoch: u64,
    state: GateState,
    next: u32,
}

/// Bad attempts and attempts.
type Row = (u64, u64);

impl Stay {
    fn of(policy: TargetPolicy, phase: &'static str) -> Self {
        Self { policy, phase, epoch: 1, state: GateState::unheard(autosave()), next: 0 }
    }

    fn move_to(&mut self, phase: &'static str) {
        self.phase = phase;
        self.epoch += 1;
    }

    fn take(&mut self, batch: &Batch) -> Decision {
        let (phase, epoch, window) = (self.phase, self.epoch, window(self.next));
        self.next += 1;
        let batch = Batch { phase, epoch, window, ..batch.clone() };
        let checked = CheckedBatch::check(batch.batch(), &self.policy).unwrap();
        let phase = self.policy.phases.iter().find(|it| it.id.as_str() == phase).unwrap();
        let observed = observe_batch(&checked, &[], &self.policy, phase);
        let subject = Subject::of(checked.batch());
        let at = window.end.plus(Duration::from_secs(31));
        let judged = Judged { subject, observed, batch_hash: None, elapsed_ms: None, sequence: 1, at };
        decide(&mut self.state, Rules { version: "v", policy: &self.policy, phase }, judged)
    }

    fn window(&mut self, (bad, attempts): Row, control: Row) -> Decision {
        let control = Some(control);
        self.take(&Batch { completed: attempts - bad, errors: bad, control, ..Batch::default() })
    }

    fn windows(&mut self, rows: &[(Row, Row)]) -> Vec<Decision> {
        rows.iter().map(|(exposed, control)| self.window(*exposed, *control)).collect()
    }
}

fn errors(decision: &Decision) -> &Weighed {
    decision.metrics[1].weighed.as_ref().unwrap()
}

fn finding(decision: &Decision) -> Option<ControlFinding> {
    errors(decision).control.as_ref().unwrap().finding
}

fn verdicts(decisions: &[Decision]) -> Vec<Verdict> {
    decisions.iter().map(|it| it.verdict).collect()
}

const QUIET: (Row, Row) = ((1, 600), (1, 600));

/// JU-9a: what the control group has as well is not held against the version; it holds the move up, and pages once.
#[test]
fn what_happens_outside_is_not_the_versions() {
    let mut stay = Stay::of(with_control(), "B");
    let all = stay.windows(&[QUIET, ((30, 600), (28, 600)), QUIET]);
    assert_eq!(verdicts(&all), [Ok, Unsure, Ok]);
    assert_eq!(finding(&all[1]), Some(ControlFinding::Outside));
    assert_eq!((all[1].action, all[1].rollback_required), (Some(ViolationAction::Page), false));
    for decision in &all[1..] {
        let evidence = errors(decision).evidence.unwrap();
        let until = if decision == &all[1] { -1.283_067 } else { evidence };
        assert!((evidence - until).abs() < 1e-6, "{evidence}");
        assert!(errors(decision).control.as_ref().unwrap().as_bad, "also over the last hour");
    }
    assert_eq!(errors(&all[2]).evidence, errors(&all[1]).evidence, "nothing enters E while it is as bad");
    assert_eq!((finding(&all[2]), all[2].action), (None, None));
}

/// JU-9c: worse than its surroundings, it is rolled back while those are bad too.
#[test]
fn worse_than_its_surroundings_is_a_violation() {
    let mut stay = Stay::of(with_control(), "B");
    let all = stay.windows(&[((30, 600), (12, 600)), ((33, 600), (12, 600)), ((36, 600), (12, 600))]);
    assert_eq!(verdicts(&all), [Unsure, Unsure, Violation]);
    assert_eq!(
        all.iter().map(finding).collect::<Vec<_>>(),
        [Some(ControlFinding::Outside), Some(ControlFinding::Outside), Some(ControlFinding::Regression)]
    );
    assert!(all[2].rollback_required);
}

/// JU-9a, JU-9g: one page a run of held windows, one more when it does not end; after four windows without one a new run begins.
#[test]
fn a_hold_pages_once_a_run() {
    let outside = ((30, 600), (28, 600));
    let mut stay = Stay::of(with_control(), "B");
    stay.window(QUIET.0, QUIET.1);
    let paged = |decision: &Decision| decision.action == Some(ViolationAction::Page);
    let held = stay.windows(&[outside; 9]);
    let pages: Vec<usize> = (0..9).filter(|n| paged(&held[*n])).collect();
    assert_eq!(pages, [0, 7]);
    assert_eq!(
        held[8].evidence.as_ref().unwrap().run.as_ref().unwrap().held,
        Some(Held { in_a_row: 8, without: 0, since: window(1).start })
    );
    assert_eq!(stay.windows(&[QUIET, QUIET, outside]).iter().filter(|it| paged(it)).count(), 0);
    assert_eq!(stay.windows(&[QUIET, QUIET, QUIET, QUIET, outside]).iter().filter(|it| paged(it)).count(), 1);
}

/// JU-9d: a control group that is too small to be as bad, but leans to it, and no difference is shown: held all the same, and
/// the window is taken out of the evidence again.
#[test]
fn a_small_control_group_that_leans_to_it_holds_too() {
    let mut stay = Stay::of(with_control(), "C");
    stay.window((3, 6000), (0, 50));
    let decision = stay.window((60, 6000), (1, 50));
    assert_eq!((decision.verdict, finding(&decision)), (Unsure, Some(ControlFinding::Outside)));
    assert!(!errors(&decision).control.as_ref().unwrap().as_bad);
    assert!(errors(&decision).evidence.unwrap() < 0.0, "{:?}", errors(&decision).evidence);
    let mut alone = Stay::of(with_control(), "C");
    alone.window((3, 6000), (0, 50));
    assert_eq!(alone.window((60, 6000), (0, 50)).verdict, Violation);
}

/// JU-9e: far worse than the control group within the limit.
#[test]
fn a_regression_within_the_limit_does_what_the_policy_says() {
    let worse = [((4, 600), (0, 600)); 12];
    for (on_regression, expected) in [
        (OnRegression::Hold, Some((Unsure, false))),
        (OnRegression::Rollback, Some((Violation, true))),
        (OnRegression::Ignore, None),
    ] {
        let mut policy = with_control();
        policy.gate.on_regression = on_regression;
        let mut stay = Stay::of(policy, "A");
        let all = stay.windows(&worse);
        let found = all.iter().find(|it| finding(it) == Some(ControlFinding::Regression));
        assert_eq!(found.map(|it| (it.verdict, it.rollback_required)), expected, "{on_regression:?}");
        assert_eq!(all[0].verdict, Ok);
    }
}

/// JU-9g: the control group fell with the version, just after it moved up: it broke what both stand on.
#[test]
fn what_falls_with_a_move_up_is_held_against_the_version() {
    let fall = ((60, 600), (58, 600));
    let moved = |quiet: u32, windows_until: u32| {
        let mut stay = Stay::of(with_control(), "A");
        (0..quiet).for_each(|_| _ = stay.window(QUIET.0, QUIET.1));
        stay.move_to("B");
        (0..windows_until).for_each(|_| _ = stay.window(QUIET.0, QUIET.1));
        stay.window(fall.0, fall.1)
    };
    let decision = moved(8, 1);
    assert_eq!((decision.verdict, finding(&decision)), (Violation, Some(ControlFinding::Surroundings)));
    assert!(decision.rollback_required);
    for (decision, why) in [
        (moved(8, 4), "more than four windows after the move"),
        (moved(2, 1), "nobody knows how it was before"),
    ] {
        assert_eq!((decision.verdict, finding(&decision)), (Unsure, Some(ControlFinding::Outside)), "{why}");
    }
    // What was bad before the move did not come of it.
    let mut stay = Stay::of(with_control(), "A");
    stay.windows(&[QUIET; 8]);
    stay.window(fall.0, fall.1);
    stay.move_to("B");
    assert_eq!(finding(&stay.window(fall.0, fall.1)), Some(ControlFinding::Outside));
    // Nor is a step down a move up.
    let mut stay = Stay::of(with_control(), "B");
    stay.windows(&[QUIET; 8]);
    stay.move_to("A");
    assert_eq!(finding(&stay.window(fall.0, fall.1)), Some(ControlFinding::Outside));
}

/// JU-10: one broken client is judged out, and said so; the published stories.
#[test]
fn one_session_is_not_the_users() {
    let judged = |bad, attempts, session| {
        let batch =
            Batch { completed: attempts - bad, errors: bad, session: Some(session), ..Batch::default() };
        Stay::of(shipped(), "A").take(&batch)
    };
    let broken = judged(25, 125, (24, 24));
    assert_eq!(broken.verdict, Warn);
    assert_eq!((errors(&broken).bad, errors(&broken).attempts), (25, 125));
    assert_eq!(errors(&broken).left_out, Some(LeftOut { bad: 24, attempts: 24 }));
    assert_eq!(broken.metrics[1].observed, Some(20.0), "the figure is what everybody met");
    let everybody = judged(7, 500, (4, 400));
    assert_eq!((everybody.verdict, errors(&everybody).left_out), (Unsure, None));
    // By the letter of the source document a window is what it is.
    let batch = Batch { completed: 100, errors: 25, session: Some((24, 24)), ..Batch::default() };
    assert_eq!(Stay::of(literal(), "A").take(&batch).verdict, Violation);
}

/// JU-14: errors of few sessions weigh less than as many of as many.
#[test]
fn bunches_of_a_session_weigh_less() {
    let of = |session| {
        let batch = Batch { completed: 291, errors: 9, session: Some(session), ..Batch::default() };
        let decision = Stay::of(shipped(), "A").take(&batch);
        (errors(&decision).design_effect, errors(&decision).evidence.unwrap())
    };
    let ((alone, single), (bunched, several)) = (of((1, 1)), of((4, 300)));
    assert_eq!((alone, bunched), (1.0, 23.0 / 11.0));
    assert!(single > several, "{single} {several}");
}

/// JU-6, JU-9a: an outage of others does not stand in the way of moving up once it is over.
#[test]
fn what_happened_outside_is_not_in_the_whole_stay() {
    let mut stay = Stay::of(with_control(), "B");
    stay.windows(&[QUIET, ((60, 600), (58, 600)), ((60, 600), (58, 600))]);
    let over = stay.windows(&[QUIET; 8]).pop().unwrap();
    assert_eq!((over.verdict, over.gate.unwrap().stay_over), (Ok, vec![]));
}

/// JU-9f: where the policy asks for less evidence of a version that has changed, the stays before a move up vouch for what it
/// was; by itself that proves nothing.
#[test]
fn a_version_that_has_changed_needs_less_evidence() {
    let windows_to_find = |if_changed: Option<f64>, before: u64| {
        let mut policy = shipped();
        policy.gate.certainty_if_changed = if_changed;
        let mut stay = Stay::of(policy, "A");
        let window = |stay: &mut Stay, bad: u64| {
            stay.take(&Batch { completed: 1000 - bad, errors: bad, ..Batch::default() })
        };
        (0..8).for_each(|_| _ = window(&mut stay, before));
        stay.move_to("B");
        let all: Vec<_> = (0..40).map(|_| window(&mut stay, 9)).collect();
        let found = all.iter().position(|it| it.verdict == Violation).unwrap();
        (found, errors(&all[found]).needed, errors(&all[found]).changed)
    };
    let ((usual, needed, none), (sooner, less, changed)) =
        (windows_to_find(None, 1), windows_to_find(Some(32.0), 1));
    assert!(sooner < usual, "{sooner} {usual}");
    assert_eq!((needed, less, none), (1000_f64.ln(), 32_f64.ln(), None));
    assert!(changed.unwrap() >= needed);
    // Who was as bad before has not changed.
    assert_eq!(windows_to_find(Some(32.0), 4).0, usual);
}
