//! Which window a moment belongs to, whatever the reporter has directed (CO-1, CO-6). Pure.
//!
//! Windows tile time: every moment lies in exactly one, and a window that has events, is closed or was
//! announced keeps its start. A directive takes effect at a boundary in the future; the window that is open
//! then may be cut there, but never grows, and keeps its old phase and epoch.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_types::{Epoch, PhaseId, Timestamp, Window};

/// From `from` on: windows of `cadence_ms`, in this phase and epoch, until the next segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub from: Timestamp,
    pub cadence_ms: u64,
    pub phase: PhaseId,
    pub epoch: Epoch,
}

/// A window and the stay it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub window: Window,
    pub phase: PhaseId,
    pub epoch: Epoch,
}

/// What a directive changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub cadence: Duration,
    /// When `base_window` replaces `cadence`.
    pub until: Option<Timestamp>,
    /// The policy's window.
    pub base_window: Duration,
}

/// What is due to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// In order.
    pub windows: Vec<Planned>,
    /// All windows that end here or before are then closed.
    pub closed_until: Timestamp,
}

/// The segments, ascending; the first begins at the beginning of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schedule(Vec<Segment>);

impl Schedule {
    /// Before any directive: phase `off`, epoch 0.
    #[must_use]
    pub fn initial(window: Duration) -> Self {
        let from = Timestamp::from_millis(0);
        Self(vec![Segment { from, cadence_ms: millis(window), phase: PhaseId::off(), epoch: 0 }])
    }

    /// The window of a moment.
    #[must_use]
    pub fn at(&self, moment: Timestamp) -> Planned {
        let after = self.0.partition_point(|segment| segment.from <= moment).max(1);
        let segment = &self.0[after - 1];
        let cadence = Duration::from_millis(segment.cadence_ms);
        let start = moment.align_down(cadence);
        let end = start.plus(cadence);
        let end = self.0.get(after).map_or(end, |next| end.min(next.from));
        Planned {
            window: Window { start: start.max(segment.from), end },
            phase: segment.phase.clone(),
            epoch: segment.epoch,
        }
    }

    /// Whether a window that begins then is the first of its stay.
    #[must_use]
    pub fn begins_stay(&self, start: Timestamp) -> bool {
        self.at(start).epoch != self.at(start.minus(Duration::from_millis(1))).epoch
    }

    /// Puts a change into force at the first boundary of its cadence that is not before `not_before` and
    /// does not make the window that begins at `closed_until` longer than it was announced.
    pub fn change(&mut self, change: &Change, not_before: Timestamp, closed_until: Timestamp) {
        let announced = self.at(closed_until).window;
        let small = change.until.filter(|until| *until > not_before && change.cadence != change.base_window);
        let cadence =
            if change.until.is_some() && small.is_none() { change.base_window } else { change.cadence };
        let mut from = not_before.max(closed_until).align_up(cadence);
        if from == announced.start && from.plus(cadence) > announced.end && closed_until.as_millis() > 0 {
            from = from.plus(cadence);
        }
        self.0.retain(|segment| segment.from < from);
        self.push(from, cadence, change);
        if let Some(until) = small {
            self.push(until.max(from).align_up(change.base_window), change.base_window, change);
        }
    }

    fn push(&mut self, from: Timestamp, cadence: Duration, change: &Change) {
        let next =
            Segment { from, cadence_ms: millis(cadence), phase: change.phase.clone(), epoch: change.epoch };
        self.0.retain(|segment| segment.from < from);
        let says_the_same = |last: &Segment| Segment { from, ..last.clone() } == next;
        if !self.0.last().is_some_and(says_the_same) {
            self.0.push(next);
        }
        // A change in force from the beginning of time leaves nothing before it.
        if let Some(first) = self.0.first_mut() {
            first.from = Timestamp::from_millis(0);
        }
    }

    /// Drops what only closed windows needed. What ended just there tells that a stay begins.
    pub fn forget_before(&mut self, closed_until: Timestamp) {
        let in_force = self.0.partition_point(|segment| segment.from < closed_until).max(1) - 1;
        self.0.drain(..in_force);
        if let Some(first) = self.0.first_mut() {
            first.from = Timestamp::from_millis(0);
        }
    }

