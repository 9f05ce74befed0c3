//! One number against one threshold (SLO-2), and the order of those that are over it (SLO-3).

use std::cmp::Ordering;

use shared_types::Verdict;
use shared_types::decision::MetricVerdict;

/// A binary fraction cannot hold 80 % of 1.8 exactly; this much relative to the warn limit is rounding.
const ROUNDING: f64 = 1e-12;

/// Violation above the threshold, warn above `warn_ratio` of it; at either limit exactly, not yet.
/// A threshold of 0 has no warn band. Without a value, or with too few samples, nothing can be said.
pub(super) fn hold_against(
    observed: Option<f64>,
    threshold: f64,
    warn_ratio: f64,
    enough_samples: bool,
) -> Verdict {
    let Some(observed) = observed.filter(|_| enough_samples) else {
        return Verdict::Insufficient;
    };
    if observed > threshold {
        Verdict::Violation
    } else if threshold > 0.0 && observed > threshold * warn_ratio * (1.0 + ROUNDING) {
        Verdict::Warn
    } else {
        Verdict::Ok
    }
}

/// observed ÷ threshold, where that is a number.
pub(super) fn ratio(observed: Option<f64>, threshold: f64) -> Option<f64> {
    let ratio = observed? / threshold;
    (threshold > 0.0 && ratio.is_finite()).then_some(ratio)
}

/// Worst first: by observed ÷ threshold; anything above a threshold of 0 is infinitely far over it.
pub(super) fn worst_first(left: &MetricVerdict, right: &MetricVerdict) -> Ordering {
    let excess = |metric: &MetricVerdict| metric.ratio.unwrap_or(f64::INFINITY);
    let observed = |metric: &MetricVerdict| metric.observed.unwrap_or(0.0);
    excess(right).total_cmp(&excess(left)).then_with(|| observed(right).total_cmp(&observed(left)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(observed: f64, threshold: f64, expected: Verdict) {
        let verdict = hold_against(Some(observed), threshold, 0.8, true);
        assert_eq!(verdict, expected, "{observed} against {threshold}");
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

    /// SLO-6: nothing observed, or too little, is never `ok`, and never a violation.
    #[test]
    fn too_little_is_insufficient() {
        assert_eq!(hold_against(None, 2.5, 0.8, true), Verdict::Insufficient);
        assert_eq!(hold_against(Some(9.0), 2.5, 0.8, false), Verdict::Insufficient);
    }
}
