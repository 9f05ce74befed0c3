//! Limits that decide nothing (PL-3): never crossed, always crossed, without a warn band, or to be read in two ways.

use shared_types::decision::Direction;

use super::findings::Findings;
use super::one;
use super::rule::Rule;
use crate::gate::evidence::Limit;
use crate::policy::at::At;
use crate::policy::check::Path;
use crate::policy::forms::Ratio;
use crate::policy::section::collection::Collection;
use crate::policy::section::metrics::MetricPolicy;
use crate::policy::section::target::Parts;
use crate::policy::units::DisplayUnit;
use crate::story::figures::format_duration;

pub(super) fn check(target: &Parts<'_, '_>, found: &mut Findings) {
    gate(target, found);
    for (phase, raw, path) in target.placed() {
        percentage(&raw.audience, &path.key("audience"), found);
        for metric in &target.metrics {
            let place = raw.thresholds.value.get(&metric.name);
            let Some((place, threshold)) = place.zip(phase.thresholds.get(&metric.name)) else { continue };
            if let Some(reason) = decides_nothing(metric, *threshold, target.collection.as_deref()) {
                let path = path.key("thresholds").key(&metric.name);
                found.refuse(Rule::Limits, place.wrong(&path, format!("`{}` {reason}", place.value.0)));
            }
        }
    }
}

fn gate(target: &Parts<'_, '_>, found: &mut Findings) {
    let Some(gate) = &target.gate else { return };
    let (raw, path) = (&target.raw.gate, target.path.key("gate"));
    if gate.min_samples == 0 {
        let message = "0: a window with one event would be judged like one with a thousand; write at least 1";
        found.refuse(Rule::Limits, raw.min_samples.wrong(&path.key("min_samples"), message));
    }
    percentage(&raw.warn_ratio, &path.key("warn_ratio"), found);
    if gate.warn_ratio >= 1.0 && !one::is_ambiguous(&raw.warn_ratio.value.0) {
        let message = format!(
            "`{}` leaves no band for warnings: nothing lies between it and the limit; write less, such as 80%",
            raw.warn_ratio.value.0
        );
        found.refuse(Rule::Limits, raw.warn_ratio.wrong(&path.key("warn_ratio"), message));
    }
    if let Some(uncounted) = &raw.uncounted {
        percentage(uncounted, &path.key("uncounted"), found);
    }
}

fn percentage(raw: &At<Ratio>, path: &Path, found: &mut Findings) {
    if one::is_ambiguous(&raw.value.0) {
        found.refuse(Rule::Limits, one::wrong(raw, path, &raw.value.0));
    }
}

/// Why a threshold is always or never crossed, and what to write instead.
fn decides_nothing(metric: &MetricPolicy, threshold: f64, collection: Option<&Collection>) -> Option<String> {
    let (kind, unit) = (&metric.kind, metric.display);
    let of_attempts = !kind.whole().is_empty();
    match (kind.direction(), kind.limit(threshold, unit)) {
        (Direction::AtMost, Some(Limit::Share(p0))) if p0.value() > 1.0 => {
            return Some(
                "is over 100%, which no share is: it is never crossed; write a share such as 1%".to_owned(),
            );
        }
        (Direction::AtMost, Some(Limit::Share(p0))) if p0.value() >= 1.0 => {
            return Some("lets all be bad: it is never crossed; write a share such as 1%".to_owned());
        }
        (Direction::AtLeast, _) if threshold <= 0.0 => {
            return Some("is a floor that is never crossed; write the least that is good enough".to_owned());
        }
        (Direction::AtLeast, None) if of_attempts => {
            return Some(
                "is over 100%, which no share is: it is always crossed; write a share such as 99%".to_owned(),
            );
        }
        _ => {}
    }
    let is_duration = matches!(unit, DisplayUnit::Seconds | DisplayUnit::Milliseconds);
    if kind.direction() == Direction::AtMost && is_duration && threshold <= 0.0 {
        return Some("is shorter than any duration: it is always crossed; write one such as 2s".to_owned());
    }
    // What a batch takes at the very least: it is made so long after its window's end.
    let grace = collection?.grace;
    let least = kind.observe_missing(u64::try_from(grace.as_millis()).ok()?, unit)?;
    (kind.direction() == Direction::AtMost && threshold <= least).then(|| {
        let grace = format_duration(grace);
        format!(
            "is always crossed: a batch is made {grace} after its window's end (`collection.grace`); write more"
        )
    })
}
