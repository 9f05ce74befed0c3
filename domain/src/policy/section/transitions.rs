//! `transitions`: how a phase is changed, and what follows a rollback.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::budget::{self, RawBudget, RollbackBudget};
use super::collection::Collection;
use super::command::{self, RawCommand};
use crate::policy::at::At;
use crate::policy::check::{Checked, Path};
use crate::policy::diff::changes::{Changes, Effect, times};
use crate::policy::forms::{Dur, positive, retry, window};
use crate::policy::units::format_duration;

/// How a phase is changed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTransitions {
    /// Run to go one phase down.
    rollback: RawCommand,
    /// Run to go one phase up.
    promote: RawCommand,
    /// A command whose output must be the phase that is now served; null: not read back.
    verify: Option<RawCommand>,
    /// How long a command may run before it and its children are ended.
    timeout: At<Dur>,
    /// Waits before each retry of a command that failed; after the last, the incident escalates.
    retry: Vec<At<Dur>>,
    /// What follows a rollback.
    recovery: RawRecovery,
    /// How many rollbacks may start by themselves; without it 6 per 24h.
    budget: Option<RawBudget>,
}

/// The watch after a rollback.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawRecovery {
    /// How long every batch must be compliant for the incident to be recovered.
    watch: At<Dur>,
    /// Length of a window during the watch; at least 1 s, longer than `grace`, at most the watch.
    cadence: At<Dur>,
}

pub(crate) const EXAMPLE: &str = r#"transitions:
  rollback: { command: [flags, set, "{target}", --phase, "{prev}"] }
  promote: { command: [flags, set, "{target}", --phase, "{next}"] }
  verify: { command: [flags, get, "{target}"] }
  timeout: 60s
  retry: [30s, 60s, 120s, 240s]
  recovery: { watch: 30m, cadence: 5m }
  budget: { automatic_rollbacks: 6, per: 24h }
"#;

#[derive(Debug, Clone, PartialEq)]
pub struct Transitions {
    /// Argument vectors with placeholders `{target} {phase} {prev} {next} {audience} {incident} {reason}`.
    pub rollback: Vec<String>,
    pub promote: Vec<String>,
    /// A command whose trimmed output must be the phase now served.
    pub verify: Option<Vec<String>>,
    pub timeout: Duration,
    pub retry: Vec<Duration>,
    pub recovery_watch: Duration,
    pub recovery_cadence: Duration,
    pub budget: RollbackBudget,
}

pub(crate) fn check(raw: &RawTransitions, collection: &Collection, path: &Path) -> Checked<Transitions> {
    let recovery = path.key("recovery");
    let recovery_watch = positive(&raw.recovery.watch, &recovery.key("watch"))?;
    let cadence_path = recovery.key("cadence");
    let recovery_cadence = window(&raw.recovery.cadence, &cadence_path)?;
    if recovery_cadence <= collection.grace || recovery_cadence > recovery_watch {
        let found = &raw.recovery.cadence.value.0;
        let message = format!("expected more than `collection.grace` and at most the watch, found `{found}`");
        return Err(raw.recovery.cadence.wrong(&cadence_path, message));
    }
    let verify = raw.verify.as_ref().map(|raw| command::check(raw, &path.key("verify"))).transpose()?;
    Ok(Transitions {
        rollback: command::check(&raw.rollback, &path.key("rollback"))?,
        promote: command::check(&raw.promote, &path.key("promote"))?,
        verify,
        timeout: positive(&raw.timeout, &path.key("timeout"))?,
        retry: retry(&raw.retry, &path.key("retry"))?,
        recovery_watch,
        recovery_cadence,
        budget: raw
            .budget
            .as_ref()
            .map(|raw| budget::check(raw, &path.key("budget")))
            .transpose()?
            .unwrap_or_default(),
    })
}

pub(crate) fn diff(place: &str, old: &Transitions, new: &Transitions, list: &mut Changes) {
    let Transitions { rollback, promote, verify, timeout, retry, recovery_watch, recovery_cadence, budget } =
        new;
    let words = command::words;
    list.text(place, "rollback command", &words(&old.rollback), &words(rollback));
    list.text(place, "promote command", &words(&old.promote), &words(promote));
    match (&old.verify, verify) {
        (Some(_), None) => {
            list.add(place, "verify is left out: moves are not read back any more", Effect::Looser);
        }
        (None, Some(new)) => list.add(place, format!("verify is new: {}", words(new)), Effect::Stricter),
        (Some(old), Some(new)) => list.text(place, "verify command", &words(old), &words(new)),
        (None, None) => {}
    }
    list.time(place, "command timeout", old.timeout, *timeout);
    list.text(place, "command retry", &times(&old.retry), &times(retry));
    list.less_is_looser(place, "recovery watch", old.recovery_watch, *recovery_watch, format_duration);
    list.time(place, "recovery cadence", old.recovery_cadence, *recovery_cadence);
    budget::diff(place, old.budget, *budget, list);
}
