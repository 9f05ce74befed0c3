//! The verdict of a window: every metric against the phase's threshold, worst first (SLO-1 to SLO-6, SLO-8).
//!
//! By `judge: window` each window speaks for itself; by `judge: evidence` with those before it in its epoch (JU-3).

use crate::policy::{GatePolicy, JudgeBy, MetricPolicy, PhasePolicy, TargetPolicy};
use shared_types::decision::{
    Cause, ControlFinding, Direction, EventBefore, Evidence, HistoryValue, MetricVerdict, RunBefore,
    Uncounted, ViolationAction,
};
use shared_types::{Verdict, Window};

use super::evidence::Settings;
use super::memory::{Remembered, What};
use super::observe::{Observed, ObservedMetric};
use super::threshold::{Threshold, hold_observation, ratio, worst_first};
use super::vanished;
use super::weigh::{Answer, Question, Weights, by_attempts, by_value};

/// So many windows of an epoch in a row without one that is `ok` or `warn`, and a person is asked (JU-4).
const UNDECIDED: u64 = 96;
/// So many held windows in a row, and a person is asked again (JU-9g).
pub const HELD_LONG: u64 = 8;

/// What a decision stands on besides its judgement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Basis {
    /// Of the batch that was judged.
    pub batch_hash: Option<String>,
    /// Since the end of a window whose batch is missing.
    pub elapsed_ms: Option<u64>,
    /// The run that it goes on from.
    pub run: Option<RunBefore>,
    pub sequence: u64,
}

/// All that the gate says of a window, before it gets an id and a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    pub cause: Cause,
    pub verdict: Verdict,
    /// In the policy's order.
    pub metrics: Vec<MetricVerdict>,
    /// Worst first.
    pub violated: Vec<String>,
    /// The strongest of the violated metrics' actions.
    pub action: Option<ViolationAction>,
    pub samples: u64,
    pub history: Vec<HistoryValue>,
    /// As the policy takes it; by `judge: window` it is not asked for.
    pub uncounted: Option<Uncounted>,
    /// What later windows of the epoch go on from.
    pub remembered: Vec<Remembered>,
    /// No metric waits for more attempts (JU-5).
    pub groups_end: bool,
    /// Something outside made a metric break its limit, and it is not held against the version (JU-9).
    pub held: bool,
    /// How regularly events came, this window included; none, if it says nothing of that.
    pub events: Option<Vec<EventBefore>>,
    /// Those that are missed from now on (TE-6).
    pub vanished: Vec<String>,
}

impl Judgement {
    /// SLO-4.
    #[must_use]
    pub fn rollback_required(&self) -> bool {
        self.action == Some(ViolationAction::Rollback)
    }

    /// Whether attempts were counted of a metric that something follows from.
    #[must_use]
    pub fn has_attempts(&self) -> bool {
        let decides = |name: &str| self.metrics.iter().any(|it| it.metric == name && decides(it));
        let counted = |it: &Remembered| matches!(it.of, What::Attempts { .. }) && decides(&it.metric);
        self.remembered.iter().any(counted)
    }

    /// What the decision keeps to be recomputed from (SLO-10).
    #[must_use]
    pub fn evidence(&self, basis: Basis) -> Evidence {
        let Basis { batch_hash, elapsed_ms, run, sequence } = basis;
        let history = self.history.clone();
        Evidence { batch_hash, samples: self.samples, history, elapsed_ms, run, sequence }
    }
}

/// Holds what was observed in a window against the thresholds of `phase`. `before` is what its epoch's run was until
/// then; none, if it begins one.
#[must_use]
pub fn judge(
    observed: &Observed,
    window: Window,
    before: Option<&RunBefore>,
    policy: &TargetPolicy,
    phase: &PhasePolicy,
) -> Judgement {
    let stay = Stay { window, before, policy, phase };
    match (policy.gate.judge, observed.cause) {
        (JudgeBy::Evidence, Cause::Slo) => stay.weighed(observed),
        (JudgeBy::Evidence, Cause::CollectionDelayed) => stay.blind(observed),
        (JudgeBy::Window, Cause::Slo) => stay.alone(observed),
        (JudgeBy::Window, Cause::CollectionDelayed) => stay.missing(observed),
        (_, Cause::RetryExhausted) => stay.exhausted(observed),
    }
}

/// Where a window stands.
#[derive(Debug, Clone, Copy)]
struct Stay<'a> {
    window: Window,
    before: Option<&'a RunBefore>,
    policy: &'a TargetPolicy,
    phase: &'a PhasePolicy,
}

