//! What the rows of a rule come to. The same figures as `corpus/evaluate.py` and the reference's table have.

use crate::corpus::Kind;
use crate::row::Row;

/// Classes by how bad they are; `relative` ones and those that a bad version cannot be told in are in none.
pub const FAR_OVER: [&str; 7] =
    ["step_3", "step_3_big", "spike_train", "code_burst", "step_missing", "step_in_incident", "contention"];
pub const OVER: [&str; 6] =
    ["step_1.1", "step_1.5", "slow_leak", "segment_over", "step_low_traffic", "rare_drift"];
/// Whatever the version does, something outside breaks its limits.
pub const OUTSIDE: [&str; 2] = ["noisy_blip", "outside_incident"];
/// At 1.02 and 1.05 times the limit.
pub const HARDLY_OVER: [&str; 2] = ["step_1.02", "step_1.05"];

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    pub of: usize,
    pub hit: usize,
}

impl Part {
    fn count<'r>(rows: impl Iterator<Item = &'r Row>, is_hit: impl Fn(&Row) -> bool) -> Self {
        rows.fold(Self::default(), |part, row| Self {
            of: part.of + 1,
            hit: part.hit + usize::from(is_hit(row)),
        })
    }

    /// In percent; none of nothing.
    #[must_use]
    pub fn percent(self) -> Option<f64> {
        (self.of > 0).then(|| 100.0 * number(self.hit) / number(self.of))
    }
}

/// Of some rollouts by one rule.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Of the rollouts that were rolled back, those whose first rollback was right.
    pub precision: Part,
    /// The same without what only comes from outside.
    pub precision_inside: Part,
    /// The same, where a version that is worse than what it replaces is rightly thrown out, whatever its limit.
    pub precision_worse: Part,
    /// Of the rollouts whose users met a bad version (hardly bad ones apart), those that were rolled back for it.
    pub recall: Part,
    pub hardly_over: Part,
    pub healthy_hit: Part,
    pub healthy_completed: Part,
    /// Healthy rollouts, with nothing outside either, of which a person was paged.
    pub asked: Part,
    /// Bad versions, hardly bad ones apart, that went through to the end.
    pub bad_completed: Part,
    pub far_over_windows: Vec<f64>,
    pub over_windows: Vec<f64>,
    /// Rollbacks of a healthy rollout.
    pub flaps: f64,
    /// Minutes of all users that a bad version was met.
    pub exposure: f64,
    pub unsure: f64,
    /// Windows to detect ÷ the fewest possible.
    pub times_bound: Vec<f64>,
    pub found: Part,
}

#[must_use]
pub fn figures(rows: &[&Row]) -> Figures {
    let all = || rows.iter().copied();
    let of = |kind: Kind| all().filter(move |row| row.kind == kind);
    let among =
        |classes: &'static [&'static str]| all().filter(move |row| classes.contains(&row.class.as_str()));
    let met = |row: &&Row| row.first_bad.is_some();
    let found = |row: &Row| row.detected.is_some();
    let clearly_over = || among(&FAR_OVER).chain(among(&OVER));
    let windows = |rows: &mut dyn Iterator<Item = &Row>| rows.filter_map(Row::delay).map(number).collect();
    // Nobody can move up on nights without a save: the class is left out where completing is asked for.
    let waking = || of(Kind::Healthy).filter(|row| row.class != "zero_nights");
    let times_bound = of(Kind::Bad).filter(|row| row.class != "rare_drift").filter_map(|row| {
        let bound = number(row.bound?).max(1.0);
        Some(number(row.delay()?) / bound)
    });
    let is_outside = |row: &&Row| OUTSIDE.contains(&row.class.as_str());
    let rolled_back = || all().filter(|row| row.first_rollback_is_right().is_some());
    let is_right = |row: &Row| row.first_rollback_is_right() == Some(true);
    Figures {
        precision: Part::count(rolled_back(), is_right),
        precision_inside: Part::count(rolled_back().filter(|row| !is_outside(row)), is_right),
        precision_worse: Part::count(rolled_back(), |row| is_right(row) || row.first_rollback_is_worse()),
        asked: Part::count(of(Kind::Healthy).filter(|row| !is_outside(row)), |row| row.pages > 0),
        recall: Part::count(clearly_over().filter(met), found),
        hardly_over: Part::count(among(&HARDLY_OVER).filter(met), found),
        healthy_hit: Part::count(of(Kind::Healthy), |row| !row.wrong.is_empty()),
        healthy_completed: Part::count(waking(), |row| row.completed.is_some()),
        bad_completed: Part::count(clearly_over(), |row| row.completed.is_some()),
        far_over_windows: windows(&mut among(&FAR_OVER)),
        over_windows: windows(&mut among(&OVER)),
        flaps: mean(of(Kind::Healthy).map(|row| number(row.rollbacks()))),
        exposure: mean(of(Kind::Bad).map(|row| row.exposure)),
        unsure: mean(waking().map(|row| row.unsure as f64)),
        times_bound: times_bound.collect(),
        found: Part::count(of(Kind::Bad).filter(met), found),
    }
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn number(count: usize) -> f64 {
    count as f64
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / number(count) }
}

/// As numpy's `percentile`, between the two nearest values; none of nothing.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
pub fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let at = percent / 100.0 * number(values.len().checked_sub(1)?);
    let (below, part) = (at.floor() as usize, at.fract());
    let above = values.get(below + 1).unwrap_or(&values[below]);
    Some(values[below] + part * (above - values[below]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: Kind, class: &str, right: &[usize], wrong: &[usize]) -> Row {
        let of = |windows: &[usize]| windows.iter().map(|w| (*w, 0, false)).collect();
        Row { right: of(right), wrong: of(wrong), ..Row::begin("x", class, kind) }
    }

    /// The first rollback of a rollout has one vote, whatever follows.
    #[test]
    fn the_first_rollback_counts() {
        let rows = [
            row(Kind::Bad, "step_3", &[5], &[9]),
            row(Kind::Bad, "step_3", &[9], &[5]),
            row(Kind::Healthy, "steady", &[], &[1, 2, 3]),
            row(Kind::Healthy, "steady", &[], &[]),
        ];
        let figures = figures(&rows.iter().collect::<Vec<_>>());
        assert_eq!(figures.precision, Part { of: 3, hit: 1 });
        assert_eq!(figures.healthy_hit, Part { of: 2, hit: 1 });
    }

    #[test]
    fn percentiles_lie_between_values() {
        assert_eq!(percentile(&[], 50.0), None);
        assert_eq!(percentile(&[3.0, 1.0], 50.0), Some(2.0));
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0, 5.0], 90.0), Some(4.6));
    }
}
