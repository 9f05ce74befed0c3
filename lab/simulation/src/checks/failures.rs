//! Moves that fail, wait or are cut short, against the audit log and what was told (PH-10, PH-11, RB-12).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use shared_types::decision::Cause;
use shared_types::rollout::TransitionKind;
use shared_types::{AuditEntry, Epoch, Timestamp};

use super::Findings;
use super::approvals::changed_to;
use crate::facts::Facts;

/// Until a text has left.
const PATIENCE: Duration = Duration::from_secs(600);

/// Transitions by which people take a rollout back at once.
pub(super) fn aborts(facts: &Facts) -> BTreeSet<&str> {
    let rows = facts.audit.iter().chain(facts.past.iter().flat_map(|it| &it.audit));
    rows.filter(|row| row.action == "rollout.abort")
        .filter_map(|row| changed_to(row, "transition").and_then(Value::as_str))
        .collect()
}

/// PH-11: one transition, whatever phase it begins in, and whatever it overtakes.
pub(super) fn aborts_end_at_off(facts: &Facts) -> Findings {
    let aborts = aborts(facts);
    let moved = facts.histories().flat_map(|it| &it.moved);
    let moved = moved.filter(|it| aborts.contains(it.transition.as_str()));
    moved
        .filter(|it| !it.after.is_off())
        .map(|it| format!("{} was taken back at once, and {} is served", it.from, it.after))
        .collect()
}

/// PH-10: each move up that was given up is a text of its own.
pub(super) fn failed_moves_are_told(facts: &Facts) -> Findings {
    let promotions: BTreeSet<&str> = facts
        .effects
        .iter()
        .filter(|(_, it)| {
            it.kind == "RunTransition" && it.payload["kind"] == TransitionKind::Promote.as_str()
        })
        .filter_map(|(_, it)| it.payload["transition"].as_str())
        .collect();
    let failed = facts.audit.iter().filter(|row| {
        let of_a_promotion = row.subject.as_deref().is_some_and(|it| promotions.contains(it));
        // One that a rollback had overtaken is no failure any more.
        let stood =
            row.detail["hops"].as_array().is_some_and(|hops| hops.iter().any(|it| it == "move_failed"));
        let rejected = changed_to(row, "stage").and_then(Value::as_str) == Some("idle");
        row.action == "command.failed" && of_a_promotion && (stood || rejected)
    });
    let (failed, told) = (
        failed.filter(|row| row.at.plus(PATIENCE + facts.spec.spread()) < facts.end).count(),
        facts.notifications.iter().filter(|it| it.kind == "move_failed").count(),
    );
    let missing = told < failed;
    missing.then(|| format!("{failed} moves up failed, {told} texts tell of it")).into_iter().collect()
}

/// RB-12: the phase that is still served is collected and judged.
pub(super) fn are_measured_on(facts: &Facts) -> Findings {
    if !facts.spec.spread().is_zero() {
        return Vec::new();
    }
    let directives: BTreeMap<u64, (Timestamp, bool)> = facts
        .effects
        .iter()
        .filter_map(|(_, it)| {
            let told = it.payload.get("directive")?;
            Some((told["sequence"].as_u64()?, (it.enqueued_at, told["collect"].as_bool()?)))
        })
        .collect();
    let stands = |row: &&AuditEntry| {
        changed_to(row, "stage").is_some_and(|it| it == "rollback_failed" || it == "waiting")
    };
    let mut found = Vec::new();
    for row in facts.audit.iter().filter(stands) {
        let newest = directives.values().rev().find(|(at, _)| *at <= row.at);
        if newest.is_some_and(|(_, collect)| !collect) {
            found.push(format!(
                "row {} leaves a rollback undone at {}, and nobody measures on",
                row.seq, row.at
            ));
        }
    }
    found
}

/// PH-8: a window that ended before a stay began was of the one before, however late its absence is noticed. Only where the
/// clocks agree.
pub(super) fn silence_is_of_its_stay(facts: &Facts) -> Findings {
    if !facts.spec.spread().is_zero() {
        return Vec::new();
    }
    let entered = |row: &AuditEntry| Some((changed_to(row, "epoch")?.as_u64()?, row.at));
    let began: BTreeMap<Epoch, Timestamp> = facts.audit.iter().filter_map(entered).collect();
    // The number of a lost one may be that of one by hand, before a person goes on.
    let silent = facts.decided.iter().filter(|it| it.cause != Cause::Slo && !facts.is_lost(it.epoch));
    silent
        .filter(|it| began.get(&it.epoch).is_some_and(|began| it.window.end <= *began))
        .map(|it| format!("{} is missed in epoch {}, which began later", it.window, it.epoch))
        .collect()
}
