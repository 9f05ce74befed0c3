//! How much the rate of one version differs between windows, measured: what `gate.spread` should be (JU-14).
//!
//! Two neighbouring windows of n₁ and n₂ attempts and K errors together, whose rates are p·u₁ and p·u₂, u gamma of mean 1 and
//! variance s². Given K the first has a binomial part of them, K·π with π = n₁u₁ ÷ (n₁u₁ + n₂u₂). Where n₁ = n₂, π is beta of
//! mean f = ½ and variance θ ÷ 4 with θ = s² ÷ (2 + s²), and otherwise nearly f = n₁ ÷ (n₁ + n₂) and 4f²(1 − f)²·θ. The difference
//! of the two, d = (k₁n₂ − k₂n₁)² ÷ (K·n₁·n₂), then has the mean
//!
//! 1 + h·θ with h = 4·f·(1 − f)·(K − 1):
//!
//! 1 for errors that are independent, more where windows differ by themselves. The spread is the s at which d ÷ (1 + h·θ) has
//! mean 1 over all pairs; the sum falls as θ grows, so halving an interval finds it. Pairs without an error say nothing.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_types::decision::Cause;
use shared_types::{Decision, Epoch, Timestamp, Window};
use utoipa::ToSchema;

use crate::gate::evidence::{Counts, difference_of};

/// Only the newest of what is looked at: what a version does now.
const LOOK_BACK: Duration = Duration::from_hours(30 * 24);
/// Fewer pairs say nothing.
const FEWEST: usize = 30;
/// Each halves what is left of the interval: beyond the last digit that anybody writes.
const HALVINGS: u32 = 50;

/// How much a metric's rate differed between the compliant windows of the last 30 days, as a policy writes `gate.spread`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MeasuredSpread {
    pub metric: String,
    /// Neighbouring windows with errors that it stands on.
    pub pairs: u64,
    /// 0.15 is 15 %; 0: the windows differ no more than independent errors do; null: fewer than 30 pairs.
    pub spread: Option<f64>,
}

/// The metrics with attempts, by name.
#[derive(Debug, Default)]
pub(super) struct Spreads(BTreeMap<String, Series>);

#[derive(Debug, Default)]
struct Series {
    last: Option<(Epoch, Window, Counts)>,
    pairs: VecDeque<(Timestamp, Pair)>,
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    /// d
    difference: f64,
    /// h
    growth: f64,
}

impl Spreads {
    /// Takes a window, if it was compliant, and its metrics were weighed.
    pub(super) fn add(&mut self, decision: &Decision) {
        if decision.cause != Cause::Slo || !decision.verdict.is_compliant() || decision.gate.is_none() {
            return;
        }
        let (epoch, window) = (decision.epoch, decision.window);
        for metric in &decision.metrics {
            let Some(weighed) = &metric.weighed else { continue };
            let now = Counts { bad: weighed.bad, attempts: weighed.attempts };
            let series = self.0.entry(metric.metric.clone()).or_default();
            if let Some((before_epoch, before, counts)) = series.last.replace((epoch, window, now))
                && (before_epoch, before.end) == (epoch, window.start)
                && let Some(pair) = Pair::of(counts, now)
            {
                series.pairs.push_back((window.end, pair));
            }
            let since = window.end.minus(LOOK_BACK);
            while series.pairs.front().is_some_and(|(end, _)| *end <= since) {
                series.pairs.pop_front();
            }
        }
    }

    pub(super) fn finish(self) -> Vec<MeasuredSpread> {
        let one = |(metric, series): (String, Series)| {
            let pairs: Vec<Pair> = series.pairs.into_iter().map(|(_, pair)| pair).collect();
            let spread = (pairs.len() >= FEWEST).then(|| spread(&pairs));
            MeasuredSpread { metric, pairs: pairs.len() as u64, spread }
        };
        self.0.into_iter().map(one).collect()
    }
}

impl Pair {
    fn of(before: Counts, now: Counts) -> Option<Self> {
        let difference = difference_of(before, now)?;
        let (n, other) = (now.attempts as f64, before.attempts as f64);
        let parts = n * other / ((n + other) * (n + other));
        let errors = before.bad.saturating_add(now.bad) as f64;
        Some(Self { difference, growth: 4.0 * parts * (errors - 1.0) })
    }
}

/// The s at which the differences have mean 1; see the module.
fn spread(pairs: &[Pair]) -> f64 {
    let mean = |theta: f64| {
        let sum: f64 = pairs.iter().map(|pair| pair.difference / (1.0 + pair.growth * theta)).sum();
        sum / pairs.len() as f64
    };
    if mean(0.0) <= 1.0 {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if mean(middle) > 1.0 { low = middle } else { high = middle }
    }
    (2.0 * low / (1.0 - low)).sqrt()
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};
    use rand_distr::{Distribution, Gamma, Poisson};

    use super::*;

    /// What is measured of so many pairs of windows whose rate varies by `truth`, with 0.5 % errors among some hundred or
    /// thousand attempts.
    fn measured(truth: f64, attempts: std::ops::Range<u64>, pairs: usize, seed: u64) -> f64 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let variance = truth * truth;
        let mut window = || {
            let attempts = rng.random_range(attempts.clone());
            let varied = if variance > 0.0 {
                Gamma::new(1.0 / variance, variance).unwrap().sample(&mut rng)
            } else {
                1.0
            };
            let bad = Poisson::new(attempts as f64 * 0.005 * varied).unwrap().sample(&mut rng);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a small whole number"
            )]
            Counts { bad: bad as u64, attempts }
        };
        let mut before = window();
        let mut found = Vec::new();
        while found.len() < pairs {
            let now = window();
            found.extend(Pair::of(before, now));
            before = now;
        }
        spread(&found)
    }

    /// JU-14: from gamma–Poisson windows of known spread the estimate finds it, however unequal they are.
    #[test]
    fn the_estimate_lies_near_the_truth() {
        for (truth, attempts, within) in [
            (0.15, 4_000..4_001, 0.02),
            (0.15, 2_000..8_000, 0.02),
            (0.3, 1_000..6_000, 0.03),
            (0.5, 1_000..2_000, 0.05),
            // Where windows differ tenfold, large spreads come out somewhat too large.
            (0.5, 400..4_000, 0.08),
        ] {
            let found: Vec<f64> = (0..8).map(|seed| measured(truth, attempts.clone(), 2_880, seed)).collect();
            let mean = found.iter().sum::<f64>() / 8.0;
            assert!((mean - truth).abs() < within / 2.0, "{truth} of {attempts:?}: {mean} on average");
            assert!(found.iter().all(|it| (it - truth).abs() < within), "{truth} of {attempts:?}: {found:?}");
        }
    }

    /// JU-14: independent errors differ by chance alone. Half of the time the mean is below 1, and the spread 0.
    #[test]
    fn independent_errors_have_no_spread() {
        let found: Vec<f64> = (0..8).map(|seed| measured(0.0, 2_000..8_000, 2_880, seed)).collect();
        assert!(found.iter().all(|it| *it < 0.06), "{found:?}");
        assert!(found.contains(&0.0), "{found:?}");
    }
}
