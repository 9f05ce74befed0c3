//! The gate beside the reference of its rule, window by window: the same counts to both, each phase for itself, as if the
//! rollout stayed there. Where they first part is where one of them is wrong, or means something else.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use shared_types::decision::{ControlFinding, MetricVerdict};
use shared_types::{Decision, PhaseId, Verdict};

use crate::corpus::{Log, PHASES, Trace, WINDOWS, Weighed};
use crate::walk::Gate;

/// Both round a level to 1e-9 a window; the log has six places.
const SAME: f64 = 1e-5;
/// Differences of a sort that are told one by one.
const TOLD: usize = 3;
const LATENCY_OF_BATCHES: &str = "collector_latency";

/// What was found.
#[derive(Debug, Default)]
pub struct Comparison {
    windows: u64,
    /// Why they part, where that is known and meant, and in what.
    sorts: BTreeMap<(Option<&'static str>, String), Sort>,
}

/// Differences that say the same.
#[derive(Debug, Default)]
struct Sort {
    windows: u64,
    first: Vec<String>,
}

impl Comparison {
    /// Judges a rollout that carries the reference's log.
    ///
    /// # Errors
    /// A batch that cannot be judged.
    pub fn add(&mut self, trace: &Trace, gate: &Gate) -> Result<()> {
        for (index, log) in trace.log.iter().enumerate() {
            let phase = PhaseId::parse(PHASES[index])?;
            let mut windows = gate.judge()?;
            let mut left_out = None;
            for w in 0..WINDOWS {
                let decisions = windows.decide(trace, &phase, 1, w)?;
                let Some(newest) = decisions.last() else { continue };
                self.windows += 1;
                // Beside the alarm there is a batch: it came after it was given up.
                if decisions.len() > 1 || trace.phases[index].drift(w) > 0 {
                    left_out = left_out.or(Some(LEFT_OUT));
                }
                if newest.metrics.iter().any(is_held) {
                    left_out = left_out.or(Some(HELD));
                }
                let place = format!("{} {} window {w}", trace.id, PHASES[index]);
                self.verdicts(newest, &log.verdicts[w], left_out, &place);
                if !trace.is_missing(w) {
                    self.evidence(newest, log, w, left_out, &place);
                }
            }
        }
        Ok(())
    }

    fn verdicts(&mut self, newest: &Decision, reference: &str, left_out: Option<&'static str>, place: &str) {
        let (verdict, reference) = (newest.verdict.as_str(), as_product(reference, newest.verdict));
        if verdict != reference {
            let why = meant(newest, reference, left_out);
            self.differs(why, format!("verdict {verdict}, reference {reference}"), place.to_owned());
        }
    }

    fn evidence(&mut self, newest: &Decision, log: &Log, w: usize, why: Option<&'static str>, place: &str) {
        for (name, reference) in both(log) {
            let ours = newest.metrics.iter().find(|it| it.metric == name);
            let Some(ours) = ours.and_then(|it| it.weighed.as_ref()).filter(|it| it.attempts > 0) else {
                continue;
            };
            let (e, of) = (ours.evidence.unwrap_or(f64::NEG_INFINITY), reference.e[w]);
            let of = of.unwrap_or(f64::NEG_INFINITY);
            if (e - of).abs() > SAME * of.abs().max(1.0) {
                self.differs(
                    why,
                    format!("evidence of {name}"),
                    format!("{place}: {e:.6}, reference {of:.6}"),
                );
            }
            let (d, of) = (ours.design_effect, reference.d[w]);
            if (d - of).abs() > SAME {
                let what = format!("design effect of {name}");
                self.differs(why, what, format!("{place}: {d:.6}, reference {of:.6}"));
            }
        }
    }

    fn differs(&mut self, why: Option<&'static str>, what: String, place: String) {
        let sort = self.sorts.entry((why, what)).or_default();
        sort.windows += 1;
        if sort.first.len() < TOLD {
            sort.first.push(place);
        }
    }

    /// Windows in which they part and nobody knows why.
    #[must_use]
    pub fn unexplained(&self) -> u64 {
        self.sorts.iter().filter(|((why, _), _)| why.is_none()).map(|(_, sort)| sort.windows).sum()
    }

    #[must_use]
    pub fn windows(&self) -> u64 {
        self.windows
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} windows judged by both, {} unexplained differences",
            self.windows,
            self.unexplained()
        )?;
        for ((why, what), sort) in &self.sorts {
            let why = why.unwrap_or("unexplained");
            writeln!(f, "{:>8}  {why}: {what}; first {}", sort.windows, sort.first.join("; "))?;
        }
        Ok(())
    }
}

const LEFT_OUT: &str = "the reference leaves out windows that came too late, and those with a drift";
const HELD: &str = "the reference pairs the windows before and after those that are held";
const SLOW_BATCH: &str = "the reference has no limit for the latency of batches";
const GROUPS: &str = "the reference groups windows by attempts, the gate each metric's by its own";
const WARN_BAND: &str = "the reference warns by the share of slow saves, the gate by the quantile";

/// Why the verdicts part, where that is known.
fn meant(newest: &Decision, reference: &str, left_out: Option<&'static str>) -> Option<&'static str> {
    let waits = |it: &MetricVerdict| {
        it.verdict == Verdict::Insufficient && it.weighed.as_ref().is_some_and(|it| it.attempts > 0)
    };
    let is_slow =
        newest.metrics.iter().any(|it| it.metric == LATENCY_OF_BATCHES && !matches!(it.verdict, Verdict::Ok));
    let warns = [Verdict::Ok.as_str(), Verdict::Warn.as_str()];
    if left_out.is_some() {
        left_out
    } else if is_slow {
        Some(SLOW_BATCH)
    } else if newest.metrics.iter().any(waits) || reference == Verdict::Insufficient.as_str() {
        Some(GROUPS)
    } else if newest.verdict.is_compliant() && warns.contains(&reference) {
        Some(WARN_BAND)
    } else {
        None
    }
}

/// What the control group makes of it is held against nobody.
fn is_held(metric: &MetricVerdict) -> bool {
    let control = metric.weighed.as_ref().and_then(|it| it.control.as_ref());
    control.is_some_and(|it| it.as_bad || it.finding == Some(ControlFinding::Outside))
}

fn both(log: &Log) -> [(&'static str, &Weighed); 2] {
    [("error_rate", &log.errors), ("save_latency_p95", &log.latency)]
}

/// The reference has words of its own for a window that waits for others, and for one that did not come.
fn as_product(reference: &str, product: Verdict) -> &str {
    match reference {
        "pooling" | "insufficient" => Verdict::Insufficient.as_str(),
        // Told in either way: nobody sees.
        "missing" if product == Verdict::Violation => product.as_str(),
        other => other,
    }
}