    /// The windows that ended `grace` ago or earlier and are not closed yet, at most `limit`. Outside the
    /// gated phases only those in `with_events` (ascending starts), so that silence before a rollout leaves
    /// no batches.
    #[must_use]
    pub fn due(
        &self,
        closed_until: Timestamp,
        now: Timestamp,
        grace: Duration,
        with_events: &[Timestamp],
        limit: usize,
    ) -> Due {
        let settled = now.minus(grace);
        let mut due = Due { windows: Vec::new(), closed_until };
        while due.windows.len() < limit {
            let planned = self.at(due.closed_until);
            if planned.window.end > settled {
                break;
            }
            let has_events = with_events.binary_search(&planned.window.start).is_ok();
            let end = planned.window.end;
            if planned.phase.is_gated() || has_events {
                due.windows.push(planned);
                due.closed_until = end;
            } else {
                due.closed_until = end.max(self.next_of_interest(end, settled, with_events));
            }
        }
        due
    }

    /// Where the next window begins that could have to be closed, from `from` on in an ungated stretch.
    fn next_of_interest(&self, from: Timestamp, settled: Timestamp, with_events: &[Timestamp]) -> Timestamp {
        let at = with_events.partition_point(|start| *start < from);
        let segment = self.0.iter().map(|segment| segment.from).find(|start| *start >= from);
        let open = self.at(settled).window.start;
        with_events.get(at).copied().into_iter().chain(segment).fold(open, Timestamp::min)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: u64 = 60_000;

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_millis(1_795_341_600_000).plus(Duration::from_millis(minute * MINUTE))
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_millis(minutes * MINUTE)
    }

    fn change(phase: &str, epoch: Epoch, cadence: u64, until: Option<Timestamp>) -> Change {
        let phase = PhaseId::parse(phase).unwrap();
        Change { phase, epoch, cadence: minutes(cadence), until, base_window: minutes(15) }
    }

    fn window(from: u64, to: u64) -> Window {
        Window { start: at(from), end: at(to) }
    }

    /// CO-1: windows are aligned to the clock, and the change of phase comes with the next window.
    #[test]
    fn a_change_of_phase_takes_effect_with_the_next_window() {
        let mut schedule = Schedule::initial(minutes(15));
        schedule.change(&change("A", 1, 15, None), at(7), at(0));
        assert_eq!(schedule.at(at(7)), Planned { window: window(0, 15), phase: PhaseId::off(), epoch: 0 });
        assert_eq!(schedule.at(at(15)).epoch, 1);
        assert_eq!(schedule.at(at(44)).window, window(30, 45));
    }

    /// PH-8: a source that counts by itself is told which window is a stay's first, also once all before it is closed.
    #[test]
    fn a_stay_begins_with_its_first_window() {
        let mut schedule = Schedule::initial(minutes(15));
        schedule.change(&change("A", 1, 15, None), at(7), at(0));
        schedule.change(&change("A", 1, 5, None), at(31), at(30));
        schedule.forget_before(at(15));
        assert_eq!(
            [0, 15, 30, 35].map(|minute| schedule.begins_stay(at(minute))),
            [false, true, false, false]
        );
        schedule.forget_before(at(30));
        assert!(!schedule.begins_stay(at(30)));
    }

    /// CO-6: 5 min for 30 min after a rollback, then the policy's window again.
    #[test]
    fn a_shorter_cadence_cuts_the_open_window_and_ends_at_a_boundary_of_the_policys() {
        let mut schedule = Schedule::initial(minutes(15));
        schedule.change(&change("B", 2, 15, None), at(0), at(0));
        schedule.change(&change("A", 3, 5, Some(at(51))), at(21), at(15));
        let windows: Vec<(Window, Epoch)> =
            [15, 25, 30, 55, 60].map(|m| schedule.at(at(m))).map(|p| (p.window, p.epoch)).into();
        let expected = [
            (window(15, 25), 2),
            (window(25, 30), 3),
            (window(30, 35), 3),
            (window(55, 60), 3),
            (window(60, 75), 3),
        ];
        assert_eq!(windows, expected);
    }

