//! `gate`: how metrics are judged.

use schemars::JsonSchema;
use serde::Deserialize;
use shared_types::decision::ViolationAction;

use crate::policy::at::{At, Entries};
use crate::policy::check::{Checked, Path};
use crate::policy::diff::changes::Changes;
use crate::policy::forms::{Ratio, Whole, whole};
use crate::policy::units::parse_ratio;
use crate::story::figures::format_number;

/// How metrics are judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawGate {
    /// A warning is due above this part of a threshold; between 0 and 1.
    warn_ratio: At<Ratio>,
    /// With fewer saves than this, quantiles and ratios of a batch are `insufficient`.
    min_samples: At<Whole>,
    /// What each metric's violation leads to: `rollback`, `page` (an incident, no rollback) or `hold` (blocks promotion).
    // Kept with each metric, see `metrics::check`.
    pub(super) on_violation: At<Entries<ViolationAction>>,
}

pub(crate) const EXAMPLE: &str = "\
gate:
  warn_ratio: 80%
  min_samples: 50
  on_violation: { pay_latency_p95: rollback, error_rate: rollback, lost_carts: page, collector_latency: hold }
";

#[derive(Debug, Clone, PartialEq)]
pub struct GatePolicy {
    /// 0 < ratio < 1.
    pub warn_ratio: f64,
    pub min_samples: u64,
}

pub(crate) fn check(raw: &RawGate, path: &Path) -> Checked<GatePolicy> {
    let ratio = parse_ratio(&raw.warn_ratio.value.0).filter(|ratio| *ratio > 0.0 && *ratio < 1.0);
    let warn_ratio = ratio.ok_or_else(|| {
        let found = &raw.warn_ratio.value.0;
        let message = format!("expected a ratio between 0 and 1, such as 0.8 or 80%, found `{found}`");
        raw.warn_ratio.wrong(&path.key("warn_ratio"), message)
    })?;
    let min_samples = whole(&raw.min_samples, 0, &path.key("min_samples"))?;
    Ok(GatePolicy { warn_ratio, min_samples })
}

pub(crate) fn diff(place: &str, old: &GatePolicy, new: &GatePolicy, list: &mut Changes) {
    let GatePolicy { warn_ratio, min_samples } = new;
    let percent = |ratio: f64| format!("{}%", format_number(Some(ratio * 100.0)));
    list.more_is_looser(place, "warn_ratio", old.warn_ratio, *warn_ratio, percent);
    list.more_is_looser(place, "min_samples", old.min_samples, *min_samples, |it| it.to_string());
}
