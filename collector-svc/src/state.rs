//! What the store keeps of a target besides counts: pure data and the rules that change it.

use std::collections::VecDeque;
use std::time::Duration;

use domain::stored::{Document, Step, unchanged};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared_types::batch::LostFile;
use shared_types::{Directive, PhaseId, TargetName, Timestamp, Window};

use crate::schedule::{Change, Planned, Schedule};
use crate::sources::AskedWindow;

/// A pause is lifted after this by itself (CO-7).
pub const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Pauses that are remembered.
const PAUSES_KEPT: usize = 32;

/// Lost files that are remembered, and for how long; each is in its batch as well.
const LOST_KEPT: usize = 50;
const LOST_TOLD: Duration = Duration::from_secs(24 * 3600);

/// Windows that a source is asked for at once.
const WINDOWS_ASKED: usize = 700;

/// One target's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetState {
    /// The newest one received; `None` before the first.
    pub directive: Option<Directive>,
    pub schedule: Schedule,
    /// The policy's window that the schedule was made with.
    #[serde(default)]
    pub base_window_ms: u64,
    /// Windows that end here or before are closed.
    pub closed_until: Timestamp,
    /// The newest `ts` counted.
    pub newest_event: Timestamp,
    /// No window is closed before this.
    pub paused_until: Option<Timestamp>,
    /// When the pause began: asked for again, it is still one pause.
    pub paused_since: Option<Timestamp>,
    /// Pauses that are over, of the windows that are not closed yet, oldest first; the last few.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub pauses: VecDeque<Window>,
    /// When windows could last be closed again after a pause or a stop.
    pub resumed_at: Option<Timestamp>,
    /// `collector.delayed` was raised for windows up to here, where it had to be.
    pub watched_until: Timestamp,
    pub source: SourceHealth,
    /// Telemetry that was written and never read, oldest first; of the last day, the newest 50 (CO-9).
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub lost: VecDeque<Lost>,
}

/// A file that was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Lost {
    /// When that was found.
    pub at: Timestamp,
    /// Where it was last seen.
    pub file: String,
    /// So many bytes stood there unread, at least; null where all that was seen had been read.
    #[serde(default)]
    pub bytes: Option<u64>,
}

impl Document for TargetState {
    const KIND: &'static str = "target state";
    const STEPS: &'static [Step] =
        &[Step { name: "a pause knows its beginning", up: begun, down: unchanged }];
}

/// When a pause that runs began is not known: it may end as late as one that begins now, and no later.
fn begun(mut state: Value) -> Result<Value, String> {
    let fields = state.as_object_mut().ok_or("not an object")?;
    fields.entry("paused_since").or_insert(Value::Null);
    Ok(state)
}

/// How reading the source goes (CO-5).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceHealth {
    /// Failures in a row.
    pub failures: u32,
    pub failing_since: Option<Timestamp>,
    /// Not read before this.
    pub next_attempt_at: Option<Timestamp>,
    pub last_error: Option<String>,
    /// `collector.retry_exhausted` was raised for this outage.
    pub exhausted: bool,
    pub last_outage: Option<Outage>,
}

/// An outage that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    pub since: Timestamp,
    pub until: Timestamp,
    /// Attempts until it worked, that one included.
    pub attempts: u32,
}

impl TargetState {
    /// The windows of exposed phases that are not closed and have begun, oldest first; a bounded number of the newest.
    #[must_use]
    pub fn windows_begun(&self, now: Timestamp) -> Vec<AskedWindow> {
        let mut begun = VecDeque::new();
        let back = self.schedule.at(now).window.length() * u32::try_from(WINDOWS_ASKED).unwrap_or(1);
        let mut next = self.closed_until.max(now.minus(back));
        loop {
            let Planned { window, phase, .. } = self.schedule.at(next);
            if window.start > now || window.length().is_zero() {
                return begun.into();
            }
            if phase.is_gated() {
                if begun.len() == WINDOWS_ASKED {
                    begun.pop_front();
                }
                let begins_stay = self.schedule.begins_stay(window.start);
                begun.push_back(AskedWindow { window, phase, begins_stay });
            }
            next = window.end;
        }
    }

