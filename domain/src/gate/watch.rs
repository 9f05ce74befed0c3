//! Which batch is expected next, until when, and what to do when it does not come (SLO-7).
//!
//! Plain functions over the watch that is stored with each target; `watch_loop` is the one that looks at the
//! clock. What the analyzer knows of a target's future comes from two sources: the `next_window` that a batch
//! announces, and the reporter's directive. The directive ends a watch (nothing is collected any more) and
//! begins one (a phase whose collector never sent anything), so that a dead collector is heard in every case.

use std::time::Duration;

use crate::stored::Document;
use serde::{Deserialize, Serialize};
use shared_types::{Batch, Directive, Epoch, PhaseId, Timestamp, Window};
use utoipa::ToSchema;

use crate::gate::Subject;

/// After a long silence at most so many missing windows are raised one by one; the run is broken for the
/// whole of it anyway.
const CATCH_UP: u32 = 96;

/// The batch that is expected next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Watch {
    pub phase: PhaseId,
    pub epoch: Epoch,
    /// The window it covers; it may end earlier than this, never later.
    pub window: Window,
    /// When its absence becomes a decision.
    pub deadline: Timestamp,
}

/// What to do about a watch whose deadline has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overdue {
    /// Decide that the batch is missing; then expect the next one.
    Raise(Watch),
    /// The reporter holds collection back (RB-5); look again at the new deadline.
    Wait(Watch),
    /// The rollout is not gated any more: nothing will come, and that is right.
    Stop,
}

impl Document for Watch {
    const KIND: &'static str = "watch";
}

impl Watch {
    fn new(phase: &PhaseId, epoch: Epoch, window: Window, delayed_after: Duration) -> Self {
        Self { phase: phase.clone(), epoch, window, deadline: window.end.plus(delayed_after) }
    }

    /// What to expect after `batch`: what it announces; where it announces nothing that follows closely,
    /// a window of the same length. `None` if `current` already looks further ahead.
    #[must_use]
    pub fn after_batch(current: Option<&Self>, batch: &Batch, delayed_after: Duration) -> Option<Self> {
        let follows = |next: &Window| next.start.since(batch.window.end) <= next.length();
        let window = batch.next_window.filter(follows).unwrap_or_else(|| following(batch.window));
        let newer =
            current.is_none_or(|current| (batch.epoch, window.start) > (current.epoch, current.window.start));
        newer.then(|| Self::new(&batch.phase, batch.epoch, window, delayed_after))
    }

    /// What to expect after the collector itself said that a window's batch is late.
    #[must_use]
    pub fn after_delay(current: Option<&Self>, late: &Subject, delayed_after: Duration) -> Option<Self> {
        let window = following(late.window);
        let newer =
            current.is_none_or(|current| (late.epoch, window.start) > (current.epoch, current.window.start));
        newer.then(|| Self::new(&late.phase, late.epoch, window, delayed_after))
    }

    /// What to do now that the deadline has passed. Without a directive (the reporter cannot be reached, or
    /// does not know the target) the batch counts as missing: silence is never ok.
    #[must_use]
    pub fn overdue(&self, directive: Option<&Directive>, delayed_after: Duration, now: Timestamp) -> Overdue {
        let Some(directive) = directive.filter(|directive| directive.epoch >= self.epoch) else {
            return Overdue::Raise(self.after_silence(None, delayed_after, now));
        };
        if !directive.phase.is_gated() {
            return Overdue::Stop;
        }
        if !directive.collect {
            let until_next_look = delayed_after.max(Duration::from_secs(1));
            return Overdue::Wait(Self { deadline: now.plus(until_next_look), ..self.clone() });
        }
        Overdue::Raise(self.after_silence(Some(directive), delayed_after, now))
    }

    /// What to expect after a window whose batch is missing: one of the same length, or of the directive's if
    /// that began a newer epoch, and never one from before that stay began: those windows were of the old one, however
    /// late they are released (PH-8). The far past of a long silence is passed over.
    fn after_silence(&self, directive: Option<&Directive>, delayed_after: Duration, now: Timestamp) -> Self {
        let newer = directive.filter(|directive| directive.epoch > self.epoch);
        let (phase, epoch) = newer.map_or((&self.phase, self.epoch), |newer| (&newer.phase, newer.epoch));
        let length =
            newer.map_or(self.window.length(), |newer| Duration::from_millis(newer.cadence_ms.max(1)));
        let first = newer.and_then(|newer| newer.since).map(|since| first_whole(since, length).start);
        let mut start = first.map_or(self.window.end, |first| self.window.end.max(first));
        let silent = now.since(start);
        let caught_up = length * CATCH_UP;
        if silent > caught_up {
            start = start.plus(silent - caught_up).align_up(length);
        }
        Self::new(phase, epoch, Window { start, end: start.plus(length) }, delayed_after)
    }

