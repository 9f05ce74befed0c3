//! Exact odds of a count.

/// Terms below this part of the sum change nothing.
const SMALL: f64 = 1e-16;

/// P(X ≥ `bad`), X ~ Bin(`attempts`, `share`); the terms are summed, the first one by the logarithm of the gamma function.
#[must_use]
pub fn at_least(bad: u64, attempts: u64, share: f64) -> f64 {
    if bad == 0 || share >= 1.0 {
        return if bad <= attempts { 1.0 } else { 0.0 };
    }
    if bad > attempts || share <= 0.0 {
        return 0.0;
    }
    let (k, n) = (as_number(bad), as_number(attempts));
    if k < n * share { 1.0 - sum_down(k - 1.0, n, share) } else { sum_up(k, n, share) }
}

/// P(X ≥ `bad`), X ~ Poisson(`mean`).
#[must_use]
pub fn at_least_of_rate(bad: u64, mean: f64) -> f64 {
    if bad == 0 {
        return 1.0;
    }
    if mean <= 0.0 {
        return 0.0;
    }
    let k = as_number(bad);
    let probability = |k: f64| (k * mean.ln() - mean - libm::lgamma(k + 1.0)).exp();
    if k < mean {
        return (1.0 - series(probability(k - 1.0), down(k - 1.0).map(|k| k / mean))).max(0.0);
    }
    series(probability(k), up(k).map(|k| mean / (k + 1.0))).min(1.0)
}

fn sum_up(from: f64, n: f64, share: f64) -> f64 {
    let ratios = up(from).take_while(|k| *k < n).map(|k| (n - k) / (k + 1.0) * share / (1.0 - share));
    series(probability(from, n, share), ratios).min(1.0)
}

fn sum_down(from: f64, n: f64, share: f64) -> f64 {
    let ratios = down(from).map(|k| k / (n - k + 1.0) * (1.0 - share) / share);
    series(probability(from, n, share), ratios).min(1.0)
}

fn up(from: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(from), |k| Some(k + 1.0))
}

fn down(from: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(from), |k| Some(k - 1.0)).take_while(|k| *k > 0.0)
}

/// The sum of terms of which each is so many times the one before it, as far as they matter.
fn series(first: f64, mut ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut term) = (first, first);
    while term > sum * SMALL {
        let Some(ratio) = ratios.next() else { break };
        term *= ratio;
        sum += term;
    }
    sum
}

/// P(X = k).
fn probability(k: f64, n: f64, share: f64) -> f64 {
    let ways = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    (ways + k * share.ln() + (n - k) * (-share).ln_1p()).exp()
}

/// Exact below 2^53: more windows than these nobody counts.
#[expect(clippy::cast_precision_loss, reason = "counts of a window lie far below 2^53")]
pub(super) fn as_number(count: u64) -> f64 {
    count as f64
}
