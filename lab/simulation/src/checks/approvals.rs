//! Moves up against the approvals that the audit log tells of, counted anew from its rows (PH-2 to PH-5).

use std::collections::BTreeSet;

use serde_json::Value;
use shared_types::{AuditEntry, PhaseId};

use super::Findings;
use crate::facts::Facts;

/// An approval as its row tells it.
struct Given<'a> {
    role: &'a str,
    by: &'a str,
    policy: &'a str,
}

/// Nothing moves up without every approval that its phase asks for, given since the phase was entered, under the policy
/// that was in force at the move, by different people, and not by whoever asked for the move alone.
pub(super) fn moves_are_approved(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let mut phase = PhaseId::off();
    let mut given: Vec<Given<'_>> = Vec::new();
    for row in &facts.audit {
        let (by, policy) = (text(row, "by"), text(row, "policy"));
        match row.action.as_str() {
            "rollout.approve" => given.push(Given { role: text(row, "role"), by, policy }),
            "rollout.withdraw" => {
                given.retain(|it| known_as(it.by) != known_as(by) || it.role != text(row, "role"));
            }
            "rollout.promote" => {
                let asked = facts.policy.phase(&phase).map(|it| it.advance.approvals.as_slice());
                let standing: Vec<&Given<'_>> = given.iter().filter(|it| it.policy == policy).collect();
                let lacks = lacking(asked.unwrap_or_default(), &standing, by);
                found.extend(lacks.map(|it| format!("{by} moved up from {phase} in row {}: {it}", row.seq)));
            }
            _ => {}
        }
        if let Some(to) = changed_to(row, "phase").and_then(Value::as_str) {
            phase = PhaseId::parse(to).unwrap_or_else(|_| PhaseId::off());
        }
        if changed_to(row, "epoch").is_some() {
            given.clear();
        }
    }
    found
}

fn lacking(asked: &[String], standing: &[&Given<'_>], requester: &str) -> Option<String> {
    let missing: Vec<&str> =
        asked.iter().map(String::as_str).filter(|role| !standing.iter().any(|it| it.role == *role)).collect();
    if !missing.is_empty() {
        return Some(format!("no approval by {}", missing.join(", ")));
    }
    let people: BTreeSet<String> = standing.iter().map(|it| known_as(it.by)).collect();
    let needed = asked.iter().collect::<BTreeSet<_>>().len();
    if people.len() < needed {
        return Some(format!("{needed} roles, and only {people:?} approved"));
    }
    (needed > 0 && people.iter().all(|person| *person == known_as(requester)))
        .then(|| "only they themselves approved".to_owned())
}

/// PH-3: how a name is written tells nobody apart. What people here write is plain letters, whatever else is between them.
fn known_as(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn text<'a>(row: &'a AuditEntry, name: &str) -> &'a str {
    row.detail.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// What the row says that this became.
pub(super) fn changed_to<'a>(row: &'a AuditEntry, name: &str) -> Option<&'a Value> {
    row.detail.get("changed")?.get(name)?.as_array()?.last()
}
