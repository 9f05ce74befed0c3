//! One number against one threshold (SLO-2), and the order of those that are over it (SLO-3).

use std::cmp::Ordering;

use shared_types::Verdict;
use shared_types::decision::{Between, Direction, InsufficientReason, MetricVerdict};

use super::metric::Observation;

/// A binary fraction cannot hold 80 % of 1.8 exactly; this much relative to the warn limit is rounding.
const ROUNDING: f64 = 1e-12;

/// Violation beyond the threshold, warn beyond the warn limit; at either limit exactly, not yet. Without a value, or with
/// too few samples, nothing can be said.
pub(super) fn hold_against(
    observed: Option<f64>,
    threshold: &Threshold<'_>,
    enough_samples: bool,
) -> Verdict {
    let Some(observed) = observed.filter(|_| enough_samples) else {
        return Verdict::Insufficient;
    };
    let Threshold { direction, limit, unit, warn_ratio } = *threshold;
    if direction.is_beyond(observed, limit) {
        return Verdict::Violation;
    }
    let warn = direction.warn_limit(limit, unit, warn_ratio).map(|warn| match direction {
        Direction::AtMost => warn * (1.0 + ROUNDING),
        Direction::AtLeast => warn * (1.0 - ROUNDING),
    });
    if warn.is_some_and(|warn| direction.is_beyond(observed, warn)) { Verdict::Warn } else { Verdict::Ok }
}

/// An observation, of which perhaps only bounds are known: a verdict where every value between them has it, but for the warn band,
/// which what may lie in it lies in.
pub(super) fn hold_observation(
    observation: &Observation,
    threshold: &Threshold<'_>,
    enough_samples: bool,
) -> (Verdict, Option<InsufficientReason>) {
    let Some(Between { lower, .. }) = observation.between else {
        return (hold_against(observation.value, threshold, enough_samples), None);
    };
    // Every value is above the lower bound, but for 0.
    let limit = threshold.limit;
    let surely_beyond = if limit > 0.0 { lower >= limit } else { lower > limit };
    match hold_against(observation.at_most(), threshold, enough_samples) {
        Verdict::Violation if !surely_beyond => (Verdict::Insufficient, Some(InsufficientReason::Resolution)),
        verdict => (verdict, None),
    }
}

/// What a value is held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Threshold<'a> {
    pub(super) direction: Direction,
    pub(super) limit: f64,
    /// Of both.
    pub(super) unit: &'a str,
    pub(super) warn_ratio: f64,
}

/// observed ÷ threshold, where that is a number.
pub(super) fn ratio(observed: Option<f64>, threshold: f64) -> Option<f64> {
    let ratio = observed? / threshold;
    (threshold > 0.0 && ratio.is_finite()).then_some(ratio)
}

/// Worst first: by how many times it is beyond its threshold; above one of 0 it is infinitely far.
pub(super) fn worst_first(left: &MetricVerdict, right: &MetricVerdict) -> Ordering {
    let observed = |metric: &MetricVerdict| metric.observed.unwrap_or(0.0);
    right.excess().total_cmp(&left.excess()).then_with(|| observed(right).total_cmp(&observed(left)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(observed: f64, limit: f64, expected: Verdict) {
        check_side(Direction::AtMost, observed, limit, "s", expected);
    }

    fn check_side(direction: Direction, observed: f64, limit: f64, unit: &str, expected: Verdict) {
        let threshold = Threshold { direction, limit, unit, warn_ratio: 0.8 };
        let verdict = hold_against(Some(observed), &threshold, true);
        assert_eq!(verdict, expected, "{observed} against {direction:?} {limit}");
    }

    /// SLO-2: at the threshold compliant, above it not; the warn band begins above 80 %.
    #[test]
    fn limits_belong_to_the_better_side() {
        for threshold in [2.5, 2.0, 1.8, 1.0, 0.5, 0.3, 180.0, 120.0] {
            check(threshold, threshold, Verdict::Warn);
            check(threshold * (1.0 + 1e-9), threshold, Verdict::Violation);
            check(threshold * 4.0 / 5.0, threshold, Verdict::Ok);
            check(threshold * 0.8 * (1.0 + 1e-9), threshold, Verdict::Warn);
            check(0.0, threshold, Verdict::Ok);
        }
    }

    /// SLO-2: a threshold of 0 has no warn band.
    #[test]
    fn zero_threshold_is_ok_or_violated() {
        check(0.0, 0.0, Verdict::Ok);
        check(0.25, 0.0, Verdict::Violation);
    }

    /// SLO-2, seen from the other side: a floor is kept at the limit, and its warn band lies above it; a share's is as wide
    /// as that of the share that is missing.
    #[test]
    fn a_floor_is_the_same_upside_down() {
        let floor = |observed, limit, unit, expected| {
            check_side(Direction::AtLeast, observed, limit, unit, expected);
        };
        for limit in [0.3, 1.8, 100.0] {
            floor(limit, limit, "", Verdict::Warn);
            floor(limit * (1.0 - 1e-9), limit, "", Verdict::Violation);
            floor(limit / 0.8, limit, "", Verdict::Ok);
            floor(limit / 0.8 * (1.0 - 1e-9), limit, "", Verdict::Warn);
            floor(0.0, limit, "", Verdict::Violation);
        }
        floor(0.0, 0.0, "", Verdict::Ok);
        floor(99.0, 99.0, "%", Verdict::Warn);
        floor(98.999, 99.0, "%", Verdict::Violation);
        floor(99.2, 99.0, "%", Verdict::Ok);
        floor(99.199, 99.0, "%", Verdict::Warn);
    }

    /// SLO-2, of what is known by bounds only: a verdict where it is certain, `insufficient` for the resolution where not.
    #[test]
    fn bounds_give_a_verdict_only_where_it_is_certain() {
        let resolution = (Verdict::Insufficient, Some(InsufficientReason::Resolution));
        for (lower, upper, expected) in [
            (1.0, Some(2.0), (Verdict::Ok, None)),
            (1.0, Some(2.5), (Verdict::Warn, None)),
            (2.5, Some(5.0), (Verdict::Violation, None)),
            (5.0, None, (Verdict::Violation, None)),
            (1.0, Some(5.0), resolution),
            (1.0, None, resolution),
        ] {
            let observation =
                Observation { between: Some(Between { lower, upper }), ..Observation::default() };
            let threshold =
                Threshold { direction: Direction::AtMost, limit: 2.5, unit: "s", warn_ratio: 0.8 };
            assert_eq!(hold_observation(&observation, &threshold, true), expected, "{lower} {upper:?}");
            assert_eq!(hold_observation(&observation, &threshold, false), (Verdict::Insufficient, None));
        }
    }

    /// SLO-6: nothing observed, or too little, is never `ok`, and never a violation.
    #[test]
    fn too_little_is_insufficient() {
        let threshold = Threshold { direction: Direction::AtMost, limit: 2.5, unit: "s", warn_ratio: 0.8 };
        assert_eq!(hold_against(None, &threshold, true), Verdict::Insufficient);
        assert_eq!(hold_against(Some(9.0), &threshold, false), Verdict::Insufficient);
    }
}
