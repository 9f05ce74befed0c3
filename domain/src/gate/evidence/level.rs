//! A running sum of logarithms of likelihood ratios.

use serde::{Deserialize, Serialize};

/// ln of a likelihood ratio that has been summed up since a time nobody knows; nothing at all before the first window.
///
/// Rounded after each window to 1e-9, because `ln` differs in its last bit between platforms and a decision is made
/// again elsewhere from what it kept (JU-12).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Level(Option<f64>);

const ROUNDED_TO: f64 = 1e9;

impl Level {
    pub(super) const NONE: Self = Self(None);

    /// `ln(e^level + 1) + step`: the sum may have begun with any window, this one too.
    pub(super) fn after(self, step: f64) -> Self {
        // ln(e^m + 1), where e^m would not overflow: for m above 0 written as m + ln(1 + e^-m).
        let grown = self.0.map_or(0.0, |level| level.max(0.0) + (-level.abs()).exp().ln_1p());
        Self(Some(((grown + step) * ROUNDED_TO).round() / ROUNDED_TO))
    }

    pub(super) fn at_most(self, cap: f64) -> Self {
        Self(self.0.map(|level| level.min(cap)))
    }
}

/// As [`values`] says; what is not there has not begun.
pub(super) fn resume<const N: usize>(values: &[Option<f64>]) -> [Level; N] {
    std::array::from_fn(|index| Level(values.get(index).copied().flatten()))
}

/// m of each ratio.
pub(super) fn values(levels: &[Level]) -> Vec<Option<f64>> {
    levels.iter().map(|level| level.0).collect()
}

/// `ln(mean of e^level)`; `None` before the first window.
pub(super) fn mixture(levels: &[Level]) -> Option<f64> {
    let top = levels.iter().filter_map(|it| it.0).reduce(f64::max)?;
    let count = f64::from(u32::try_from(levels.len()).ok()?);
    let sum: f64 = levels.iter().filter_map(|it| it.0).map(|level| (level - top).exp()).sum();
    Some(top + (sum / count).ln())
}
