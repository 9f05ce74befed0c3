//! Phases: named once, never narrower than the one before, with a threshold for every metric.

use std::collections::BTreeMap;

use shared_types::PhaseId;

use super::metrics::known_metric;
use super::{Checked, Path, names, positive, text};
use crate::policy::at::{At, Entries};
use crate::policy::raw::{RawAdvance, RawPhase, Threshold, Whole};
use crate::policy::units::{parse_percent, parse_threshold, threshold_form};
use crate::policy::{Advance, AdvanceCondition, MetricPolicy, PhasePolicy};

pub(super) fn phases(
    raw: &At<Vec<At<RawPhase>>>,
    metrics: &[MetricPolicy],
    path: &Path,
) -> Checked<Vec<PhasePolicy>> {
    if raw.value.is_empty() {
        return Err(raw.wrong(path, "expected at least one phase"));
    }
    let mut phases: Vec<PhasePolicy> = Vec::new();
    for (index, raw) in raw.value.iter().enumerate() {
        let path = path.index(index);
        let phase = phase(&raw.value, metrics, &path)?;
        if phases.iter().any(|earlier| earlier.id == phase.id) {
            let message = format!("the phase `{}` stands there twice", phase.id);
            return Err(raw.value.id.wrong(&path.key("id"), message));
        }
        if let Some(before) = phases.last().filter(|before| before.audience_percent > phase.audience_percent)
        {
            let message =
                format!("expected at least the {}% of phase {}", before.audience_percent, before.id);
            return Err(raw.value.audience.wrong(&path.key("audience"), message));
        }
        phases.push(phase);
    }
    Ok(phases)
}

fn phase(raw: &RawPhase, metrics: &[MetricPolicy], path: &Path) -> Checked<PhasePolicy> {
    let id_path = path.key("id");
    let id = PhaseId::parse(&raw.id.value).map_err(|error| raw.id.wrong(&id_path, error.to_string()))?;
    if !id.is_gated() {
        return Err(raw.id.wrong(&id_path, format!("`{id}` is reserved for an end of the rollout")));
    }
    let audience = parse_percent(&raw.audience.value.0).filter(|percent| *percent > 0.0 && *percent <= 100.0);
    let audience_percent = audience.ok_or_else(|| {
        let message = format!(
            "expected a share above 0 and at most 100%, such as 5%, found `{}`",
            raw.audience.value.0
        );
        raw.audience.wrong(&path.key("audience"), message)
    })?;
    Ok(PhasePolicy {
        id,
        name: text(&raw.name, &path.key("name"))?,
        audience_percent,
        thresholds: thresholds(&raw.thresholds, metrics, &path.key("thresholds"))?,
        advance: advance(&raw.advance, &path.key("advance"))?,
    })
}

fn thresholds(
    raw: &At<Entries<Threshold>>,
    metrics: &[MetricPolicy],
    path: &Path,
) -> Checked<BTreeMap<String, f64>> {
    let mut thresholds = BTreeMap::new();
    for (name, threshold) in &raw.value.0 {
        let path = path.key(name);
        let unit = known_metric(name, threshold, metrics, &path)?.display;
        let value = parse_threshold(&threshold.value.0, unit).ok_or_else(|| {
            let form = threshold_form(unit);
            threshold.wrong(&path, format!("expected {form}, found `{}`", threshold.value.0))
        })?;
        thresholds.insert(name.clone(), value);
    }
    match metrics.iter().find(|metric| !thresholds.contains_key(&metric.name)) {
        Some(metric) => Err(raw.wrong(path, format!("the metric `{}` is missing", metric.name))),
        None => Ok(thresholds),
    }
}

fn advance(raw: &At<RawAdvance>, path: &Path) -> Checked<Advance> {
    let advance = &raw.value;
    let condition = match (&advance.compliant_batches, &advance.compliant_for) {
        (Some(batches), None) => {
            AdvanceCondition::CompliantBatches(whole(batches, 1, &path.key("compliant_batches"))?)
        }
        (None, Some(time)) => AdvanceCondition::CompliantFor(positive(time, &path.key("compliant_for"))?),
        _ => return Err(raw.wrong(path, "expected exactly one of `compliant_batches` and `compliant_for`")),
    };
    let optional = |raw: &Option<At<Whole>>, key: &str| {
        raw.as_ref().map(|raw| whole(raw, 0, &path.key(key))).transpose()
    };
    Ok(Advance {
        condition,
        critical_alerts: optional(&advance.critical_alerts, "critical_alerts")?,
        incident_notifications: optional(&advance.incident_notifications, "incident_notifications")?,
        approvals: names(&advance.approvals, &path.key("approvals"))?,
    })
}

/// A whole number of at least `least`.
pub(super) fn whole(raw: &At<Whole>, least: u64, path: &Path) -> Checked<u64> {
    let text = &raw.value.0;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u64>().ok().filter(|number| digits && *number >= least && *number < 1 << 53);
    number.ok_or_else(|| raw.wrong(path, format!("expected a whole number from {least} on, found `{text}`")))
}
