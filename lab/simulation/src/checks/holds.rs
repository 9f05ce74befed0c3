//! What keeps a rollback from starting by itself, against the rows of the audit log: a freeze, and the budget. A spent budget
//! keeps everything from moving up, too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use shared_types::{AuditEntry, Timestamp};

use super::Findings;
use super::approvals::changed_to;
use crate::facts::Facts;

const SOONER: Duration = Duration::from_secs(900);

/// Acts of people that start a rollback whatever holds others back.
const BY_HAND: [&str; 4] = ["rollout.abort", "rollout.rollback", "review.decided", "command.retried"];

/// Transitions that people asked for by hand.
pub(super) fn by_hand(facts: &Facts) -> BTreeSet<&str> {
    let rows = facts.audit.iter().filter(|row| BY_HAND.contains(&row.action.as_str()));
    rows.flat_map(|row| [changed_to(row, "transition").and_then(Value::as_str), row.subject.as_deref()])
        .flatten()
        .collect()
}

fn started(row: &AuditEntry) -> Option<&str> {
    row.subject.as_deref().filter(|_| row.action == "command.started")
}

/// While a target is frozen no command is started for it but by hand. One that had started goes to its end, also where its
/// worker was killed and another starts it anew.
pub(super) fn frozen_stands_still(facts: &Facts) -> Findings {
    let (mut found, mut frozen, by_hand) = (Vec::new(), false, by_hand(facts));
    let mut running = BTreeSet::new();
    for row in &facts.audit {
        match (row.action.as_str(), row.subject.as_deref()) {
            ("rollout.freeze", _) => frozen = true,
            ("rollout.unfreeze", _) => frozen = false,
            ("command.attempt_failed", Some(id)) => {
                running.remove(id);
            }
            ("command.started", Some(id)) => {
                if frozen && !by_hand.contains(id) && !running.contains(id) {
                    found.push(format!("row {} starts {id} for a frozen target at {}", row.seq, row.at));
                }
                running.insert(id);
            }
            _ => {}
        }
    }
    found
}

/// No more rollbacks start by themselves than the budget has, wherever one looks. Only where the clocks agree.
pub(super) fn budget_is_kept(facts: &Facts) -> Findings {
    let times = by_themselves(facts);
    let most = most(facts);
    let within = |at: &Timestamp| count(&times, *at, facts.policy.transitions.budget.per);
    let spent = times.iter().filter(|at| within(at) > most);
    spent.map(|at| format!("at {at} {} rollbacks have started by themselves", within(at))).collect()
}

/// PH-11: nobody raises exposure while the guard may not act. Only where the clocks agree.
pub(super) fn spent_budgets_block(facts: &Facts) -> Findings {
    let times = by_themselves(facts);
    let moves = ["rollout.start", "rollout.promote"];
    let rows = facts.audit.iter().filter(|row| moves.contains(&row.action.as_str()));
    // The oldest counts from when it was asked for, which is a little before its command started.
    let per = facts.policy.transitions.budget.per - SOONER;
    let spent = rows.filter(|row| count(&times, row.at, per) >= most(facts));
    spent.map(|row| format!("row {} moves up at {} on a spent budget", row.seq, row.at)).collect()
}

fn most(facts: &Facts) -> usize {
    usize::try_from(facts.policy.transitions.budget.automatic_rollbacks).unwrap_or(usize::MAX)
}

fn count(times: &[Timestamp], at: Timestamp, per: Duration) -> usize {
    times.iter().filter(|it| **it <= at && it.plus(per) > at).count()
}

/// When rollbacks started by themselves; none, where the clocks do not agree.
fn by_themselves(facts: &Facts) -> Vec<Timestamp> {
    if !facts.spec.spread().is_zero() {
        return Vec::new();
    }
    let commands = facts.effects.iter().filter(|(_, it)| it.kind == "RunTransition");
    let rollbacks = commands.filter(|(_, it)| it.payload["kind"] == "rollback");
    let epochs: BTreeMap<&str, Option<u64>> = rollbacks
        .filter_map(|(_, it)| Some((it.payload["transition"].as_str()?, it.payload["epoch"].as_u64())))
        .collect();
    let (by_hand, mut seen) = (by_hand(facts), BTreeSet::new());
    let (mut times, mut running) = (Vec::new(), None);
    for row in &facts.audit {
        if let Some(id) = started(row) {
            // One that starts again has another id, and the same epoch.
            running = Some(id).filter(|id| !by_hand.contains(id)).and_then(|id| epochs.get(id));
            if running.is_some_and(|epoch| seen.insert(epoch)) {
                times.push(row.at);
            }
        }
        // What a freeze takes back was not made by itself, if a person makes it then.
        let taken_back = row.detail["changed"]["stage"] == json!(["rolling_back", "waiting"]);
        if taken_back && running.take().is_some_and(|epoch| seen.remove(epoch)) {
            times.pop();
        }
    }
    times
}
