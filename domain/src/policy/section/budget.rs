//! `transitions.budget`: how many rollbacks may start by themselves.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::at::At;
use crate::policy::check::{Checked, Path, WrongPlaces};
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
pub(crate) fn check(raw: &RawBudget, path: &Path, wrong: &mut WrongPlaces) -> Option<RollbackBudget> {
    let automatic_rollbacks = wrong.note(number(&raw.automatic_rollbacks, &path.key("automatic_rollbacks")));
    let per = wrong.note(positive(&raw.per, &path.key("per")));
    Some(RollbackBudget { automatic_rollbacks: automatic_rollbacks?, per: per? })
}

fn number(raw: &At<Whole>, path: &Path) -> Checked<u64> {
    const MOST: u64 = 1000;
    let number = whole(raw, 1, path)?;
    if number <= MOST {
        return Ok(number);
    }
    Err(raw.wrong(path, format!("expected at most {MOST}, found `{number}`")))
}

pub(crate) fn diff(place: &str, old: RollbackBudget, new: RollbackBudget, list: &mut Changes) {
    let RollbackBudget { automatic_rollbacks, per } = new;
    let number = |it: u64| it.to_string();
    list.less_is_looser(place, "automatic rollbacks", old.automatic_rollbacks, automatic_rollbacks, number);
    list.more_is_looser(place, "automatic rollbacks are counted per", old.per, per, format_duration);
}