    /// Before anything happened: phase `off`, nothing closed.
    #[must_use]
    pub fn initial(window: Duration) -> Self {
        let beginning = Timestamp::from_millis(0);
        Self {
            directive: None,
            schedule: Schedule::initial(window),
            base_window_ms: millis(window),
            closed_until: beginning,
            newest_event: beginning,
            paused_until: None,
            paused_since: None,
            pauses: VecDeque::new(),
            resumed_at: None,
            watched_until: beginning,
            source: SourceHealth::default(),
            lost: VecDeque::new(),
        }
    }

    /// Remembers what was lost.
    pub fn lose(&mut self, LostFile { file, bytes }: LostFile, now: Timestamp) {
        self.lost.retain(|lost| lost.is_told(now));
        if self.lost.len() == LOST_KEPT {
            self.lost.pop_front();
        }
        self.lost.push_back(Lost { at: now, file, bytes });
    }

    /// Takes over a directive, unless a newer one is in force. True if it did.
    pub fn direct(&mut self, directive: &Directive, base_window: Duration, now: Timestamp) -> bool {
        if self.directive.as_ref().is_some_and(|current| current.sequence >= directive.sequence) {
            return false;
        }
        let was_held = self.is_held(now);
        let change = Change {
            phase: directive.phase.clone(),
            epoch: directive.epoch,
            cadence: Duration::from_millis(directive.cadence_ms.max(1)),
            until: directive.until,
            base_window,
        };
        let after_events = match self.newest_event.as_millis() {
            0 => now,
            newest => now.max(Timestamp::from_millis(newest + 1)),
        };
        self.schedule.change(&change, after_events, self.closed_until);
        self.base_window_ms = millis(base_window);
        self.directive = Some(directive.clone());
        if was_held && !self.is_held(now) {
            self.resumed_at = Some(now);
        }
        true
    }

    /// The policy's window, where it decides: for a target without directives, and after the cadence of a recovery
    /// watch. Another one takes effect at its next boundary (PO-2).
    pub fn use_window(&mut self, window: Duration, now: Timestamp) {
        let change = match &self.directive {
            None => {
                Change { phase: PhaseId::off(), epoch: 0, cadence: window, until: None, base_window: window }
            }
            Some(directive) if directive.until.is_some() && self.base_window_ms != millis(window) => Change {
                phase: directive.phase.clone(),
                epoch: directive.epoch,
                cadence: Duration::from_millis(directive.cadence_ms.max(1)),
                until: directive.until,
                base_window: window,
            },
            Some(_) => return,
        };
        self.schedule.change(&change, now.max(self.newest_event), self.closed_until);
        self.base_window_ms = millis(window);
    }

    /// Whether windows must not be closed now: a pause, or the reporter's stop in a gated phase.
    #[must_use]
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.paused_until.is_some_and(|until| !is_over(until, now)) || self.is_stopped()
    }

    fn is_stopped(&self) -> bool {
        self.directive.as_ref().is_some_and(|directive| !directive.collect && directive.phase.is_gated())
    }

    /// Pauses for so many seconds, at most until [`PAUSE_MAX`] after the pause began (CO-7); 0 resumes. Says until when.
    pub fn pause(&mut self, seconds: u64, now: Timestamp) -> Timestamp {
        let runs = self.paused_until.is_some_and(|until| !is_over(until, now));
        let begun = self.paused_since.filter(|_| runs);
        let since = begun.unwrap_or(now);
        let until = now.plus(Duration::from_secs(seconds)).min(since.plus(PAUSE_MAX)).max(now);
        self.paused_since = (until > now).then_some(since);
        let was = std::mem::replace(&mut self.paused_until, (until > now).then_some(until));
        // Only the end of a pause counts as one: else whoever resumes again and again puts off what is overdue.
        if was.is_some() && self.paused_until.is_none() {
            self.resumed_at = Some(now);
            self.keep_pause(begun, now);
        }
        until
    }

    fn keep_pause(&mut self, since: Option<Timestamp>, until: Timestamp) {
        self.pauses.extend(since.map(|start| Window { start, end: until }));
        if self.pauses.len() > PAUSES_KEPT {
            self.pauses.pop_front();
        }
    }

    /// How much of a time was a pause (CO-10).
    #[must_use]
    pub fn paused_in(&self, time: Window) -> Duration {
        let of = |pause: &Window| pause.end.min(time.end).since(pause.start.max(time.start));
        self.pauses.iter().map(of).sum()
    }

    /// Drops pauses that lie in closed windows.
    pub fn forget_pauses(&mut self) {
        self.pauses.retain(|pause| pause.end > self.closed_until);
    }

    /// Lifts a pause that is over; says until when it was.
    pub fn resume_if_due(&mut self, now: Timestamp) -> Option<Timestamp> {
        let until = self.paused_until.take_if(|until| is_over(*until, now))?;
        let since = self.paused_since.take();
        self.keep_pause(since, until);
        self.resumed_at = Some(until);
        Some(until)
    }

    /// The earliest window that ended without having been delivered `delayed_after` later, of those not closed
    /// yet (CO-4). Time in which windows were held does not count.
    #[must_use]
    pub fn overdue(&self, now: Timestamp, delayed_after: Duration) -> Option<Planned> {
        if self.is_held(now) {
            return None;
        }
        let planned = self.schedule.at(self.closed_until.max(self.watched_until));
        let counted_from = self.resumed_at.map_or(planned.window.end, |at| at.max(planned.window.end));
        let overdue = planned.phase.is_gated() && counted_from.plus(delayed_after) <= now;
        overdue.then_some(planned)
    }

    /// The window that an event about the source names: the oldest that waits for it, else the open one.
    #[must_use]
    pub fn window_of_outage(&self, now: Timestamp) -> Planned {
        let waiting = self.schedule.at(self.closed_until);
        if waiting.phase.is_gated() && waiting.window.start <= now { waiting } else { self.schedule.at(now) }
    }
}

