//! How the errors of a window are spread over sessions (JU-10), in bounded memory.
//!
//! Two tables of [`PLACES`] places each (`events::frequent`): errors by session, and attempts by session. Up to 2,048 sessions
//! everything is exact. Beyond that, E being all errors that name a session and A all attempts that do:
//!
//! - `top` is never above the truth, and at most E ÷ 1,024 below it;
//! - `top_attempts` is never below the truth, and at most A ÷ 1,024 above it: a session is rather left in than out;
//! - `distinct` is never above the truth;
//! - `squares` is never above the truth: an error of which no session is known, because the event names none or the session
//!   has no place any more, counts as the only one of its session, so that evidence is not weighed down without need.
//!
//! Only hashes are kept, and those only until the window is closed: what a session is called is written nowhere.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;

use events::frequent::{AlreadyHashed, excess};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::totals::Breakdown;

/// Places for sessions, for errors and for attempts each.
const PLACES: usize = 1024;

/// One error's sessions in one window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    errors: Table,
    attempts: Table,
}

impl Sessions {
    /// Counts an error of a session.
    #[inline]
    pub fn error(&mut self, session: u64) {
        self.errors.add(session);
    }

    /// Counts an attempt, failed or not.
    #[inline]
    pub fn attempt(&mut self, session: u64) {
        self.attempts.add(session);
    }

    /// Adds what was counted besides.
    pub fn merge(&mut self, more: &Self) {
        self.errors.merge(&more.errors);
        self.attempts.merge(&more.attempts);
    }

    /// What a batch says, `errors` being all of the window, with or without a session. None if no session had one.
    #[must_use]
    pub fn figures(&self, errors: u64) -> Option<Breakdown> {
        let counts = &self.errors.counts;
        let rank = |session: &u64, count: &u64| (*count, self.attempts.at_most(*session));
        let (top, top_attempts) = counts.iter().map(|(session, count)| rank(session, count)).max()?;
        let with_session: u64 = counts.values().sum();
        let squares =
            counts.values().fold(0_u64, |sum, count| sum.saturating_add(count.saturating_mul(*count)));
        let figures = [
            ("distinct", counts.len().try_into().unwrap_or(u64::MAX)),
            ("top", top),
            ("top_attempts", top_attempts),
            ("squares", squares.saturating_add(errors.saturating_sub(with_session))),
        ];
        Some(figures.into_iter().map(|(figure, value)| (figure.to_owned(), value)).collect())
    }
}

/// By the hash of a session.
type Counts = HashMap<u64, u64, BuildHasherDefault<AlreadyHashed>>;

/// How often each session came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Table {
    /// Never above the truth.
    #[serde(serialize_with = "in_order", deserialize_with = "in_any_order")]
    counts: Counts,
    /// From every count, at most.
    taken_off: u64,
}

impl Table {
    #[inline]
    fn add(&mut self, session: u64) {
        *self.counts.entry(session).or_default() += 1;
        if self.counts.len() > 2 * PLACES {
            self.prune();
        }
    }

    fn at_most(&self, session: u64) -> u64 {
        self.counts.get(&session).copied().unwrap_or(0).saturating_add(self.taken_off)
    }

    fn merge(&mut self, more: &Self) {
        for (session, count) in &more.counts {
            *self.counts.entry(*session).or_default() += count;
        }
        self.taken_off += more.taken_off;
        self.prune();
    }

    fn prune(&mut self) {
        let excess = excess(self.counts.values().copied(), PLACES);
        if excess > 0 {
            self.taken_off += excess;
            self.counts.retain(|_, count| {
                *count = count.saturating_sub(excess);
                *count > 0
            });
        }
    }
}

fn in_order<S: Serializer>(counts: &Counts, serializer: S) -> Result<S::Ok, S::Error> {
    counts.iter().collect::<BTreeMap<_, _>>().serialize(serializer)
}

fn in_any_order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Counts, D::Error> {
    Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(errors: &[u64], completed: &[u64]) -> Sessions {
        let mut sessions = Sessions::default();
        for session in errors {
            sessions.error(*session);
            sessions.attempt(*session);
        }
        completed.iter().for_each(|session| sessions.attempt(*session));
        sessions
    }

    fn check(sessions: &Sessions, errors: u64, expected: [u64; 4]) {
        let figures = sessions.figures(errors).unwrap();
        let figure = |name: &str| figures[name];
        let got = [figure("distinct"), figure("top"), figure("top_attempts"), figure("squares")];
        assert_eq!((got, figures.len()), (expected, 4));
    }

    /// JU-10: errors, attempts and squares by session; errors that name none are one of a session each.
    #[test]
    fn figures_say_how_errors_are_spread() {
        let sessions = of(&[7, 7, 7, 7, 8, 9], &[7, 8, 8, 10, 11]);
        check(&sessions, 6, [3, 4, 5, 18]);
        check(&sessions, 9, [3, 4, 5, 21]);
        assert_eq!(of(&[], &[7, 8]).figures(3), None);
        assert_eq!(
            serde_json::from_str::<Sessions>(&serde_json::to_string(&sessions).unwrap()).unwrap(),
            sessions
        );
    }

    /// JU-10: bounded; with a hundred thousand sessions the worst is found, and each figure errs to its side.
    #[test]
    fn many_sessions_do_not_hide_the_worst_one() {
        let hash = |n: u64| xxhash(n);
        let mut sessions = Sessions::default();
        let (mut errors, mut attempts) = (0, 0);
        for n in 0..100_000 {
            (0..3).for_each(|_| sessions.attempt(hash(n)));
            sessions.error(hash(n));
            (errors, attempts) = (errors + 1, attempts + 3);
            if n > 50_000 && n % 40 == 0 {
                sessions.attempt(hash(1 << 40));
                sessions.error(hash(1 << 40));
                (errors, attempts) = (errors + 1, attempts + 1);
            }
        }
        let stored = serde_json::to_string(&sessions).unwrap();
        assert!(stored.len() < 130_000, "{}", stored.len());
        let figures = sessions.figures(errors).unwrap();
        let (true_top, places) = (1249, 1024);
        assert!(figures["top"] <= true_top && figures["top"] + errors / places >= true_top, "{figures:?}");
        let attempted = figures["top_attempts"];
        assert!(attempted >= true_top && attempted <= true_top + attempts / places, "{figures:?}");
        let true_squares = 100_000 + true_top * true_top;
        assert!(figures["squares"] <= true_squares && figures["squares"] > true_squares / 2, "{figures:?}");
    }

    /// A stand-in for the hash of a name: spread over all bits.
    fn xxhash(n: u64) -> u64 {
        n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    proptest! {
        /// JU-10: flushes, replicas and restarts in any pieces give what one count gives.
        #[test]
        fn pieces_add_up_to_the_whole(
            errors in prop::collection::vec(0..40_u64, 0..60),
            completed in prop::collection::vec(0..40_u64, 0..60),
            cut in any::<prop::sample::Index>(),
        ) {
            let (at, other) = (cut.index(errors.len() + 1), cut.index(completed.len() + 1));
            let mut merged = of(&errors[at..], &completed[..other]);
            merged.merge(&of(&errors[..at], &completed[other..]));
            prop_assert_eq!(merged, of(&errors, &completed));
        }
    }
}