impl Stay<'_> {
    /// JU-3: with the windows before it.
    fn weighed(self, observed: &Observed) -> Judgement {
        let answers = self.each(observed, |metric, seen, threshold| self.weigh(metric, seen, threshold));
        let mut remembered = Vec::new();
        // TE-6: what was counted bad counts, and what was not counted is not thereby good.
        let limit = self.policy.gate.uncounted;
        let uncounted = observed.uncounted.clone().map(|it| Uncounted { over: it.share > limit, ..it });
        let over = uncounted.as_ref().is_some_and(|it| it.over);
        let groups_end =
            answers.iter().filter(|(metric, _)| decides(metric)).all(|(_, answer)| !answer.waits);
        let metrics = answers.into_iter().map(|(mut metric, answer)| {
            metric.weighed = answer.weighed;
            metric.reason = answer.reason;
            remembered.extend(answer.remembered);
            let hidden = over && answer.verdict.is_compliant();
            metric.verdict = if hidden { Verdict::Insufficient } else { answer.verdict };
            metric
        });
        let metrics = metrics.collect();
        let mut judgement = conclude(observed, metrics);
        judgement.uncounted = uncounted;
        judgement.remembered = remembered;
        judgement.groups_end = groups_end;
        judgement.held = judgement.metrics.iter().any(is_held);
        if self.is_newest() {
            let known = self.before.map(|before| before.events.as_slice()).unwrap_or_default();
            let tolerated = self.policy.gate.gaps.tolerated;
            let (events, vanished) = vanished::after(known, &observed.events, self.window, tolerated);
            (judgement.events, judgement.vanished) = (Some(events), vanished);
        }
        let undecided = self.before.map_or(0, |before| before.undecided) + 1;
        if !judgement.verdict.is_compliant() && judgement.action.is_none() && undecided == UNDECIDED {
            judgement.action = Some(ViolationAction::Page);
        }
        if judgement.held && judgement.action.is_none() && self.asks_about_hold() {
            judgement.action = Some(ViolationAction::Page);
        }
        judgement
    }

    /// Whether no window of the epoch is as new, or newer.
    fn is_newest(self) -> bool {
        let newest = self.before.and_then(|before| before.through);
        newest.is_none_or(|newest| newest.start < self.window.start)
    }

    /// JU-9a, JU-9g: a person is asked when a run of held windows begins, and once more when it does not end.
    fn asks_about_hold(self) -> bool {
        let before = self.before.and_then(|before| before.held);
        before.is_none_or(|held| held.without == 0 && held.in_a_row + 1 == HELD_LONG)
    }

    fn weigh(self, metric: &MetricPolicy, seen: &ObservedMetric, threshold: Threshold<'_>) -> Answer {
        let gate = &self.policy.gate;
        let settings = Settings { certainty: gate.certainty, spread: gate.spread };
        let limit = metric.kind.limit(threshold.limit, metric.display);
        let known = self.before.map(|before| before.metrics.as_slice()).unwrap_or_default();
        let newer = self.before.and_then(|before| before.through);
        let question = Question {
            metric: &metric.name,
            basis: basis(metric, threshold.limit, gate),
            before: known.iter().find(|it| it.metric == metric.name),
            value: seen.observation.value,
            at_most: seen.observation.at_most(),
            threshold,
            late: newer.is_some_and(|newer| newer.start > self.window.start),
            advisory: metric.on_violation.is_advisory(),
        };
        // SLO-6: of what needs no minimum each window speaks for itself.
        let min_samples = seen.observation.samples.map_or(0, |_| gate.min_samples);
        match (limit, &seen.attempts) {
            (Some(limit), Some(attempts)) => {
                let needed_if_changed = gate.certainty_if_changed.unwrap_or(gate.certainty).ln();
                let on_regression = gate.on_regression;
                let weights = Weights { limit, settings, min_samples, on_regression, needed_if_changed };
                by_attempts(&question, attempts, weights)
            }
            // It has attempts, and this window's are not known.
            (Some(_), None) => {
                let verdict = Verdict::Insufficient;
                Answer { verdict, reason: None, weighed: None, remembered: None, waits: false }
            }
            (None, _) => by_value(&question, enough(seen, gate), metric.kind.windows_to_violate()),
        }
    }

    /// Each window for itself.
    fn alone(self, observed: &Observed) -> Judgement {
        conclude(observed, self.by_window(observed))
    }

    fn by_window(self, observed: &Observed) -> Vec<MetricVerdict> {
        let verdicts = self.each(observed, |_, seen, threshold| {
            hold_observation(&seen.observation, &threshold, enough(seen, &self.policy.gate))
        });
        let with = |(metric, (verdict, reason))| MetricVerdict { verdict, reason, ..metric };
        verdicts.into_iter().map(with).collect()
    }

    /// SLO-7: `collector_latency` is the time elapsed, all else is unknown. It is never `ok`.
    fn missing(self, observed: &Observed) -> Judgement {
        let mut judgement = self.alone(observed);
        judgement.verdict = judgement.verdict.max(Verdict::Insufficient);
        judgement
    }

    /// JU-8: so many missing windows in a row say nothing of the feature; one more, and nobody sees.
    fn blind(self, observed: &Observed) -> Judgement {
        let metrics = self.by_window(observed);
        let unknown = metrics.into_iter().map(|it| MetricVerdict { verdict: Verdict::Insufficient, ..it });
        let mut judgement = conclude(observed, unknown.collect());
        let gaps = &self.policy.gate.gaps;
        if self.before.map_or(0, |before| before.gaps) >= gaps.tolerated {
            judgement.verdict = Verdict::Violation;
            judgement.action = Some(gaps.blind);
        }
        judgement
    }

    /// SLO-8: the collector gave up for now; a violation, whatever the time.
    fn exhausted(self, observed: &Observed) -> Judgement {
        let mut metrics = self.by_window(observed);
        for metric in metrics.iter_mut().filter(|metric| metric.observed.is_some()) {
            metric.verdict = Verdict::Violation;
        }
        let mut judgement = conclude(observed, metrics);
        if judgement.verdict != Verdict::Violation {
            // A policy without a collector metric still has to hear of it (ES-2).
            judgement.verdict = Verdict::Violation;
            judgement.action = Some(ViolationAction::Page);
        }
        judgement
    }

    /// Asks `held` of every metric that the phase has a threshold for.
    fn each<A>(
        self,
        observed: &Observed,
        held: impl Fn(&MetricPolicy, &ObservedMetric, Threshold<'_>) -> A,
    ) -> Vec<(MetricVerdict, A)> {
        let of = |(metric, seen): (&MetricPolicy, &ObservedMetric)| {
            if !metric.kind.is_judged_in(self.window) {
                return None;
            }
            let limit = *self.phase.thresholds.get(&metric.name)?;
            let (direction, unit) = (metric.kind.direction(), metric.display.symbol());
            let warn_ratio = self.policy.gate.warn_ratio;
            let answer = held(metric, seen, Threshold { direction, limit, unit, warn_ratio });
            let verdict = MetricVerdict {
                metric: metric.name.clone(),
                observed: seen.observation.value,
                between: seen.observation.between,
                threshold: limit,
                unit: unit.to_owned(),
                ratio: ratio(seen.observation.value, limit),
                verdict: Verdict::Insufficient,
                on_violation: metric.on_violation,
                direction,
                reason: None,
                weighed: None,
            };
            Some((verdict, answer))
        };
        std::iter::zip(&self.policy.metrics, &observed.metrics).filter_map(of).collect()
    }
}