impl Lost {
    /// Whether people are still told of it.
    #[must_use]
    pub fn is_told(&self, now: Timestamp) -> bool {
        now.since(self.at) < LOST_TOLD
    }
}

impl SourceHealth {
    /// Whether the source may be read now.
    #[must_use]
    pub fn may_read(&self, now: Timestamp) -> bool {
        self.next_attempt_at.is_none_or(|at| at <= now)
    }

    /// A read failed: the next attempt follows the schedule, counted from this failure; after its end, the last
    /// delay again and again.
    pub fn failed(&mut self, reason: &str, retry: &[Duration], now: Timestamp) {
        let delay = usize::try_from(self.failures).ok().and_then(|at| retry.get(at)).or(retry.last());
        self.failures += 1;
        self.failing_since.get_or_insert(now);
        self.next_attempt_at = Some(now.plus(delay.copied().unwrap_or(Duration::from_secs(1))));
        self.last_error = Some(reason.chars().take(500).collect());
    }

    /// Whether the last retry has failed and nobody was told.
    #[must_use]
    pub fn is_newly_exhausted(&self, retry: &[Duration]) -> bool {
        !self.exhausted && usize::try_from(self.failures).is_ok_and(|failures| failures > retry.len())
    }

    /// A read succeeded. True if that ends an outage.
    pub fn succeeded(&mut self, now: Timestamp) -> bool {
        let Some(since) = self.failing_since else { return false };
        let outage = Outage { since, until: now, attempts: self.failures.saturating_add(1) };
        *self = Self { last_outage: Some(outage), ..Self::default() };
        true
    }

    /// How often the source had to be read for a window that could be closed from `due` on.
    #[must_use]
    pub fn attempts_for(&self, due: Timestamp) -> u32 {
        match self.last_outage {
            Some(outage) if outage.since <= due && due <= outage.until => outage.attempts,
            _ => 1,
        }
    }
}

fn millis(window: Duration) -> u64 {
    u64::try_from(window.as_millis()).unwrap_or(u64::MAX)
}

