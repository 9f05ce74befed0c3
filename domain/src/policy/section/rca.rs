//! `rca`: the root cause analysis that is asked for after an incident.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::at::At;
use crate::policy::check::{Path, WrongPlaces};
use crate::policy::diff::changes::Changes;
use crate::policy::forms::{Dur, name, positive};
use crate::story::figures::format_duration;

/// What is asked for after an incident.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRca {
    /// How long after its opening an incident's root cause analysis must be there.
    due: At<Dur>,
    /// The role that confirms it.
    pub(in crate::policy) approver: At<String>,
    /// What happens when it is overdue.
    overdue: RawOverdue,
}

/// What happens when the root cause analysis is overdue.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawOverdue {
    /// What the review that then opens recommends.
    propose: At<RawProposal>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RawProposal {
    /// One phase back.
    Rollback,
}

pub(crate) const EXAMPLE: &str = "rca: { due: 24h, approver: governance, overdue: { propose: rollback } }
";

#[derive(Debug, Clone, PartialEq)]
pub struct RcaPolicy {
    pub due: Duration,
    pub approver: String,
    /// What an overdue RCA proposes; only `rollback` is known.
    pub overdue_proposes_rollback: bool,
}

pub(crate) fn check(raw: &RawRca, path: &Path, wrong: &mut WrongPlaces) -> Option<RcaPolicy> {
    let due = wrong.note(positive(&raw.due, &path.key("due")));
    let approver = wrong.note(name(&raw.approver, &path.key("approver")));
    Some(RcaPolicy {
        due: due?,
        approver: approver?,
        overdue_proposes_rollback: matches!(raw.overdue.propose.value, RawProposal::Rollback),
    })
}

pub(crate) fn diff(place: &str, old: &RcaPolicy, new: &RcaPolicy, list: &mut Changes) {
    let RcaPolicy { due, approver, overdue_proposes_rollback } = new;
    list.more_is_looser(place, "RCA due after", old.due, *due, format_duration);
    list.text(place, "RCA approver", &old.approver, approver);
    list.less_is_looser(
        place,
        "an overdue RCA proposes a rollback:",
        old.overdue_proposes_rollback,
        *overdue_proposes_rollback,
        |it| it.to_string(),
    );
}
