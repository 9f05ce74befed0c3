//! The batch that the collector would have sent of a window of the corpus.

use std::collections::BTreeMap;

use shared_types::batch::{Distribution, Intake, SCHEMA};
use shared_types::{Batch, Epoch, Histogram, PhaseId, TargetName};

use crate::corpus::{LATENCY_LIMIT_MS, Trace, window};

const COMPLETED: &str = "autosave.save.completed";
const ERROR: &str = "autosave.save.error";
const DRIFT: &str = "autosave.history.drift";
/// Clear of the limit by more than a bucket is wide.
const BEYOND: f64 = 1.002;

/// Of the w-th window, served in a phase.
#[must_use]
pub fn batch(
    trace: &Trace,
    target: &TargetName,
    (index, phase): (usize, &PhaseId),
    epoch: Epoch,
    w: usize,
) -> Batch {
    let counted = &trace.phases[index];
    let completed = counted.n[w] - counted.k[w];
    let latency = trace.latency(w);
    let window = window(w);
    let durations = durations(completed, counted.ex[w], counted.p95[w], LATENCY_LIMIT_MS[index]);
    let distribution = distribution(&durations).map(|it| (COMPLETED.to_owned(), it));
    Batch {
        schema: SCHEMA.to_owned(),
        target: target.clone(),
        phase: phase.clone(),
        epoch,
        window,
        counters: BTreeMap::from([
            (COMPLETED.to_owned(), completed),
            (ERROR.to_owned(), counted.k[w]),
            (DRIFT.to_owned(), counted.drift(w)),
        ]),
        distributions: distribution.into_iter().collect(),
        breakdowns: BTreeMap::new(),
        intake: Intake::default(),
        collector_latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
        attempts: 1,
        source: "jsonl".to_owned(),
        collected_at: window.end.plus(latency),
        next_window: None,
        policy_version: None,
    }
}

/// So many durations of which `above` lie above the limit, with that quantile: all that a metric of the gate asks of them.
fn durations(count: u64, above: u64, p95_ms: u64, limit: f64) -> Histogram {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    let p95 = p95_ms as f64;
    // Nearest rank: the quantile is one of those above the limit where those are more than the rest above its rank.
    let is_over = above > count - shared_types::histogram::nearest_rank(0.95, count).unwrap_or(0);
    let (low, high) = if is_over { (limit / 2.0, p95) } else { (p95.min(limit), 2.0 * limit) };
    let mut all = repeated(low, count - above);
    all.merge(&repeated(high.max(limit * BEYOND), above));
    all
}

fn repeated(value: f64, mut times: u64) -> Histogram {
    let (mut all, mut power) = (Histogram::default(), Histogram::default());
    power.record(value);
    while times > 0 {
        if times % 2 == 1 {
            all.merge(&power);
        }
        power.merge(&power.clone());
        times /= 2;
    }
    all
}

fn distribution(durations: &Histogram) -> Option<Distribution> {
    Some(Distribution {
        unit: "ms".to_owned(),
        count: durations.count(),
        p50: durations.quantile(0.5)?,
        p95: durations.quantile(0.95)?,
        p99: durations.quantile(0.99)?,
        max: durations.max()?,
        histogram: durations.encode(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than one in twenty above the limit is the same as a p95 above it, and the p95 is the corpus's but for a bucket.
    #[test]
    fn durations_are_as_many_above_the_limit_as_the_corpus_says() {
        for (count, above, p95) in
            [(100, 5, 2490), (100, 6, 2510), (1, 0, 400), (1, 1, 9000), (0, 0, 0), (59, 2, 1)]
        {
            let made = durations(count, above, p95, 2500.0);
            assert_eq!(made.count(), count);
            assert_eq!(made.count_where(|ms| ms > 2500.0), above);
            let is_over = made.quantile(0.95).is_some_and(|it| it > 2500.0);
            assert_eq!(is_over, above * 20 > count, "{above} of {count}");
            let differs =
                made.quantile(0.95).map_or(0.0, |it| it / f64::from(u32::try_from(p95).unwrap()) - 1.0);
            assert!(differs.abs() < 0.002, "{p95}: {differs}");
        }
    }
}