    /// CO-1: a restart that slept through several windows closes each; outside gated phases only what has events.
    #[test]
    fn every_missed_window_of_a_gated_phase_is_due_and_of_others_those_with_events() {
        let mut schedule = Schedule::initial(minutes(15));
        schedule.change(&change("A", 1, 15, None), at(60), at(0));
        let due = schedule.due(Timestamp::from_millis(0), at(105), minutes(1), &[at(15)], 100);
        let starts: Vec<Timestamp> = due.windows.iter().map(|planned| planned.window.start).collect();
        assert_eq!(starts, [at(15), at(60), at(75)]);
        assert_eq!(due.closed_until, at(90));
        assert_eq!(schedule.due(at(90), at(105), minutes(1), &[], 100).windows, []);
        assert_eq!(schedule.due(at(60), at(1000), minutes(1), &[], 3).closed_until, at(105));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Direct { cadence: u64, until: Option<u64>, event_ahead: u64 },
        Pass { minutes: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        let cadence = prop::sample::select(vec![1_u64, 2, 5, 7, 15, 60]);
        prop_oneof![
            (cadence, prop::option::of(0..120_u64), 0..15_u64)
                .prop_map(|(cadence, until, event_ahead)| Step::Direct { cadence, until, event_ahead }),
            (0..70_u64).prop_map(|minutes| Step::Pass { minutes }),
        ]
    }

    proptest! {
        /// CO-1, CO-6: whatever directives come, windows tile time without gap or overlap, closed windows and
        /// those with events stay what they are, and an announced window is never extended.
        #[test]
        fn windows_tile_time_whatever_directives_come(steps in prop::collection::vec(step(), 1..25)) {
            let mut schedule = Schedule::initial(minutes(15));
            let (mut now, mut closed, mut epoch) = (at(3), Timestamp::from_millis(0), 0);
            for step in steps {
                match step {
                    Step::Pass { minutes: passed } => {
                        now = now.plus(minutes(passed));
                        let due = schedule.due(closed, now, minutes(1), &[], 1000);
                        let mut cursor = closed.max(at(0));
                        while cursor < due.closed_until {
                            let planned = schedule.at(cursor);
                            cursor = planned.window.end;
                            prop_assert_eq!(due.windows.contains(&planned), planned.phase.is_gated());
                        }
                        closed = due.closed_until;
                        schedule.forget_before(closed);
                    }
                    Step::Direct { cadence, until, event_ahead } => {
                        let before = schedule.clone();
                        let newest = now.plus(minutes(event_ahead)).minus(Duration::from_millis(1));
                        epoch += 1;
                        let until = until.map(|after| now.plus(minutes(after)));
                        let phase = if epoch % 3 == 0 { "off" } else { "A" };
                        schedule.change(&change(phase, epoch, cadence, until), now.max(newest.plus(Duration::from_millis(1))), closed);
                        let (was, is) = (before.at(closed).window, schedule.at(closed).window);
                        prop_assert!(closed.as_millis() == 0 || (was.start == is.start && is.end <= was.end));
                        prop_assert_eq!(before.at(newest).window.start, schedule.at(newest).window.start);
                        prop_assert_eq!(schedule.at(newest.plus(minutes(200))).epoch, epoch);
                    }
                }
                let mut cursor = closed.max(at(0).minus(minutes(600)));
                cursor = schedule.at(cursor).window.start;
                for _ in 0..200 {
                    let planned = schedule.at(cursor).window;
                    prop_assert_eq!(planned.start, cursor);
                    prop_assert!(planned.end > planned.start);
                    let last = Timestamp::from_millis(planned.end.as_millis() - 1);
                    prop_assert_eq!(schedule.at(last).window, planned);
                    prop_assert_eq!(planned.start.as_millis() % 60_000, 0);
                    cursor = planned.end;
                }
            }
        }
    }
}
