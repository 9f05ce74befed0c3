//! Durations that are known by bounds only, as the histograms of other systems count them: `le`, exponential buckets.
//!
//! Nothing here guesses where between its bounds a duration lies: an answer is a bound, or a count that is sure.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::histogram::nearest_rank;

/// Intervals that are kept; of more, neighbours are joined. That loses resolution, and no count.
pub const INTERVALS_MAX: usize = 512;
/// How far below an exact value its interval begins, as a part of it: the resolution of [`crate::Histogram`].
const EXACT: f64 = 1.0 / 1024.0;

/// Durations in milliseconds, each above a lower bound (or at 0, if that is the bound) and at most at an upper one. Layouts may
/// overlap. Written as `[lower, upper, count]`, ascending; `upper` is null where there is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "Vec<Written>", into = "Vec<Written>")]
#[schema(value_type = Vec<(f64, Option<f64>, u64)>)]
pub struct Buckets(Vec<Interval>);

/// An interval on the wire.
type Written = (f64, Option<f64>, u64);

/// Ascending by bounds, each pair of bounds once, none without a count.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Interval {
    lower: f64,
    /// Infinite where there is none.
    upper: f64,
    count: u64,
}

/// Intervals that are none, or not in order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not buckets: expected at most {INTERVALS_MAX} of [lower, upper or null, count], ascending, 0 ≤ lower ≤ upper, count above 0"
)]
pub struct BucketsError;

impl Buckets {
    /// Counts durations above `lower_ms` and at most `upper_ms`, which may be infinite; where both are the same, exactly that one.
    /// Bounds are kept to 15 digits, so that 0.07 s is 70 ms. What is no interval of durations is a caller's bug and not counted.
    pub fn add(&mut self, lower_ms: f64, upper_ms: f64, count: u64) {
        if count == 0 {
            return;
        }
        let (mut lower, upper) = (rounded(lower_ms), rounded(upper_ms));
        if !is_interval(lower, upper) {
            return;
        }
        if lower >= upper {
            lower *= 1.0 - EXACT;
        }
        self.insert(Interval { lower, upper, count });
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|interval| self.insert(*interval));
    }

    /// Durations counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counted(|_| true)
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the nearest-rank quantile surely lies between, both included, `0 < q <= 1`; `None` when empty.
    #[must_use]
    pub fn between(&self, q: f64) -> Option<(f64, f64)> {
        let rank = nearest_rank(q, self.count())?;
        let mut by_upper = self.0.clone();
        by_upper.sort_by(|a, b| a.upper.total_cmp(&b.upper));
        Some((at_rank(&self.0, rank)?.lower, at_rank(&by_upper, rank)?.upper))
    }

    /// Durations that are surely above a limit in milliseconds.
    #[must_use]
    pub fn surely_above(&self, limit: f64) -> u64 {
        let limit = rounded(limit);
        // The one bound that may be the duration itself is 0.
        self.counted(|it| if limit > 0.0 { it.lower >= limit } else { it.lower > limit })
    }

    /// Durations that may be above a limit in milliseconds.
    #[must_use]
    pub fn possibly_above(&self, limit: f64) -> u64 {
        let limit = rounded(limit);
        self.counted(|it| it.upper > limit)
    }

    fn counted(&self, is_meant: impl Fn(&Interval) -> bool) -> u64 {
        self.0.iter().filter(|it| is_meant(it)).fold(0, |sum, it| sum.saturating_add(it.count))
    }

    fn insert(&mut self, new: Interval) {
        match self.0.binary_search_by(|known| known.order(&new)) {
            Ok(at) => self.0[at].count = self.0[at].count.saturating_add(new.count),
            Err(at) => self.0.insert(at, new),
        }
        if self.0.len() > INTERVALS_MAX {
            self.join();
        }
    }

    /// Joins the two neighbours that are the narrowest together: the shortest durations, which no limit is about.
    fn join(&mut self) {
        let width = |at: &usize| self.0[*at].upper.max(self.0[*at + 1].upper) - self.0[*at].lower;
        let narrowest = (0..self.0.len() - 1).min_by(|a, b| width(a).total_cmp(&width(b)));
        if let Some(at) = narrowest {
            let next = self.0.remove(at + 1);
            let joined = &mut self.0[at];
            joined.upper = joined.upper.max(next.upper);
            joined.count = joined.count.saturating_add(next.count);
        }
    }
}

impl Interval {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.lower.total_cmp(&other.lower).then(self.upper.total_cmp(&other.upper))
    }
}

impl TryFrom<Vec<Written>> for Buckets {
    type Error = BucketsError;

    fn try_from(written: Vec<Written>) -> Result<Self, Self::Error> {
        let of = |(lower, upper, count): Written| {
            let upper = upper.unwrap_or(f64::INFINITY);
            (count > 0 && is_interval(lower, upper)).then_some(Interval { lower, upper, count })
        };
        let intervals: Option<Vec<Interval>> = written.into_iter().map(of).collect();
        let intervals = intervals.ok_or(BucketsError)?;
        let ascending = intervals.is_sorted_by(|a, b| a.order(b).is_lt());
        if ascending && intervals.len() <= INTERVALS_MAX { Ok(Self(intervals)) } else { Err(BucketsError) }
    }
}

impl From<Buckets> for Vec<Written> {
    fn from(buckets: Buckets) -> Self {
        let finite = |upper: f64| upper.is_finite().then_some(upper);
        buckets.0.into_iter().map(|it| (it.lower, finite(it.upper), it.count)).collect()
    }
}

fn is_interval(lower: f64, upper: f64) -> bool {
    lower.is_finite() && lower.is_sign_positive() && lower <= upper
}

