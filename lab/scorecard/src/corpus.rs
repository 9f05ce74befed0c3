//! The labelled corpus as `corpus/write.py` writes it: one rollout a line. `corpus/README.md` says what a line holds.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use shared_types::{Timestamp, Window};

/// Windows of a rollout.
pub const WINDOWS: usize = 480;
pub const WINDOW: Duration = Duration::from_secs(15 * 60);
/// The gated phases, in order.
pub const PHASES: [&str; 3] = ["A", "B", "C"];
/// The part of the users in each.
pub const AUDIENCE: [f64; 3] = [0.05, 0.30, 1.00];
/// The limits that the corpus was drawn for: those of the shipped policies.
pub const ERROR_LIMIT: [f64; 3] = [0.010, 0.005, 0.003];
pub const LATENCY_LIMIT_MS: [f64; 3] = [2500.0, 2000.0, 1800.0];
/// The share of saves that may be slower.
pub const SLOW_LIMIT: f64 = 0.05;
/// 2026-11-16T00:00Z.
const BEGIN_MS: i64 = 1_794_787_200_000;

/// What a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Healthy,
    /// It breaks a limit.
    Bad,
    /// Worse than what it replaces, and within its limits.
    Relative,
}

/// A world of 480 windows, with what would be counted in it in each phase.
#[derive(Debug, Deserialize)]
pub struct Trace {
    pub seed: u64,
    pub id: String,
    #[serde(rename = "cls")]
    pub class: String,
    pub kind: Kind,
    /// Windows that never come.
    pub missing: Vec<usize>,
    /// Windows that come late, and by how many seconds.
    pub late: Vec<(usize, f64)>,
    pub phases: [Phase; PHASES.len()],
    /// How the rules of peers did, by name, as [`Row`](crate::row::Row)s.
    #[serde(default)]
    pub rules: Map<String, Value>,
    /// What the reference says of each window, phase by phase.
    #[serde(default)]
    pub log: Vec<Log>,
}

/// What is counted in a phase, window by window, and the truth about it.
#[derive(Debug, Deserialize)]
pub struct Phase {
    /// Saves tried.
    pub n: Vec<u64>,
    /// Of them, errors; all others completed.
    pub k: Vec<u64>,
    /// Completed, and slower than the limit.
    pub ex: Vec<u64>,
    /// Of the completed ones, in milliseconds.
    pub p95: Vec<u64>,
    /// Of the session with most errors, its errors.
    pub top: Vec<u64>,
    /// Its saves tried.
    pub top_n: Vec<u64>,
    /// Over sessions, errors².
    pub squares: Vec<u64>,
    pub control: Control,
    drift: Vec<(usize, u64)>,
    /// The version's own value over the limit, of its worst metric; above 1 is bad.
    #[serde(deserialize_with = "spread_out")]
    pub excess: Vec<f64>,
    /// The version's own share of errors.
    #[serde(deserialize_with = "spread_out")]
    pub errors: Vec<f64>,
    /// The version's own share of saves that are slower than the limit.
    #[serde(deserialize_with = "spread_out")]
    pub slow: Vec<f64>,
    /// 1 where it is more than 10 % worse than what it replaces.
    #[serde(deserialize_with = "spread_out")]
    worse: Vec<f64>,
}

/// What is counted of the control group, window by window; as in [`Phase`].
#[derive(Debug, Deserialize)]
pub struct Control {
    pub n: Vec<u64>,
    pub k: Vec<u64>,
    pub ex: Vec<u64>,
    pub top: Vec<u64>,
    pub top_n: Vec<u64>,
}

/// What the reference says if the rollout stays in a phase.
#[derive(Debug, Deserialize)]
pub struct Log {
    pub errors: Weighed,
    pub latency: Weighed,
    pub verdicts: Vec<String>,
}

/// Evidence and design effect of a metric, window by window.
#[derive(Debug, Deserialize)]
pub struct Weighed {
    pub e: Vec<Option<f64>>,
    pub d: Vec<f64>,
}

/// From `[[value, how often in a row], …]`.
fn spread_out<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let runs = Vec::<(f64, usize)>::deserialize(deserializer)?;
    Ok(runs.into_iter().flat_map(|(value, times)| std::iter::repeat_n(value, times)).collect())
}

impl Phase {
    /// History drifts in a window.
    #[must_use]
    pub fn drift(&self, w: usize) -> u64 {
        self.drift.iter().find(|(at, _)| *at == w).map_or(0, |(_, count)| *count)
    }

    /// Whether the version itself breaks a limit in this window.
    #[must_use]
    pub fn is_bad(&self, w: usize) -> bool {
        self.excess[w] > 1.0
    }

    /// Whether it was worse than what it replaces in the last three hours.
    #[must_use]
    pub fn is_worse(&self, w: usize) -> bool {
        self.worse[w.saturating_sub(11)..=w].iter().any(|it| *it > 0.0)
    }
}

impl Trace {
    #[must_use]
    pub fn is_missing(&self, w: usize) -> bool {
        self.missing.contains(&w)
    }

    /// From the end of the window to its complete batch.
    #[must_use]
    pub fn latency(&self, w: usize) -> Duration {
        let late = self.late.iter().find(|(at, _)| *at == w).map_or(0.0, |(_, seconds)| *seconds);
        Duration::from_secs(31) + Duration::from_secs_f64(late)
    }
}

/// The w-th window.
#[must_use]
pub fn window(w: usize) -> Window {
    let times = u32::try_from(w).unwrap_or(u32::MAX);
    let start = Timestamp::from_millis(BEGIN_MS).plus(WINDOW * times);
    Window { start, end: start.plus(WINDOW) }
}

/// Hands over the rollouts one by one: a full corpus is larger than memory should be.
///
/// # Errors
/// A line that is no rollout, or what `take` says.
pub fn each_rollout(lines: impl Read, mut take: impl FnMut(Trace) -> Result<()>) -> Result<()> {
    for (number, line) in BufReader::new(lines).lines().enumerate() {
        let line = line?;
        let trace = serde_json::from_str(&line).with_context(|| format!("line {}", number + 1))?;
        take(trace)?;
    }
    Ok(())
}

/// The same of a file, which may be compressed by gzip.
///
/// # Errors
/// As [`each_rollout`], and where the file cannot be read.
pub fn each_rollout_of(file: &Path, take: impl FnMut(Trace) -> Result<()>) -> Result<()> {
    let opened = File::open(file).with_context(|| file.display().to_string())?;
    let read = if file.extension().is_some_and(|it| it == "gz") {
        each_rollout(GzDecoder::new(opened), take)
    } else {
        each_rollout(opened, take)
    };
    read.with_context(|| file.display().to_string())
}