    /// What to expect from a directive of a newer epoch than any heard of (`known`): its first whole window
    /// may begin up to one cadence late, because windows already announced are not extended. `None` if the
    /// directive asks for nothing, or for nothing new.
    #[must_use]
    pub fn from_directive(
        known: Option<Epoch>,
        directive: &Directive,
        delayed_after: Duration,
        now: Timestamp,
    ) -> Option<Self> {
        let asked = directive.phase.is_gated() && directive.collect;
        if !asked || known.is_some_and(|known| known >= directive.epoch) {
            return None;
        }
        let cadence = Duration::from_millis(directive.cadence_ms.max(1));
        let window = first_whole(now, cadence);
        Some(Self::new(&directive.phase, directive.epoch, window, delayed_after))
    }

    /// What to expect of the directive's stay where the reporter knows decisions up to the window `through` that are lost
    /// here (OP-3): what was judged once is not missing. `None` as for a batch.
    #[must_use]
    pub fn after_loss(
        current: Option<&Self>,
        directive: &Directive,
        through: Window,
        delayed_after: Duration,
    ) -> Option<Self> {
        let window = following(through);
        let newer = current
            .is_none_or(|current| (directive.epoch, window.start) > (current.epoch, current.window.start));
        let asked = directive.phase.is_gated() && directive.collect;
        (asked && newer).then(|| Self::new(&directive.phase, directive.epoch, window, delayed_after))
    }
}

/// The first window of a directive that is surely whole: the one before it may still be announced by the old one.
fn first_whole(since: Timestamp, cadence: Duration) -> Window {
    let start = since.align_up(cadence).plus(cadence);
    Window { start, end: start.plus(cadence) }
}

