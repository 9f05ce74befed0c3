//! What a group of users shows of a metric in a window: its attempts, and whose the bad ones are (JU-10).

use shared_types::decision::{ControlWeighed, LeftOut, Sessions, Weighed};

use super::evidence::Counts;

/// From so many bad attempts on one session may be left out.
const FROM: u64 = 4;

/// The attempts of those who have the feature, and of the control group, where the policy names one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Attempts {
    pub exposed: Group,
    pub control: Option<Group>,
}

/// One group's attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Group {
    pub counts: Counts,
    /// So many more may be bad.
    pub unresolved: u64,
    /// Whose the bad ones are, where events say it.
    pub sessions: Option<Sessions>,
}

impl Group {
    /// As a decision has it of those who have the feature.
    #[must_use]
    pub fn of(weighed: &Weighed) -> Self {
        let Weighed { bad, attempts, unresolved, sessions, .. } = *weighed;
        Self { counts: Counts { bad, attempts }, unresolved, sessions }
    }

    /// As a decision has it of the control group.
    #[must_use]
    pub fn of_control(weighed: &ControlWeighed) -> Self {
        let ControlWeighed { bad, attempts, sessions, .. } = *weighed;
        Self { counts: Counts { bad, attempts }, unresolved: 0, sessions }
    }

    /// The session that makes half of what is bad, fails more often than all do, and is no more than half of the attempts: one
    /// session is not the users. A session that makes nearly all attempts is none; it is a server's name, or a load test.
    #[must_use]
    pub fn left_out(self) -> Option<LeftOut> {
        let Counts { bad, attempts } = self.counts;
        let Sessions { top, top_attempts, .. } = self.sessions?;
        let wide = |number: u64| u128::from(number);
        let is_broken = top >= FROM
            && 2 * wide(top) >= wide(bad)
            && 2 * wide(top_attempts) <= wide(attempts)
            && wide(top) * wide(attempts) > wide(bad) * wide(top_attempts);
        is_broken.then_some(LeftOut { bad: top, attempts: top_attempts })
    }

    /// What is held against the limit.
    #[must_use]
    pub fn judged(self) -> Counts {
        let without = |it: LeftOut| self.counts.without(Counts { bad: it.bad, attempts: it.attempts });
        self.left_out().map_or(self.counts, without)
    }

    /// Bad attempts and the sum of their squares by session, as judged; `None` without sessions.
    #[must_use]
    pub fn bunches(self) -> Option<(u64, u64)> {
        let squares = self.sessions?.squares;
        let left_out = self.left_out().map_or(0, |it| it.bad.saturating_mul(it.bad));
        Some((self.judged().bad, squares.saturating_sub(left_out)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(bad: u64, attempts: u64, top: u64, top_attempts: u64) -> Group {
        let sessions = Sessions { distinct: 2, top, top_attempts, squares: top * top + (bad - top) };
        Group { counts: Counts { bad, attempts }, unresolved: 0, sessions: Some(sessions) }
    }

    /// JU-10: one broken client is judged out, and nothing that only looks like one.
    #[test]
    fn one_session_is_not_the_users() {
        let broken = group(25, 125, 24, 24);
        assert_eq!(broken.left_out(), Some(LeftOut { bad: 24, attempts: 24 }));
        assert_eq!(broken.judged(), Counts { bad: 1, attempts: 101 });
        assert_eq!(broken.bunches(), Some((1, 1)));
        for (stays, why) in [
            (group(7, 500, 4, 400), "its rate is not above the whole's"),
            (group(50, 100, 50, 100), "a constant session takes every attempt"),
            (group(3, 100, 3, 3), "too few to tell"),
            (group(10, 100, 4, 4), "less than half"),
            (Group { sessions: None, ..broken }, "no sessions"),
        ] {
            assert_eq!((stays.left_out(), stays.judged()), (None, stays.counts), "{why}");
        }
    }
}
