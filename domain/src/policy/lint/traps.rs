//! Numbers that do not do what one would think, with the arithmetic (PL-6). Warnings: a policy may know better.
//!
//! How much traffic there is no policy says. It asks for `min_samples` attempts before it looks at a rate, so that is the least
//! that is reckoned with here, and each warning says so.

use std::time::Duration;

use super::findings::Findings;
use super::rule::Rule;
use crate::gate::evidence::{Limit, Settings, of_small_share};
use crate::gate::metric::ratio::Ratio;
use crate::policy::section::advance::AdvanceCondition;
use crate::policy::section::gate::GatePolicy;
use crate::policy::section::metrics::MetricPolicy;
use crate::policy::section::phases::PhasePolicy;
use crate::policy::section::target::Parts;
use crate::policy::units::LONGEST;
use crate::story::figures::{format_duration, format_number};

/// How many times the limit a version has that the time is told for.
const TIMES: f64 = 2.0;

pub(super) fn check(target: &Parts<'_, '_>, found: &mut Findings) {
    let Some(gate) = &target.gate else { return };
    let samples = gate.min_samples as f64;
    for metric in &target.metrics {
        rate_like_a_share(target, metric, found);
        few_samples(target, gate, metric, samples, found);
        if let Some(window) = target.collection.as_ref().map(|it| it.window).filter(|_| gate.judge.weighs()) {
            found_late(target, gate, metric, samples, window, found);
        }
    }
}

/// What of a metric's attempts may be bad in a phase; none where nothing may, or where it has no attempts: a count has the time,
/// of which there is always enough.
fn share(metric: &MetricPolicy, phase: &PhasePolicy) -> Option<f64> {
    let limit = metric.kind.limit(*phase.thresholds.get(&metric.name)?, metric.display)?;
    let has_attempts = !matches!(limit, Limit::OverTime(_));
    Some(limit.p0().value()).filter(|p0| has_attempts && *p0 > 0.0 && *p0 < 1.0)
}

/// An event in relation to others of which it is none, with limits like those of a share: it was perhaps forgotten in `to`.
fn rate_like_a_share(target: &Parts<'_, '_>, metric: &MetricPolicy, found: &mut Findings) {
    let Some(ratio) = metric.kind.of_kind::<Ratio>().filter(|ratio| !ratio.to.contains(&ratio.of)) else {
        return;
    };
    let Some(raw) = target.raw.metrics.value.get(&metric.name) else { return };
    if target.phases.is_empty() || target.phases.iter().any(|phase| share(metric, phase).is_none()) {
        return;
    }
    let message = format!(
        "`{0}` is none of `to`, so this is a rate: so many for each of them. Of 1 completed and 1 `{0}` it is 100%; if `{0}` is a \
         part of all, write it in `to` as well, and it is 50%",
        ratio.of
    );
    found.warn(Rule::Traps, raw.wrong(&target.path.key("metrics").key(&metric.name), message));
}

/// `min_samples` attempts of which not one may be bad.
fn few_samples(
    target: &Parts<'_, '_>,
    gate: &GatePolicy,
    metric: &MetricPolicy,
    samples: f64,
    found: &mut Findings,
) {
    let strict = |phase: &PhasePolicy| {
        let p0 = share(metric, phase).filter(|p0| samples * p0 < 1.0)?;
        // 1 / 0.01 is 100, not 101.
        Some(format!("{} in {}", format_number(Some((1.0 / p0 - 1e-9).ceil())), phase.id))
    };
    let enough: Vec<String> = target.phases.iter().filter_map(strict).collect();
    if enough.is_empty() || samples < 1.0 {
        return;
    }
    let (name, n) = (&metric.name, format_number(Some(samples)));
    let what = match metric.kind.whole() {
        [] => format!("{name} of {n} values is the largest of them, so one slow one is over the limit"),
        _ => format!("{name}: one of {n} is {}%, over the limit", format_number(Some(100.0 / samples))),
    };
    let then = if gate.judge.weighs() {
        "such a window is compliant only if those before it make up for it"
    } else {
        "that is a violation"
    };
    let message = format!("{what}; {then}. One may be bad from so many on: {}", enough.join(", "));
    let path = target.path.key("gate").key("min_samples");
    found.warn(Rule::Traps, target.raw.gate.min_samples.wrong(&path, message));
}

/// A version at twice the limit that would have run longer than the phase asks for before it is found.
fn found_late(
    target: &Parts<'_, '_>,
    gate: &GatePolicy,
    metric: &MetricPolicy,
    samples: f64,
    window: Duration,
    found: &mut Findings,
) {
    let settings = Settings { certainty: gate.certainty, spread: gate.spread };
    for (phase, raw, path) in target.placed() {
        let place = raw.thresholds.value.get(&metric.name);
        let Some((place, p0)) = place.zip(share(metric, phase)) else { continue };
        let (late, asked) = (windows_to_find(samples, p0, settings), windows_asked(phase, window));
        if late <= asked {
            continue;
        }
        let time = Duration::try_from_secs_f64(window.as_secs_f64() * late).unwrap_or(LONGEST);
        let message = format!(
            "with {} attempts a window (`min_samples`, the least there may be) twice this limit is found after {} \
             windows, {}; the phase asks for {}. It needs more traffic, longer windows or another limit",
            format_number(Some(samples)),
            format_number(Some(late)),
            format_duration(time),
            format_number(Some(asked)),
        );
        found.warn(Rule::Traps, place.wrong(&path.key("thresholds").key(&metric.name), message));
    }
}

/// The fewest windows in which the phase may be left.
fn windows_asked(phase: &PhasePolicy, window: Duration) -> f64 {
    match phase.advance.condition {
        AdvanceCondition::CompliantBatches(batches) => batches as f64,
        AdvanceCondition::CompliantFor(time) => (time.as_secs_f64() / window.as_secs_f64()).ceil(),
    }
}

/// Lorden's bound: what keeps the promise of one false alarm in `certainty` windows finds a change in ln(certainty) ÷ I windows
/// on average at best, I being what a window tells (docs/judgement.md). Windows differ by the gate's spread s, as gamma–Poisson
/// counts of means n·p0 and [`TIMES`]·n·p0 and shape 1/s² do.
fn windows_to_find(samples: f64, p0: f64, settings: Settings) -> f64 {
    let expected = samples * p0;
    let told = of_small_share(TIMES, TIMES * expected, expected, settings.spread);
    (settings.needed() / told).ceil().max(1.0)
}

#[cfg(test)]
mod unit {
    use super::*;

    /// PL-6: ln 1000 ÷ I as docs/judgement.md has it, in whole windows.
    #[test]
    fn twice_the_limit_is_found_after_as_many_windows_as_lordens_bound_says() {
        for (samples, p0, spread, windows) in [
            (100.0, 0.01, 0.0, 18.0),
            (100.0, 0.01, 0.15, 19.0),
            (300.0, 0.01, 0.0, 6.0),
            (300.0, 0.01, 0.15, 7.0),
            (1000.0, 0.01, 0.15, 3.0),
            (2600.0, 0.003, 0.15, 3.0),
            (26_000.0, 0.003, 0.0, 1.0),
        ] {
            let found = windows_to_find(samples, p0, Settings { certainty: 1000.0, spread });
            assert!((found - windows).abs() < 1e-9, "{samples} at {p0}, s {spread}: {found}");
        }
    }
}