fn following(window: Window) -> Window {
    Window { start: window.end, end: window.end.plus(window.length()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::fixture::{Counts, WINDOW, ten_o_clock, window};

    const DELAYED_AFTER: Duration = Duration::from_secs(300);

    fn watching(n: u32) -> Watch {
        Watch::new(&PhaseId::parse("B").unwrap(), 2, window(n), DELAYED_AFTER)
    }

    fn directive(phase: &str, epoch: Epoch) -> Directive {
        Directive {
            target: shared_types::TargetName::parse("autosave").unwrap(),
            phase: PhaseId::parse(phase).unwrap(),
            epoch,
            cadence_ms: 300_000,
            collect: true,
            sequence: 9,
            until: None,
            since: None,
        }
    }

    fn batch(n: u32, epoch: Epoch) -> Batch {
        Counts { window: window(n), epoch, phase: "B", ..Counts::default() }.batch()
    }

    /// SLO-7: the batch after this one is due 5 min after its window's end.
    #[test]
    fn batch_announces_the_next_one() {
        let next = Watch::after_batch(None, &batch(0, 2), DELAYED_AFTER).unwrap();
        assert_eq!((next.window, next.epoch), (window(1), 2));
        assert_eq!(next.deadline, window(1).end.plus(DELAYED_AFTER));

        let mut short = batch(0, 2);
        short.next_window = Some(Window { start: window(1).start, end: window(1).start.plus(WINDOW / 3) });
        let next = Watch::after_batch(None, &short, DELAYED_AFTER).unwrap();
        assert_eq!(next.window, short.next_window.unwrap());
    }

    /// A batch that announces nothing, or something far away, does not silence the watch.
    #[test]
    fn batch_without_a_near_successor_is_followed_by_one_of_its_length() {
        for announced in [None, Some(window(50))] {
            let batch = Batch { next_window: announced, ..batch(0, 2) };
            assert_eq!(Watch::after_batch(None, &batch, DELAYED_AFTER).unwrap().window, window(1));
        }
    }

    /// PH-8: late batches and batches of an old epoch move no watch back.
    #[test]
    fn watch_never_moves_back() {
        let current = watching(3);
        assert_eq!(Watch::after_batch(Some(&current), &batch(1, 2), DELAYED_AFTER), None);
        assert_eq!(Watch::after_batch(Some(&current), &batch(2, 2), DELAYED_AFTER), None);
        assert_eq!(Watch::after_batch(Some(&current), &batch(9, 1), DELAYED_AFTER), None);
        assert!(Watch::after_batch(Some(&current), &batch(3, 2), DELAYED_AFTER).is_some());
        assert!(Watch::after_batch(Some(&current), &batch(0, 3), DELAYED_AFTER).is_some());
    }

    /// SLO-7: raised once a window, window after window, also when nobody can be asked.
    #[test]
    fn silence_is_raised_window_after_window() {
        let now = watching(0).deadline;
        for asked in [None, Some(directive("B", 2)), Some(directive("off", 1))] {
            let next = watching(0).overdue(asked.as_ref(), DELAYED_AFTER, now);
            assert_eq!(next, Overdue::Raise(watching(1)), "{asked:?}");
        }
    }

    /// Where the rollout is not gated any more, silence is right.
    #[test]
    fn watch_ends_with_the_rollout() {
        for phase in ["off", "completed"] {
            let answer = watching(0).overdue(Some(&directive(phase, 3)), DELAYED_AFTER, ten_o_clock());
            assert_eq!(answer, Overdue::Stop);
        }
    }

    /// RB-5: while the reporter itself holds collection back, nothing is missing yet.
    #[test]
    fn collection_held_back_is_waited_for() {
        let held = Directive { collect: false, ..directive("B", 2) };
        let now = watching(0).deadline;
        let Overdue::Wait(watch) = watching(0).overdue(Some(&held), DELAYED_AFTER, now) else { panic!() };
        assert_eq!((watch.window, watch.deadline), (window(0), now.plus(DELAYED_AFTER)));
    }

    /// A collector that dies at a transition is heard in the new epoch: stale decisions alone would be silence.
    #[test]
    fn silence_goes_on_into_the_newer_epoch() {
        let answer = watching(0).overdue(Some(&directive("A", 3)), DELAYED_AFTER, watching(0).deadline);
        let Overdue::Raise(next) = answer else { panic!("{answer:?}") };
        assert_eq!((next.phase.as_str(), next.epoch), ("A", 3));
        assert_eq!(next.window.start, window(0).end);
        assert_eq!(next.window.length(), Duration::from_secs(300));
    }

    /// PH-8, PH-7: windows that were held back while a rollback was tried, and lie before the phase that it led to, are not
    /// missed in that phase.
    #[test]
    fn silence_before_a_stay_is_not_raised_in_it() {
        let began = window(7).start.plus(Duration::from_secs(60));
        let directive = Directive { since: Some(began), ..directive("A", 3) };
        let now = window(8).end;
        let Overdue::Raise(next) = watching(0).overdue(Some(&directive), DELAYED_AFTER, now) else {
            panic!()
        };
        assert_eq!((next.phase.as_str(), next.epoch), ("A", 3));
        let minutes = |n: u64| window(7).start.plus(Duration::from_secs(60 * n));
        assert_eq!(next.window, Window { start: minutes(10), end: minutes(15) });
        // A stay that began before the silence is missed from there on.
        let long_ago = Directive { since: Some(window(0).start), ..directive };
        let answer = watching(2).overdue(Some(&long_ago), DELAYED_AFTER, watching(2).deadline);
        let Overdue::Raise(next) = answer else { panic!("{answer:?}") };
        assert_eq!(next.window.start, window(2).end);
    }

    /// After days of silence the raised windows are bounded.
    #[test]
    fn long_silence_is_caught_up_within_bounds() {
        let now = window(1000).end;
        let Overdue::Raise(next) = watching(0).overdue(None, DELAYED_AFTER, now) else { panic!() };
        assert_eq!(next.window, window(1001 - CATCH_UP));
    }

    /// SLO-7: a collector that never sends its first batch is silence too.
    #[test]
    fn directive_of_a_newer_epoch_begins_a_watch() {
        let now = ten_o_clock().plus(Duration::from_secs(10));
        let begin =
            |known, directive: &Directive| Watch::from_directive(known, directive, DELAYED_AFTER, now);
        let watch = begin(None, &directive("A", 1)).unwrap();
        let minutes = |n: u64| ten_o_clock().plus(Duration::from_secs(60 * n));
        assert_eq!(watch.window, Window { start: minutes(10), end: minutes(15) });
        assert!(begin(Some(0), &directive("A", 1)).is_some());
        assert_eq!(begin(Some(1), &directive("A", 1)), None);
        assert_eq!(begin(None, &directive("off", 1)), None);
        assert_eq!(begin(None, &Directive { collect: false, ..directive("A", 1) }), None);
    }
}
