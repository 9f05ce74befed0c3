//! Two sides, counted.

use std::time::Duration;

use super::*;
use crate::gate::GateState;
use crate::gate::fixture::{Counts, autosave, policy, ten_o_clock, window};
use crate::gate::ledger::{self, Judged, Rules};
use crate::gate::{Subject, observe_batch};

const LIMITS: Limits = Limits { changes: 3, strip: 4 };

/// Decisions of phase B on windows of these p95s in ms, by a p95 threshold in s.
fn side(version: &str, threshold: f64, p95s: &[f64]) -> Vec<Decision> {
    let mut policy = policy();
    policy.phases[1].thresholds.insert("save_latency_p95".to_owned(), threshold);
    let mut state = GateState::unheard(autosave());
    let decide = |(n, save_ms): (u32, &f64)| {
        let counts =
            Counts { window: window(n), phase: "B", epoch: 2, save_ms: *save_ms, ..Counts::default() };
        let observed = observe_batch(&counts.checked(), &[], &policy, &policy.phases[1]);
        let judged = Judged {
            subject: Subject::of(&counts.batch()),
            observed,
            batch_hash: None,
            elapsed_ms: None,
            sequence: u64::from(n),
            at: counts.window.end.plus(Duration::from_secs(31)),
        };
        ledger::decide(&mut state, Rules { version, policy: &policy, phase: &policy.phases[1] }, judged)
    };
    std::iter::zip(0.., p95s).map(decide).collect()
}

fn about() -> About {
    About { target: autosave(), from: ten_o_clock(), to: window(99).end }
}

fn compared(old: f64, new: f64, p95s: &[f64]) -> Backtest {
    let mut comparison = Comparison::new(LIMITS);
    for (old, new) in std::iter::zip(side("old", old, p95s), side("new", new, p95s)) {
        comparison.add(Some(&old), Some(&new));
    }
    comparison.finish(Some("new".to_owned()), about())
}

/// PO-4: two sides that say the same are the same; identical only to the last bit.
#[test]
fn equal_sides_are_the_same() {
    let p95s = [900.0, 1_900.0, 2_400.0];
    let mut comparison = Comparison::new(LIMITS);
    for it in &side("old", 2.0, &p95s) {
        comparison.add(Some(it), Some(it));
    }
    let same = comparison.finish(None, about());
    assert!(same.same);
    assert_eq!((same.decisions, same.identical, same.rollbacks.kept), (3, 3, 1));
    let renamed = compared(2.0, 2.0, &p95s);
    assert!(renamed.same, "another version that says the same: {renamed:?}");
    assert_eq!((renamed.identical, renamed.compared_with), (0, vec!["old".to_owned()]));
}

/// PO-4: changed decisions, rollbacks gained, the condition reached, the delay of the detection.
#[test]
fn a_stricter_limit_gains_a_rollback_and_sees_it_sooner() {
    let p95s = [900.0, 1_800.0, 1_800.0, 2_400.0, 900.0, 900.0];
    let found = compared(2.0, 1.5, &p95s);
    assert!(!found.same);
    assert_eq!((found.changes.total, found.changes.items.len()), (2, 2));
    let change = &found.changes.items[0];
    assert_eq!(change.window, window(1));
    assert_eq!(
        (change.old.as_ref().unwrap().verdict, change.new.as_ref().unwrap().verdict),
        (Verdict::Warn, Verdict::Violation)
    );
    assert_eq!(change.metrics.len(), 1);
    assert_eq!((change.metrics[0].old_threshold, change.metrics[0].new_threshold), (Some(2.0), Some(1.5)));
    assert_eq!((found.verdicts.old.violation, found.verdicts.new.violation), (1, 3));
    let Rollbacks { kept, gained, lost, moved, items } = &found.rollbacks;
    assert_eq!((*kept, *gained, *lost, *moved), (0, 0, 0, 1));
    assert_eq!(items[0].new.as_ref().unwrap().window, window(1));
    assert_eq!(found.detection.episodes, 1);
    let minutes = |delay: Option<u64>| delay.unwrap() / 60_000;
    let episode = &found.detection.items[0];
    assert_eq!((minutes(episode.old_delay_ms), minutes(episode.new_delay_ms)), (45, 15));
    assert_eq!((episode.start, episode.end), (window(1).start, window(3).end));
    assert_eq!((found.strip.old.as_str(), found.strip.new.as_str()), ("wvoo", "vvoo"), "the newest four");
}

/// PO-4
#[test]
fn a_looser_limit_loses_the_rollback() {
    let found = compared(2.0, 9.0, &[900.0, 2_400.0, 900.0]);
    assert_eq!((found.rollbacks.gained, found.rollbacks.lost), (0, 1));
    assert_eq!((found.detection.old.noticed, found.detection.new.noticed), (1, 0));
    assert_eq!(found.detection.items[0].new_delay_ms, None);
    let gained = compared(9.0, 2.0, &[900.0, 2_400.0, 900.0]);
    assert_eq!((gained.rollbacks.gained, gained.rollbacks.lost), (1, 0));
}

/// PO-4: when the condition of each epoch held.
#[test]
fn the_time_at_which_a_phase_could_be_left_is_compared() {
    let p95s: Vec<f64> = (0..120).map(|n| if n == 10 { 1_800.0 } else { 900.0 }).collect();
    let found = compared(2.0, 1.5, &p95s);
    let reached = &found.phases[0];
    assert_eq!((reached.epoch, reached.phase.as_str()), (2, "B"));
    // 24 h are 96 windows; on the new side the run begins anew after the eleventh.
    let at = |n: u32| Some(window(n).end.plus(Duration::from_secs(31)));
    assert_eq!((reached.old, reached.new), (at(95), at(106)));
    assert!(!found.same);
}

/// Everything listed is bounded, and counted beyond that.
#[test]
fn lists_are_bounded_and_counted() {
    let found = compared(2.0, 1.5, &[1_800.0; 10]);
    assert_eq!((found.changes.total, found.changes.items.len()), (10, 3));
    let mut comparison = Comparison::new(LIMITS);
    for it in &side("old", 2.0, &[900.0; 5]) {
        comparison.unjudged(it, "no such phase".to_owned());
    }
    let found = comparison.finish(None, about());
    assert_eq!((found.unjudged.total, found.unjudged.items.len(), found.same), (5, 3, false));
}

/// PH-8: what is said of an epoch that is over leads to nothing.
#[test]
fn decisions_of_an_epoch_that_is_over_lead_to_no_rollback() {
    let mut comparison = Comparison::new(LIMITS);
    for mut it in side("old", 2.0, &[2_400.0]) {
        it.gate = None;
        comparison.add(Some(&it), Some(&it));
    }
    let found = comparison.finish(None, about());
    assert_eq!((found.rollbacks.kept, found.detection.episodes, found.verdicts.old.violation), (0, 0, 1));
}