/// Without what arithmetic in binary adds to a decimal, and without the sign of 0.
fn rounded(ms: f64) -> f64 {
    format!("{ms:.14e}").parse().map_or(ms, |rounded: f64| rounded + 0.0)
}

fn at_rank(ordered: &[Interval], rank: u64) -> Option<&Interval> {
    let mut seen = 0_u64;
    ordered.iter().find(|it| {
        seen = seen.saturating_add(it.count);
        seen >= rank
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(intervals: &[(f64, f64, u64)]) -> Buckets {
        let mut buckets = Buckets::default();
        intervals.iter().for_each(|(lower, upper, count)| buckets.add(*lower, *upper, *count));
        buckets
    }

    /// SLO-2, as far as bounds go: a limit that is a bound divides them for certain, one between bounds does not.
    #[test]
    fn a_limit_at_a_bound_is_certain_and_one_between_is_not() {
        let saves = of(&[(0.0, 1000.0, 90), (1000.0, 2500.0, 6), (2500.0, f64::INFINITY, 4)]);
        let above = |limit| (saves.surely_above(limit), saves.possibly_above(limit));
        assert_eq!((above(1000.0), above(2500.0)), ((10, 10), (4, 4)));
        assert_eq!((above(2000.0), above(9000.0), above(0.0)), ((4, 10), (0, 4), (10, 100)));
        assert_eq!((saves.between(0.9), saves.between(0.95)), (Some((0.0, 1000.0)), Some((1000.0, 2500.0))));
        assert_eq!(
            (saves.between(1.0), Buckets::default().between(0.5)),
            (Some((2500.0, f64::INFINITY)), None)
        );
    }

    /// 0.07 × 1000 is 70.00000000000001 in binary, and means 70.
    #[test]
    fn bounds_are_the_decimals_they_are_written_as() {
        let saves = of(&[(0.07 * 1000.0, 0.3 * 1000.0, 1)]);
        assert_eq!((saves.surely_above(70.0), saves.possibly_above(300.0)), (1, 0));
        assert_eq!(saves.surely_above(0.07 * 1000.0), 1);
    }

    #[test]
    fn what_is_no_interval_is_not_counted() {
        let wrong = [(-1.0, 5.0, 1), (5.0, 1.0, 1), (f64::NAN, 5.0, 1), (0.0, f64::NAN, 1), (1.0, 2.0, 0)];
        assert!(of(&wrong).is_empty());
        assert!(of(&[(f64::INFINITY, f64::INFINITY, 1)]).is_empty());
        assert_eq!(of(&[(-0.0, 0.0, 2)]), of(&[(0.0, 0.0, 2)]));
    }

    /// OP-6: what was written is read as it was; what is not in order is refused.
    #[test]
    fn buckets_survive_being_written() {
        let saves = of(&[(2.5, f64::INFINITY, 1), (0.0, 2.5, 3), (0.0, 1.0, 2)]);
        let text = serde_json::to_string(&saves).unwrap();
        assert_eq!(text, "[[0.0,1.0,2],[0.0,2.5,3],[2.5,null,1]]");
        assert_eq!(serde_json::from_str::<Buckets>(&text).unwrap(), saves);
        for wrong in ["[[2,3,1],[1,2,1]]", "[[1,2,1],[1,2,1]]", "[[1,2,0]]", "[[-1,2,1]]", "[[3,2,1]]"] {
            assert!(serde_json::from_str::<Buckets>(wrong).is_err(), "{wrong}");
        }
    }

    /// CO-2: any number of layouts is bounded, and nothing is lost from the sum.
    #[test]
    fn a_thousand_layouts_are_bounded_and_nothing_is_lost() {
        let many = |of: u32| (0..1000_u32).map(move |n| (f64::from(n * of), f64::from((n + 1) * of), 1));
        let mut all = of(&many(7).chain(many(11)).collect::<Vec<_>>());
        all.merge(&of(&[(5.0, f64::INFINITY, 3)]));
        assert_eq!((all.0.len(), all.count()), (INTERVALS_MAX, 2003));
        assert!(all.0.is_sorted_by(|a, b| a.order(b).is_lt()));
        assert!(all.surely_above(100.0) <= 2000 - 14 - 9 && all.possibly_above(100.0) >= 2000 - 14 - 9);
    }

    proptest! {
        /// SLO-2: whatever layouts the durations were counted in, the quantile lies between the bounds, and as many are above a
        /// limit as the two counts say.
        #[test]
        fn what_is_said_is_true_of_the_durations_themselves(
            durations in prop::collection::vec((0..100_000_u32, 0..4_usize), 1..700),
            limit in 0..120_000_u32,
            q in 0.01..=1.0_f64,
        ) {
            let mut saves = Buckets::default();
            for (ms, layout) in &durations {
                let width = [1, 10, 250, 40_000][*layout];
                let lower = ms.saturating_sub(1) / width * width;
                let upper = if *layout == 3 && lower > 0 { f64::INFINITY } else { f64::from(lower + width) };
                let exact = *layout == 0;
                saves.add(f64::from(if exact { *ms } else { lower }), if exact { f64::from(*ms) } else { upper }, 1);
            }
            let above = durations.iter().filter(|(ms, _)| *ms > limit).count() as u64;
            prop_assert!((saves.surely_above(limit.into())..=saves.possibly_above(limit.into())).contains(&above));
            let mut sorted: Vec<u32> = durations.iter().map(|(ms, _)| *ms).collect();
            sorted.sort_unstable();
            let rank = nearest_rank(q, saves.count()).unwrap();
            let quantile = f64::from(sorted[usize::try_from(rank).unwrap() - 1]);
            let (lower, upper) = saves.between(q).unwrap();
            prop_assert!(lower <= quantile && quantile <= upper, "{lower} {quantile} {upper}");
        }
    }
}
