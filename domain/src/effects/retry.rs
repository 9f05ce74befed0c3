//! When a failed effect is tried again.

use std::time::Duration;

use crate::stored::Document;
use serde::{Deserialize, Serialize};

/// Delays after the 1st, 2nd, … failure, each counted from that failure (durable, exact).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrySchedule {
    pub delays_ms: Vec<u64>,
    /// After the last delay: go on for ever with that delay (a neighbour that will come back), or `dead`.
    pub then: AfterLastRetry,
}

impl Document for RetrySchedule {
    const KIND: &'static str = "retry schedule";
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterLastRetry {
    Dead,
    RepeatLast,
}

impl RetrySchedule {
    /// These delays, then dead.
    pub fn then_dead(delays: impl IntoIterator<Item = Duration>) -> Self {
        Self { delays_ms: delays.into_iter().map(millis).collect(), then: AfterLastRetry::Dead }
    }

    /// These delays, then the last of them for ever.
    pub fn then_repeat(delays: impl IntoIterator<Item = Duration>) -> Self {
        Self { delays_ms: delays.into_iter().map(millis).collect(), then: AfterLastRetry::RepeatLast }
    }

    /// For a neighbour, which will come back.
    #[must_use]
    pub fn of_neighbours() -> Self {
        Self::then_repeat([1, 2, 4, 8, 16, 30].map(Duration::from_secs))
    }

    /// For what only this machine and its database can hold up.
    #[must_use]
    pub fn of_our_own() -> Self {
        Self::then_repeat([1, 5, 30].map(Duration::from_secs))
    }

    /// A message is tried for about two hours, then a person is asked. Once a minute, so that what waits behind goes out
    /// soon after an outage.
    #[must_use]
    pub fn of_messages() -> Self {
        Self::then_dead(Self::outage())
    }

    /// A page is never given up for an outage; what is refused is given up when a message would be.
    #[must_use]
    pub fn of_pages() -> Self {
        Self::then_repeat(Self::outage())
    }

    fn outage() -> impl Iterator<Item = Duration> {
        let delays = [1, 2, 5, 10, 30].into_iter().chain(std::iter::repeat_n(60, 115));
        delays.map(Duration::from_secs)
    }

    /// The delay after a failure when `step` delays were used before; none: no retry is left.
    #[must_use]
    pub fn delay_after(&self, step: u32) -> Option<Duration> {
        match (self.listed_delay_after(step), self.then) {
            (Some(delay), _) => Some(delay),
            (None, AfterLastRetry::Dead) => None,
            // Without any delay to repeat, a second keeps the worker from spinning.
            (None, AfterLastRetry::RepeatLast) => {
                Some(Duration::from_millis(self.delays_ms.last().copied().unwrap_or(1000)))
            }
        }
    }

    /// As [`Self::delay_after`], of the listed delays alone.
    #[must_use]
    pub fn listed_delay_after(&self, step: u32) -> Option<Duration> {
        let at = usize::try_from(step).unwrap_or(usize::MAX);
        self.delays_ms.get(at).copied().map(Duration::from_millis)
    }

    /// Whether a failure uses up the last listed delay's retry, when `step` delays were used before: true for exactly
    /// one failure of a row, whatever comes `then`.
    #[must_use]
    pub fn is_exhausted_by_failure_at(&self, step: u32) -> bool {
        usize::try_from(step).is_ok_and(|step| step == self.delays_ms.len())
    }
}

fn millis(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_retries_follow_the_first_attempt_and_then_it_is_dead() {
        let schedule = RetrySchedule::then_dead([30, 60, 120, 240].map(Duration::from_secs));
        let delays: Vec<_> =
            (0..5).map(|step| schedule.delay_after(step).map(|delay| delay.as_secs())).collect();
        assert_eq!(delays, [Some(30), Some(60), Some(120), Some(240), None]);
        let exhausted: Vec<_> = (0..6).filter(|step| schedule.is_exhausted_by_failure_at(*step)).collect();
        assert_eq!(exhausted, [4]);
    }

    #[test]
    fn a_neighbour_is_tried_for_ever_with_the_last_delay() {
        let schedule = RetrySchedule::then_repeat([1, 2].map(Duration::from_secs));
        assert_eq!(schedule.delay_after(7), Some(Duration::from_secs(2)));
        let empty = RetrySchedule::then_repeat([]);
        assert_eq!(empty.delay_after(0), Some(Duration::from_secs(1)));
    }
}
