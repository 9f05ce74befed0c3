//! A share of users, for flag systems that know nothing else: what it is to become, and what it may be found to be.

use serde::{Deserialize, Serialize};
use shared_types::PhaseId;
use shared_types::rollout::TransitionKind;

use super::Facts;
use crate::story::figures::format_number;

/// All users, in thousandths of a percent.
pub const EVERYBODY: u32 = 100_000;

/// The share of users to reach, in thousandths of a percent: 5 % are 5,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub thousandths: u32,
    /// What it is to be found as; none in what a release before planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

/// What is found where nobody else has moved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    pub kind: TransitionKind,
    pub thousandths: u32,
}

impl Share {
    /// That of a move.
    #[must_use]
    pub fn of(facts: &Facts<'_>) -> Self {
        let before = Before { kind: facts.kind, thousandths: thousandths(facts.audience_before) };
        Self { thousandths: thousandths(facts.audience_percent), before: Some(before) }
    }

    /// The share to reach, as [`percent`].
    #[must_use]
    pub fn words(&self) -> String {
        percent(self.thousandths)
    }

    /// Why a system that serves `found` is left alone: somebody else has moved it, and going on would undo that, or raise
    /// exposure by a rollback. A rollback takes away whatever is above its goal; what is on record is set whatever is found.
    #[must_use]
    pub fn refusal(&self, found: u32) -> Option<String> {
        let Before { kind, thousandths: before } = self.before?;
        let goal = self.thousandths;
        let goes_on = found == goal || found == before || before == goal;
        match kind {
            TransitionKind::Rollback if found < goal && !goes_on => Some(format!(
                "{} of users are served, less than the {} to go back to: somebody else has lowered it, and a rollback \
                 raises nothing",
                percent(found),
                percent(goal)
            )),
            TransitionKind::Promote if !goes_on => Some(format!(
                "{} of users are served where {} was expected: somebody else has changed it",
                percent(found),
                percent(before)
            )),
            _ => None,
        }
    }
}

/// Such as `0.5%`.
#[must_use]
pub fn percent(thousandths: u32) -> String {
    format!("{}%", format_number(Some(f64::from(thousandths) / 1000.0)))
}

/// What may be read back besides the phase to reach: phases of the same audience, and the audience itself, such as `100%`
/// (PH-10).
#[must_use]
pub fn served_alike(facts: &Facts<'_>) -> Vec<String> {
    let names = facts.served_alike.iter().map(ToString::to_string);
    names.chain([format!("{}%", facts.audience_percent)]).collect()
}

/// Whether what was read back is the phase to reach, or one of those that are [`served_alike`].
#[must_use]
pub fn is_served(to: &PhaseId, alike: &[String], said: &str) -> bool {
    let percent = said.trim_end_matches('%').trim_end().parse::<f64>().ok();
    let means = |served: &String| {
        let share = served.strip_suffix('%').and_then(|it| it.parse::<f64>().ok());
        served == said || share.zip(percent).is_some_and(|(share, said)| share.total_cmp(&said).is_eq())
    };
    said == to.as_str() || alike.iter().any(means)
}

/// Rounded to the nearest; a share that is not 0 never becomes 0.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=EVERYBODY")]
pub fn thousandths(percent: f64) -> u32 {
    let rounded = (percent * 1000.0).round().clamp(0.0, f64::from(EVERYBODY)) as u32;
    if percent > 0.0 { rounded.max(1) } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(kind: TransitionKind, before: u32, goal: u32) -> Share {
        Share { thousandths: goal, before: Some(Before { kind, thousandths: before }) }
    }

    #[test]
    fn shares_are_counted_in_thousandths_of_a_percent() {
        assert_eq!(
            [0.0, 0.000_01, 0.5, 5.0, 100.0, 700.0].map(thousandths),
            [0, 1, 500, 5000, 100_000, 100_000]
        );
        assert_eq!([0, 500, 5000, 100_000].map(percent), ["0%", "0.5%", "5%", "100%"]);
    }

    /// RB-9: what a person changed is not undone, and a rollback never raises exposure; more than its goal it always takes away.
    #[test]
    fn what_somebody_else_has_moved_is_left_alone_where_going_on_would_undo_it() {
        let back = share(TransitionKind::Rollback, 30_000, 5000);
        for goes_on in [30_000, 5000, 100_000, 29_000, 5001] {
            assert_eq!(back.refusal(goes_on), None, "{goes_on}");
        }
        assert_eq!(
            back.refusal(0).unwrap(),
            "0% of users are served, less than the 5% to go back to: somebody else has lowered it, and a rollback raises \
             nothing"
        );
        let up = share(TransitionKind::Promote, 5000, 30_000);
        assert_eq!([5000, 30_000].map(|it| up.refusal(it)), [None, None]);
        assert_eq!(
            up.refusal(50_000).unwrap(),
            "50% of users are served where 5% was expected: somebody else has changed it"
        );
        assert!(up.refusal(0).is_some());
        for as_recorded in
            [share(TransitionKind::Rollback, 5000, 5000), share(TransitionKind::Promote, 5000, 5000)]
        {
            assert_eq!([0, 5000, 50_000].map(|it| as_recorded.refusal(it)), [None, None, None]);
        }
        assert_eq!(Share { thousandths: 5000, before: None }.refusal(0), None);
    }
}
