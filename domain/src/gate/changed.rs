//! Whether a version is shown to have changed since the rollout's earlier phases (JU-9f): then less evidence that it breaks
//! the limit is enough, if the policy says so.

use shared_types::decision::ChangedBefore;

use super::evidence::{Counts, Detector, Limit, Settings, Share};

/// Fewer attempts in the earlier phases are no reference.
const ATTEMPTS: u64 = 500;
/// The upper bound of the rate that the earlier phases showed: (K + 2.5 + 2.33·√(K + 1)) ÷ N, and a quarter of it for luck
/// between phases.
const ROOM: f64 = 1.25;
/// Decimal places of a reference: more than a rate of 500 attempts can have.
const PLACES: f64 = 1e9;

/// The rate that the earlier phases vouch for, if it is below the limit.
fn reference((bad, attempts): (u64, u64), limit: Limit) -> Option<Limit> {
    let [k, n] = [bad, attempts].map(|it| it as f64);
    let rate = ROOM * (k + 2.5 + 2.33 * (k + 1.0).sqrt()) / n;
    let share = Share::of((rate * PLACES).ceil() / PLACES, 0).ok()?;
    (attempts >= ATTEMPTS && share.value() < limit.p0().value()).then(|| limit.with(share))
}

/// The evidence against the reference, this window included; none without one.
pub(super) fn after(
    before: Option<&ChangedBefore>,
    counts: Counts,
    design_effect: f64,
    limit: Limit,
    settings: Settings,
) -> Option<(ChangedBefore, Option<f64>)> {
    let before = before?;
    let reference = reference(before.stays, limit)?;
    let detector = Detector::resume(&before.levels).after(counts, design_effect, reference, settings);
    let after = ChangedBefore { stays: before.stays, levels: detector.levels() };
    Some((after, detector.evidence()))
}

/// What the next phase goes on from after a move up out of a stay.
pub(super) fn after_move_up(before: Option<&ChangedBefore>, stay: (u64, u64)) -> ChangedBefore {
    let before = before.map_or_else(Counts::default, |it| it.stays.into());
    ChangedBefore { stays: before.and(stay.into()).into(), levels: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(percent: f64) -> Limit {
        Limit::Share(Share::of(percent, 2).unwrap())
    }

    /// JU-9f: 1.25·(K + 2.5 + 2.33·√(K + 1))/N of at least 500 attempts, below the limit.
    #[test]
    fn the_earlier_phases_vouch_for_a_rate() {
        let value = |stays, percent| reference(stays, limit(percent)).map(|it| it.p0().value());
        let found = value((10, 10_000), 1.0).unwrap();
        assert!((found - 0.002_528_5).abs() < 1e-6, "{found}");
        assert_eq!(value((0, 499), 50.0), None, "too few");
        assert_eq!(value((90, 10_000), 1.0), None, "no lower than the limit");
    }
}