/// What is counted of a metric and how it is weighed: with another basis its evidence starts anew (JU-15).
#[must_use]
pub(super) fn basis(metric: &MetricPolicy, limit: f64, gate: &GatePolicy) -> String {
    let (words, unit) = (metric.kind.words(), metric.display.symbol());
    let side = if metric.kind.direction() == Direction::AtLeast { "at least " } else { "" };
    let basis =
        format!("{words}; {side}{limit} {unit}; certainty {}, spread {}", gate.certainty, gate.spread);
    match &metric.control {
        None => basis,
        Some(control) => format!("{basis}; beside {}", control.words()),
    }
}

/// Whether something outside made it break its limit, and it is not held against the version (JU-9).
#[must_use]
pub fn is_held(metric: &MetricVerdict) -> bool {
    let control = metric.weighed.as_ref().and_then(|weighed| weighed.control.as_ref());
    metric.verdict == Verdict::Unsure && control.is_some_and(|it| it.finding == Some(ControlFinding::Outside))
}

/// SLO-6.
fn enough(seen: &ObservedMetric, gate: &GatePolicy) -> bool {
    seen.observation.samples.is_none_or(|samples| samples >= gate.min_samples)
}

/// What is advisory is shown, and decides nothing.
fn decides(metric: &MetricVerdict) -> bool {
    !metric.on_violation.is_advisory()
}

/// SLO-3 and SLO-4: the worst metric's verdict, the violated ones worst first, the strongest action.
fn conclude(observed: &Observed, metrics: Vec<MetricVerdict>) -> Judgement {
    let asked = || metrics.iter().filter(|metric| decides(metric));
    let verdict = asked().map(|metric| metric.verdict).max().unwrap_or(Verdict::Insufficient);
    let mut violated: Vec<&MetricVerdict> =
        asked().filter(|metric| metric.verdict == Verdict::Violation).collect();
    violated.sort_by(|left, right| worst_first(left, right));
    let action = violated.iter().map(|metric| metric.on_violation).max();
    let violated = violated.into_iter().map(|metric| metric.metric.clone()).collect();
    let seen = observed.metrics.iter().map(|it| &it.observation);
    let samples = seen.clone().filter_map(|it| it.samples).min().unwrap_or(0);
    let history = seen.flat_map(|it| it.history.iter().cloned()).collect();
    Judgement {
        cause: observed.cause,
        verdict,
        metrics,
        violated,
        action,
        samples,
        history,
        uncounted: None,
        remembered: Vec::new(),
        groups_end: false,
        held: false,
        events: None,
        vanished: Vec::new(),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