/// The id of an event about a window: the same on every resend and from every replica.
#[must_use]
pub fn event_id(target: &TargetName, window_start: Timestamp, kind: &str) -> uuid::Uuid {
    const NAMESPACE: uuid::Uuid = uuid::uuid!("6f1c2f0e-6a0b-4b51-9a55-6a4d1c1e7a10");
    let name = format!("{target}|{}|{kind}", window_start.as_millis());
    uuid::Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// Whether a pause has ended by itself.
fn is_over(until: Timestamp, now: Timestamp) -> bool {
    now >= until
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_millis(1_795_341_600_000).plus(Duration::from_secs(minute * 60))
    }

    fn directive(sequence: u64, phase: &str, collect: bool) -> Directive {
        Directive {
            target: TargetName::parse("autosave").unwrap(),
            phase: PhaseId::parse(phase).unwrap(),
            epoch: 1,
            cadence_ms: 900_000,
            collect,
            sequence,
            until: None,
            since: None,
        }
    }

    const QUARTER: Duration = Duration::from_secs(900);
    const RETRY: [Duration; 4] = [
        Duration::from_secs(30),
        Duration::from_secs(60),
        Duration::from_secs(120),
        Duration::from_secs(240),
    ];

    /// CO-6: an older sequence is ignored.
    #[test]
    fn the_directive_with_the_highest_sequence_wins() {
        let mut state = TargetState::initial(QUARTER);
        assert!(state.direct(&directive(7, "A", true), QUARTER, at(1)));
        assert!(!state.direct(&directive(6, "B", true), QUARTER, at(2)));
        assert!(!state.direct(&directive(7, "B", true), QUARTER, at(2)));
        assert_eq!(state.directive.unwrap().phase.as_str(), "A");
    }

    /// CO-7: five minutes at most, then it resumes by itself.
    #[test]
    fn a_pause_ends_by_itself_after_five_minutes() {
        let mut state = TargetState::initial(QUARTER);
        assert_eq!(state.pause(3600, at(0)), at(5));
        assert!(state.is_held(at(4)) && state.resume_if_due(at(4)).is_none());
        assert!(!state.is_held(at(5)) && state.resume_if_due(at(6)) == Some(at(5)));
        assert_eq!(state.resumed_at, Some(at(5)));
        state.pause(0, at(9));
        assert_eq!(state.resumed_at, Some(at(5)), "nothing was paused");
    }

    /// CO-7, CO-10: a pause that is asked for again is still one pause; after its end another may begin.
    #[test]
    fn a_pause_counts_from_its_first_start() {
        let mut state = TargetState::initial(QUARTER);
        assert_eq!(state.pause(60, at(0)), at(1));
        assert_eq!(state.pause(300, at(0)), at(5), "it may grow to five minutes");
        assert_eq!(state.pause(300, at(3)), at(5), "and no further");
        assert_eq!(state.pause(30, at(4)), at(4).plus(Duration::from_secs(30)));
        assert_eq!(state.pause(0, at(4)), at(4));
        assert_eq!(state.pause(300, at(6)), at(11), "another one");
    }

    /// CO-5: retries 30, 60, 120, 240 s after the failure before; exhausted when the fourth has failed.
    #[test]
    fn a_source_is_retried_on_schedule_and_given_up_after_the_fourth_retry() {
        let mut health = SourceHealth::default();
        let mut now = at(0);
        for delay in RETRY {
            health.failed("no answer", &RETRY, now);
            assert!(!health.is_newly_exhausted(&RETRY));
            assert_eq!(health.next_attempt_at, Some(now.plus(delay)));
            now = now.plus(delay);
        }
        health.failed("no answer", &RETRY, now);
        assert!(health.is_newly_exhausted(&RETRY));
        assert_eq!(now, at(0).plus(Duration::from_secs(450)));
        assert_eq!(health.next_attempt_at, Some(now.plus(RETRY[3])));
        assert!(health.succeeded(now) && !health.succeeded(now));
        assert_eq!((health.attempts_for(at(1)), health.attempts_for(at(60))), (6, 1));
    }

    /// CO-4: not delivered 5 min after its window's end; a stop does not count.
    #[test]
    fn a_window_is_overdue_five_minutes_after_its_end() {
        let five = Duration::from_secs(300);
        let mut state = TargetState::initial(QUARTER);
        state.direct(&directive(1, "A", true), QUARTER, at(0));
        state.closed_until = at(0);
        assert_eq!(state.overdue(at(19), five), None);
        assert_eq!(state.overdue(at(20), five).unwrap().window.end, at(15));
        state.direct(&directive(2, "A", false), QUARTER, at(10));
        assert_eq!(state.overdue(at(40), five), None);
        state.direct(&directive(3, "A", true), QUARTER, at(40));
        assert_eq!((state.overdue(at(44), five), state.overdue(at(45), five).is_some()), (None, true));
    }
}
