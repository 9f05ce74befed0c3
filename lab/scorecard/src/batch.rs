//! The batch that the collector would have sent of a window of the corpus.

use std::collections::BTreeMap;

use events::in_variant;
use shared_types::batch::{Distribution, Intake, SCHEMA};
use shared_types::{Batch, Epoch, Histogram, PhaseId, TargetName};

use crate::corpus::{LATENCY_LIMIT_MS, Trace, window};

const COMPLETED: &str = "autosave.save.completed";
const ERROR: &str = "autosave.save.error";
const DRIFT: &str = "autosave.history.drift";
const CONTROL: &str = "control";
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
    let control = &counted.control;
    let (latency, window) = (trace.latency(w), window(w));
    let exposed = Saves {
        tried: counted.n[w],
        errors: counted.k[w],
        slow: counted.ex[w],
        p95_ms: counted.p95[w],
        limit: LATENCY_LIMIT_MS[index],
        sessions: (counted.top[w], counted.top_n[w], counted.squares[w]),
    };
    // Of the control group only what is above the limit is known, and asked for.
    let beside = Saves {
        tried: control.n[w],
        errors: control.k[w],
        slow: control.ex[w],
        p95_ms: 0,
        sessions: (control.top[w], control.top_n[w], control.k[w]),
        ..exposed
    };
    let of_control = |event: &str| in_variant(event, CONTROL);
    let (mut counters, mut distributions, mut breakdowns) =
        (BTreeMap::from([(DRIFT.to_owned(), counted.drift(w))]), BTreeMap::new(), BTreeMap::new());
    for (saves, completed, error) in [
        (&exposed, COMPLETED.to_owned(), ERROR.to_owned()),
        (&beside, of_control(COMPLETED), of_control(ERROR)),
    ] {
        counters.extend([(completed.clone(), saves.completed()), (error.clone(), saves.errors)]);
        distributions.extend(distribution(&saves.durations()).map(|it| (completed, it)));
        breakdowns.extend(saves.by_session().map(|it| (error, it)));
    }
    Batch {
        schema: SCHEMA.to_owned(),
        target: target.clone(),
        phase: phase.clone(),
        epoch,
        window,
        counters,
        distributions,
        buckets: BTreeMap::new(),
        breakdowns,
        values: BTreeMap::new(),
        queries: Vec::new(),
        intake: Intake::default(),
        collector_latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
        attempts: 1,
        source: "jsonl".to_owned(),
        collected_at: window.end.plus(latency),
        next_window: None,
        policy_version: None,
    }
}

/// What a group of users did in a window.
#[derive(Debug, Clone, Copy)]
struct Saves {
    tried: u64,
    errors: u64,
    slow: u64,
    p95_ms: u64,
    limit: f64,
    /// Of the session with most errors its errors and its saves; over sessions, errors².
    sessions: (u64, u64, u64),
}

impl Saves {
    fn completed(&self) -> u64 {
        self.tried - self.errors
    }

    fn durations(&self) -> Histogram {
        durations(self.completed(), self.slow, self.p95_ms, self.limit)
    }

    /// As a batch's breakdown has it; none without errors.
    fn by_session(&self) -> Option<BTreeMap<String, BTreeMap<String, u64>>> {
        let (top, top_attempts, squares) = self.sessions;
        let counted = [
            ("distinct", self.errors - top + 1),
            ("top", top),
            ("top_attempts", top_attempts),
            ("squares", squares),
        ];
        let counted = counted.map(|(key, count)| (key.to_owned(), count)).into();
        (self.errors > 0).then(|| BTreeMap::from([("session".to_owned(), counted)]))
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
