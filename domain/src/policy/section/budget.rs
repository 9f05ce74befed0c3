//! `transitions.budget`: how many rollbacks may start by themselves.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::at::At;
use crate::policy::check::{Checked, Path};
use crate::policy::diff::changes::Changes;
use crate::policy::forms::{Dur, Whole, positive, whole};
use crate::story::figures::format_duration;

/// How many rollbacks may start by themselves in how much time. The next one waits, and a person is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBudget {
    /// So many; from 1 to 1000.
    automatic_rollbacks: At<Whole>,
    /// In so much time, counted back from now.
    per: At<Dur>,
}

/// How many rollbacks may start by themselves in how much time; the next one waits and a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollbackBudget {
    /// At least 1.
    pub automatic_rollbacks: u64,
    pub per: Duration,
}

impl Default for RollbackBudget {
    /// Six a day: two incidents that each go from the last phase down to `off`.
    fn default() -> Self {
        Self { automatic_rollbacks: 6, per: Duration::from_secs(24 * 60 * 60) }
    }
}

/// The times of that many rollbacks are remembered, so the number has a bound.
pub(crate) fn check(raw: &RawBudget, path: &Path) -> Checked<RollbackBudget> {
    const MOST: u64 = 1000;
    let number_path = path.key("automatic_rollbacks");
    let automatic_rollbacks = whole(&raw.automatic_rollbacks, 1, &number_path)?;
    if automatic_rollbacks > MOST {
        let message = format!("expected at most {MOST}, found `{automatic_rollbacks}`");
        return Err(raw.automatic_rollbacks.wrong(&number_path, message));
    }
    Ok(RollbackBudget { automatic_rollbacks, per: positive(&raw.per, &path.key("per"))? })
}

pub(crate) fn diff(place: &str, old: RollbackBudget, new: RollbackBudget, list: &mut Changes) {
    let RollbackBudget { automatic_rollbacks, per } = new;
    let number = |it: u64| it.to_string();
    list.less_is_looser(place, "automatic rollbacks", old.automatic_rollbacks, automatic_rollbacks, number);
    list.more_is_looser(place, "automatic rollbacks are counted per", old.per, per, format_duration);
}
