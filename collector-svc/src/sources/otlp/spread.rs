//! The buckets of a histogram's data point: what came between two points is their difference. Pure.
//!
//! Shapes: <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#histogram>.

use std::collections::BTreeMap;

use events::map::Unit;
use serde::{Deserialize, Serialize};
use shared_types::Buckets;

/// The finest buckets that there are.
const SCALE_MAX: i32 = 20;
const SCALE_MIN: i32 = -10;
/// Buckets of one histogram: SDKs have 160 at most.
const BUCKETS_MAX: usize = 1024;

/// Counts by bucket, in the unit of the metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Spread {
    /// One bucket more than there are bounds.
    Explicit { bounds: Vec<f64>, counts: Vec<u64> },
    /// Bucket i is (base^i, base^(i+1)], base = 2^(2^-scale).
    Exponential { scale: i32, near_zero: f64, zeros: u64, counts: BTreeMap<i32, u64> },
}

impl Spread {
    /// `None`: these are no buckets of durations.
    pub(crate) fn explicit(bounds: &[f64], counts: &[u64], count: u64) -> Option<Self> {
        if counts.len() > BUCKETS_MAX {
            return None;
        }
        // A histogram may say nothing but how many there were.
        let counts = if counts.is_empty() && bounds.is_empty() { vec![count] } else { counts.to_vec() };
        let are_bounds =
            bounds.iter().all(|it| it.is_finite() && *it >= 0.0) && bounds.is_sorted_by(|a, b| a < b);
        let is_whole = counts.len() == bounds.len() + 1 && sum(counts.iter()) == Some(count);
        (are_bounds && is_whole).then(|| Self::Explicit { bounds: bounds.to_vec(), counts })
    }

    /// `None`: these are no buckets of durations.
    pub(crate) fn exponential(
        scale: i32,
        zero: (f64, u64),
        offset: i32,
        counts: &[u64],
        count: u64,
    ) -> Option<Self> {
        if counts.len() > BUCKETS_MAX {
            return None;
        }
        let (near_zero, zeros) = zero;
        let mut by_index = BTreeMap::new();
        for (at, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            by_index.insert(offset.checked_add(i32::try_from(at).ok()?)?, *count);
        }
        let is_whole = sum(by_index.values().chain([&zeros])) == Some(count);
        let are_bounds =
            (SCALE_MIN..=SCALE_MAX).contains(&scale) && near_zero.is_finite() && near_zero >= 0.0;
        (is_whole && are_bounds).then_some(Self::Exponential { scale, near_zero, zeros, counts: by_index })
    }

    /// Whether its bounds are those that SDKs ship, which are made for milliseconds
    /// (<https://opentelemetry.io/docs/specs/otel/metrics/sdk/#explicit-bucket-histogram-aggregation>).
    pub(crate) fn is_for_milliseconds(&self) -> bool {
        const SHIPPED: [u32; 15] = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000];
        match self {
            Self::Explicit { bounds, .. } => {
                bounds.iter().map(|it| it.to_bits()).eq(SHIPPED.iter().map(|it| f64::from(*it).to_bits()))
            }
            Self::Exponential { .. } => false,
        }
    }

    /// What came since `before`; `None` if this does not go on from there.
    pub(crate) fn since(&self, before: &Self) -> Option<Self> {
        match (self, before) {
            (Self::Explicit { bounds, counts }, Self::Explicit { bounds: known, counts: before }) => {
                let left = counts.iter().zip(before).map(|(now, before)| now.checked_sub(*before));
                let left: Option<Vec<u64>> = left.collect();
                let same = bounds.iter().map(|it| it.to_bits()).eq(known.iter().map(|it| it.to_bits()));
                left.filter(|_| same).map(|counts| Self::Explicit { bounds: bounds.clone(), counts })
            }
            (
                Self::Exponential { scale, near_zero, zeros, counts },
                Self::Exponential { scale: finer, near_zero: known, zeros: zeros_before, counts: before },
            ) => {
                // As durations spread, neighbours are put together: never the other way.
                let steps = u32::try_from(finer.checked_sub(*scale)?).ok()?;
                let mut left = counts.clone();
                for (index, count) in before {
                    let now = left.get_mut(&index.checked_shr(steps).unwrap_or(index >> 31))?;
                    *now = now.checked_sub(*count)?;
                }
                left.retain(|_, count| *count > 0);
                let same = near_zero.to_bits() == known.to_bits();
                let zeros = zeros.checked_sub(*zeros_before).filter(|_| same)?;
                Some(Self::Exponential { scale: *scale, near_zero: *near_zero, zeros, counts: left })
            }
            _ => None,
        }
    }

    /// In milliseconds; `longest` is the longest duration, where that is known.
    pub(crate) fn buckets(&self, unit: Unit, longest: Option<f64>) -> Buckets {
        let longest = longest.unwrap_or(f64::INFINITY);
        let mut buckets = Buckets::default();
        let mut add = |lower: f64, upper: f64, count: u64| {
            let upper = if longest > lower { upper.min(longest) } else { upper };
            buckets.add(unit.in_ms(lower), unit.in_ms(upper), count);
        };
        match self {
            Self::Explicit { bounds, counts } => {
                let lower = std::iter::once(0.0).chain(bounds.iter().copied());
                let upper = bounds.iter().copied().chain([f64::INFINITY]);
                lower.zip(upper).zip(counts).for_each(|((lower, upper), count)| add(lower, upper, *count));
            }
            Self::Exponential { scale, near_zero, zeros, counts } => {
                let step = f64::from(-*scale).exp2();
                add(0.0, *near_zero, *zeros);
                for (index, count) in counts {
                    let bound = |index: f64| (index * step).exp2();
                    add(bound(f64::from(*index)), bound(f64::from(*index) + 1.0), *count);
                }
            }
        }
        buckets
    }
}

