//! How hard to work, from a few seconds' measuring: the same story on a fast, a slow and a busy machine.
//!
//! Nothing here decides what is measured later. It sets the limits (generous multiples of a quiet save) and
//! the size of the documents, such that the merges of phase A need a small part of what the lock can give
//! and those of phase B twice of it, waiting included.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::merge::Merger;

/// Phase B asks for this multiple of the time that the merge lock has.
const OVERLOAD: f64 = 2.0;
/// Below it the machine's own jitter would be judged.
const LEAST_LIMIT: Duration = Duration::from_millis(500);
const MOST_LIMIT: Duration = Duration::from_secs(2);

/// What a short calibration saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    /// p95 of saves while nobody merges.
    pub(crate) quiet_p95: Duration,
    /// Aligning one line with one other, in nanoseconds; the best of several runs.
    pub(crate) line_pair_ns: f64,
}

/// What follows from it; also what the editor prints when it is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tuning {
    pub(crate) quiet_p95_ms: f64,
    /// p95 limits of the demo's policy.
    pub(crate) limit_a_ms: u64,
    pub(crate) limit_b_ms: u64,
    /// How long a save waits for the merge lock before it fails with `E_LOCK`.
    pub(crate) lock_patience_ms: u64,
    /// Between two saves of one user.
    pub(crate) pause_ms: u64,
    pub(crate) document_lines: usize,
    pub(crate) users: usize,
    pub(crate) users_in_a: usize,
    pub(crate) users_in_b: usize,
}

/// Measures with real documents under `dir`.
pub(crate) fn measure(dir: &Path) -> std::io::Result<Measured> {
    const SAVERS: usize = 4;
    const SAVES: usize = 15;
    let times = Mutex::new(Vec::with_capacity(SAVERS * SAVES));
    std::thread::scope(|scope| {
        let saver = |number: usize| {
            let times = &times;
            move || -> std::io::Result<()> {
                let mut document = Document::create(&dir.join(number.to_string()), "calibration", 300)?;
                for save in 0..SAVES {
                    let begun = Instant::now();
                    document.edit(save, format!("{save} changed"));
                    document.save(0, 0)?;
                    document.drift()?;
                    times.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(begun.elapsed());
                }
                Ok(())
            }
        };
        let savers: Vec<_> = (0..SAVERS).map(|number| scope.spawn(saver(number))).collect();
        savers
            .into_iter()
            .try_for_each(|saver| saver.join().unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into())))
    })?;
    std::fs::remove_dir_all(dir)?;
    let mut times = times.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    times.sort();
    let quiet_p95 = times[times.len() * 95 / 100];
    Ok(Measured { quiet_p95, line_pair_ns: line_pair_ns() })
}

fn line_pair_ns() -> f64 {
    const LINES: u32 = 250;
    let draft: Vec<u64> = (0..u64::from(LINES)).collect();
    let mut merger = Merger::default();
    let mut once = || {
        let begun = Instant::now();
        std::hint::black_box(merger.merge(&draft, [draft.as_slice()]));
        begun.elapsed()
    };
    let best = (0..20).map(|_| once()).min().unwrap_or(Duration::from_micros(100));
    (best.as_secs_f64() * 1e9 / f64::from(LINES * LINES)).max(0.01)
}

/// Where the p95 limit of phase B comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LimitB {
    /// From what was measured; the policy is written afterwards.
    Measured,
    /// From a policy that is there.
    Given(Duration),
}

/// Sets limits and sizes.
pub(crate) fn tune(
    measured: Measured,
    limit_b: LimitB,
    users: usize,
    users_in_a: usize,
    users_in_b: usize,
) -> Tuning {
    let (limit_b, pause) = match limit_b {
        LimitB::Measured => (
            (measured.quiet_p95 * 12).clamp(LEAST_LIMIT, MOST_LIMIT),
            (measured.quiet_p95 * 8).clamp(Duration::from_millis(600), Duration::from_millis(1500)),
        ),
        // Saves that follow each other faster would crowd the lock in phase A already.
        LimitB::Given(limit) => (limit, limit.mul_f64(0.75)),
    };
    let patience = limit_b.mul_f64(2.5);
    // All sessions of B together ask for (sessions × one merge) in every (pause + patience); one merge is
    // held against all sessions.
    #[expect(clippy::cast_precision_loss, reason = "a few hundred users")]
    let sessions = users_in_b.max(1) as f64;
    let one_peer_ns = OVERLOAD * (patience + pause).as_secs_f64() * 1e9 / (sessions * sessions);
    let lines = (one_peer_ns / measured.line_pair_ns).sqrt().clamp(40.0, 4_000.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 40–4000")]
    let document_lines = lines as usize;
    Tuning {
        quiet_p95_ms: (measured.quiet_p95.as_secs_f64() * 1e4).round() / 10.0,
        limit_a_ms: millis(limit_b.mul_f64(1.25)),
        limit_b_ms: millis(limit_b),
        lock_patience_ms: millis(patience),
        pause_ms: millis(pause),
        document_lines,
        users,
        users_in_a,
        users_in_b,
    }
}

impl Tuning {
    pub(crate) fn lock_patience(&self) -> Duration {
        Duration::from_millis(self.lock_patience_ms)
    }

    pub(crate) fn pause(&self) -> Duration {
        Duration::from_millis(self.pause_ms)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time all sessions ask of the merge lock, as a part of the time there is.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn load(measured: Measured, tuning: &Tuning, sessions: usize, wait: Duration) -> f64 {
        let one_merge_ns = measured.line_pair_ns * (tuning.document_lines.pow(2) * sessions) as f64;
        one_merge_ns * sessions as f64 / (tuning.pause() + wait).as_secs_f64() / 1e9
    }

    #[test]
    fn phase_a_has_room_and_phase_b_is_overloaded_on_fast_and_slow_machines() {
        let given = LimitB::Given(Duration::from_secs(2));
        let machines = [(1, 0.4), (6, 1.5), (25, 20.0), (120, 6.0), (400, 30.0)];
        let cases = machines.iter().flat_map(|machine| [(*machine, LimitB::Measured), (*machine, given)]);
        for ((quiet_ms, line_pair_ns), limit_b) in cases {
            let measured = Measured { quiet_p95: Duration::from_millis(quiet_ms), line_pair_ns };
            let tuning = tune(measured, limit_b, 240, 12, 72);
            let quiet = load(measured, &tuning, 12, Duration::ZERO);
            let broad = load(measured, &tuning, 72, tuning.lock_patience());
            assert!(quiet < 0.28, "{measured:?}: A loads the lock with {quiet}");
            assert!(broad > 1.7, "{measured:?}: B loads the lock with {broad}");
            assert!(tuning.limit_a_ms > tuning.limit_b_ms);
            assert!(tuning.lock_patience_ms > tuning.limit_a_ms);
        }
    }

    #[test]
    fn measuring_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let measured = measure(&dir.path().join("calibration")).unwrap();
        assert!(measured.quiet_p95 > Duration::ZERO && measured.line_pair_ns > 0.0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
