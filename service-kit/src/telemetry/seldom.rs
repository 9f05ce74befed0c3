//! A loop that tries on meets the same failure again and again: it is told once, and then once a minute with how often it came.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::causes::in_full;

const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Failures that are told apart; what comes beyond them makes the oldest one forgotten, and told anew.
const APART: usize = 256;

static TOLD: Mutex<BTreeMap<(&str, String), Told>> = Mutex::new(BTreeMap::new());

#[derive(Debug)]
struct Told {
    at: Instant,
    since: u64,
}

/// Logs `$what` at `$level`, with the error and more fields, unless that was just done.
#[macro_export]
macro_rules! seldom {
    ($level:ident, $what:literal, $error:expr $(, $($field:tt)+)?) => {{
        let error: &(dyn ::std::error::Error + 'static) = $error;
        if let Some(repeats) = $crate::telemetry::seldom::due($what, error) {
            ::tracing::$level!(error, repeats, $($($field)+,)? $what);
        }
    }};
}

/// Whether a failure is to be told now, and how often it came since it was last; for [`seldom!`](crate::seldom).
pub fn due(what: &'static str, error: &(dyn Error + 'static)) -> Option<u64> {
    due_at(&mut TOLD.lock().unwrap_or_else(PoisonError::into_inner), what, in_full(error), Instant::now())
}

fn due_at(
    told: &mut BTreeMap<(&'static str, String), Told>,
    what: &'static str,
    cause: String,
    now: Instant,
) -> Option<u64> {
    if let Some(told) = told.get_mut(&(what, cause.clone())) {
        if now.duration_since(told.at) < TOLD_EVERY {
            told.since += 1;
            return None;
        }
        told.at = now;
        return Some(std::mem::take(&mut told.since));
    }
    if told.len() >= APART
        && let Some(oldest) = told.iter().min_by_key(|(_, told)| told.at).map(|(key, _)| key.clone())
    {
        told.remove(&oldest);
    }
    told.insert((what, cause), Told { at: now, since: 0 });
    Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OP-2: the cause stands in the log once, not 11,640 times.
    #[test]
    fn a_failure_that_lasts_is_told_once_a_minute_and_another_at_once() {
        let (mut told, start) = (BTreeMap::new(), Instant::now());
        let mut at = |seconds: u64, cause: &str| {
            due_at(&mut told, "not stored", cause.to_owned(), start + Duration::from_secs(seconds))
        };
        assert_eq!(at(0, "read-only"), Some(0));
        let lines = (1..60).filter_map(|second| at(second, "read-only")).count();
        assert_eq!(lines, 0);
        assert_eq!(at(59, "disk full"), Some(0), "another cause");
        assert_eq!(at(60, "read-only"), Some(59));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut told, start) = (BTreeMap::new(), Instant::now());
        for number in 0..1_000_u64 {
            due_at(&mut told, "x", number.to_string(), start + Duration::from_millis(number));
        }
        assert_eq!(told.len(), APART);
    }
}