fn sum<'c>(counts: impl Iterator<Item = &'c u64>) -> Option<u64> {
    counts.copied().try_fold(0_u64, u64::checked_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(buckets: &Buckets) -> String {
        serde_json::to_string(buckets).unwrap()
    }

    /// SLO-2: what is between two points has the counts that came between, in milliseconds.
    #[test]
    fn explicit_buckets_are_counted_by_their_differences() {
        let of = |counts: &[u64], count| Spread::explicit(&[0.0, 0.5, 2.5], counts, count).unwrap();
        let (before, now) = (of(&[0, 7, 1, 0], 8), of(&[1, 9, 1, 2], 13));
        let came = now.since(&before).unwrap();
        assert_eq!(text(&came.buckets(Unit::Seconds, None)), "[[0.0,0.0,1],[0.0,500.0,2],[2500.0,null,2]]");
        assert_eq!(
            text(&came.buckets(Unit::Seconds, Some(4.0))),
            "[[0.0,0.0,1],[0.0,500.0,2],[2500.0,4000.0,2]]"
        );
        assert_eq!(before.since(&now), None);
        assert_eq!(now.since(&Spread::explicit(&[0.0, 0.5, 3.0], &[0, 7, 1, 0], 8).unwrap()), None);
    }

    /// As durations spread a process halves its resolution; what came is counted in the coarser buckets.
    #[test]
    fn exponential_buckets_are_counted_over_a_coarser_scale() {
        let of = |scale, offset, counts: &[u64], count| {
            Spread::exponential(scale, (0.0, 0), offset, counts, count).unwrap()
        };
        // base 2: (1, 2], (2, 4], (4, 8]; then base 4: (0.25, 1], (1, 4], (4, 16].
        let (before, now) = (of(0, -1, &[1, 2, 3, 4], 10), of(-1, -1, &[2, 5, 9], 16));
        let came = now.since(&before).unwrap();
        assert_eq!(text(&came.buckets(Unit::Milliseconds, None)), "[[0.25,1.0,1],[4.0,16.0,5]]");
        assert_eq!(before.since(&now), None);
        let fine = of(5, 10, &[1], 1).buckets(Unit::Milliseconds, None);
        let (lower, upper) = fine.between(0.5).unwrap();
        assert!((upper / lower - 1.021_897).abs() < 1e-6, "{lower} {upper}");
    }

    #[test]
    fn what_is_no_histogram_of_durations_is_refused() {
        assert_eq!(Spread::explicit(&[5.0, 1.0], &[1, 1, 1], 3), None);
        assert_eq!(Spread::explicit(&[-1.0, 1.0], &[1, 1, 1], 3), None);
        assert_eq!(Spread::explicit(&[1.0], &[1, 1, 1], 3), None);
        assert_eq!(Spread::explicit(&[1.0], &[1, 1], 3), None);
        assert_eq!(Spread::exponential(30, (0.0, 0), 0, &[1], 1), None);
        assert_eq!(Spread::exponential(3, (0.0, 1), 0, &[1], 1), None);
        assert_eq!(Spread::exponential(3, (0.0, 0), i32::MAX, &[1, 1], 2), None);
        let unsaid = Spread::explicit(&[], &[], 4).unwrap().buckets(Unit::Milliseconds, None);
        assert_eq!(text(&unsaid), "[[0.0,null,4]]");
    }
}
