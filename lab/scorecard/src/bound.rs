//! The fewest windows in which a rule that looks at counts alone and keeps the gate's promise can tell a bad version, in the
//! mean (Lorden's bound).

use crate::corpus::{ERROR_LIMIT, SLOW_LIMIT, Trace, WINDOWS};
use crate::row::Row;

/// ln of the windows between two false alarms.
const NEEDED: f64 = 6.907_755_278_982_137;

/// Along the path that the rollout took, from the first window in which users met the bad version. After its rollback the path
/// that it would have gone on is that of the phase it was found in.
#[must_use]
pub fn fewest_windows(trace: &Trace, row: &Row) -> Option<usize> {
    let onset = row.first_bad?;
    let (mut errors, mut latency) = (0.0, 0.0);
    for w in onset..WINDOWS {
        let phase = row.phase_at(row.detected.map_or(w, |detected| w.min(detected)));
        let Ok(index) = usize::try_from(phase) else { continue };
        let Some(counted) = trace.phases.get(index).filter(|_| !trace.is_missing(w)) else { continue };
        let completed = counted.n[w] - counted.k[w];
        errors += information(counted.n[w], counted.errors[w], ERROR_LIMIT[index]);
        latency += information(completed, counted.slow[w], SLOW_LIMIT);
        if f64::max(errors, latency) >= NEEDED {
            return Some(w + 1 - onset);
        }
    }
    None
}

/// What a window of so many attempts says against the limit if the share of bad ones is that: n·kl(p ‖ p0).
#[expect(clippy::cast_precision_loss, reason = "attempts of a window")]
fn information(attempts: u64, share: f64, limit: f64) -> f64 {
    if share <= limit {
        return 0.0;
    }
    let share = share.min(1.0 - 1e-9);
    let divergence = share * (share / limit).ln() + (1.0 - share) * ((1.0 - share) / (1.0 - limit)).ln();
    attempts as f64 * divergence
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first column of the table of limits in `docs/judgement.md`.
    #[test]
    fn a_window_says_as_much_as_is_known_of_it() {
        for (attempts, limit, times, windows) in [
            (100, 0.01, 1.1, 1412.0),
            (300, 0.01, 2.0, 5.9),
            (1000, 0.01, 1.5, 6.3),
            (2600, 0.003, 1.25, 30.5),
        ] {
            let found = NEEDED / information(attempts, times * limit, limit);
            assert!((found / windows - 1.0).abs() < 0.015, "{attempts} {limit} {times}: {found}");
        }
        assert!(information(100, 0.01, 0.01) <= 0.0);
    }
}
