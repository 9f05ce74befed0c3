//! A reporter that was put back to an earlier moment, and gone on from by a person's word (OP-3).

use std::collections::BTreeSet;

use domain::rollout::Incident;
use serde_json::Value;
use shared_types::AuditEntry;

use super::Findings;
use super::approvals::changed_to;
use crate::facts::Facts;
use crate::past::Past;
use crate::spec::Script;

/// What a text says of a rollback that nobody can make any more.
const LOST: &str = "had to be rolled back; the restored store knows";

/// Where a person went on from the store, among the rows of the audit log.
fn accepted(facts: &Facts) -> Option<(&Past, usize)> {
    let past = facts.past.as_ref()?;
    Some((past, facts.audit.iter().position(|row| row.action == "store.accepted")?))
}

/// Epochs, directives, incidents and pages: none has a number that one of the lost past had.
pub(super) fn numbers_are_new(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let Some((past, at)) = accepted(facts) else {
        found.extend(facts.past.as_ref().map(|_| "nobody went on from the restored store".to_owned()));
        return found;
    };
    let epoch = changed_to(&facts.audit[at], "epoch").and_then(Value::as_u64);
    if epoch.is_none_or(|epoch| epoch <= past.target.epoch) {
        found.push(format!("epoch {epoch:?} begins where {} had begun before", past.target.epoch));
    }
    let sequence = facts.target.as_ref().and_then(|it| it.directive.as_ref()).map(|it| it.sequence);
    let told = past.target.directive.as_ref().map(|it| it.sequence);
    if sequence <= told {
        found.push(format!("directive {sequence:?} is the newest, where {told:?} had been told before"));
    }
    let keys: BTreeSet<&str> = past.books.paged.iter().map(|it| it.dedup_key.as_str()).collect();
    let is = |one: &Incident, other: &Incident| one.id == other.id && one.opened_at == other.opened_at;
    let new = facts.incidents.iter().map(|(it, _)| it);
    for incident in new.filter(|it| !past.incidents.iter().any(|known| is(it, known))) {
        let opens = |row: &AuditEntry| {
            changed_to(row, "open_incident").and_then(Value::as_str) == Some(incident.id.as_str())
        };
        let is_later = facts.audit.iter().skip(at + 1).any(opens);
        if is_later && past.incidents.iter().any(|known| known.id == incident.id) {
            found.push(format!("{} was another incident before", incident.id));
        }
        if keys.contains(incident.dedup_key().as_str()) {
            found.push(format!("{} is paged by a key of an incident before it", incident.id));
        }
    }
    found
}

/// DE-5: what was required in a stay that is lost is not taken for stale without a word. What is made of it is seen where every
/// required rollback is.
pub(super) fn rollbacks_are_not_lost(facts: &Facts) -> Findings {
    let of_lost = facts.received.iter().filter(|it| facts.is_lost(it.decision.epoch));
    let passed = of_lost.filter(|it| it.stale && it.decision.rollback_required).map(|it| &it.decision);
    let paged = facts.books.paged.iter().any(|it| it.text.contains(LOST));
    let dead = facts.notifications.iter().any(|it| it.kind == "store_behind" && it.text.contains(LOST));
    passed
        .filter(|_| !paged && !dead)
        .map(|it| {
            format!(
                "{} asked for a rollback in epoch {}, which is lost, and nobody was told",
                it.window, it.epoch
            )
        })
        .collect()
}

/// From when a neighbour was found ahead until a person has decided; people are told.
pub(super) fn nothing_moves_up_behind(facts: &Facts) -> Findings {
    let (mut found, mut behind, mut times) = (Vec::new(), false, 0);
    for row in &facts.audit {
        if let Some(now) = changed_to(row, "behind") {
            behind = now.is_object();
            times += usize::from(behind);
        }
        if behind && ["rollout.start", "rollout.promote"].contains(&row.action.as_str()) {
            found.push(format!("row {} moves up on a past that is lost", row.seq));
        }
    }
    let told = facts.notifications.iter().filter(|it| it.kind == "store_behind" && !it.text.contains(LOST));
    let told = told.map(|it| &it.channel).collect::<BTreeSet<_>>().len();
    if times > 0 && told < 2 {
        found.push(format!("the store was behind, and people were told in {told} ways"));
    }
    if times == 0 && facts.spec.script == Script::Restore {
        found.push("the store was behind, and nobody noticed".to_owned());
    }
    found
}
