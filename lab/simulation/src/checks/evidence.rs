//! Moves up against what the audit log tells of checklists, read anew from its rows (EV-1 to EV-3, PH-5).

use std::collections::{BTreeMap, BTreeSet};

use domain::policy::EvidenceItem;
use serde_json::Value;
use shared_types::story::HopKind;

use super::Findings;
use super::approvals::changed_to;
use super::audit::{hops, is_about};
use crate::facts::Facts;

/// What an incident's rows have told so far.
#[derive(Default)]
struct Told<'a> {
    signed: BTreeSet<&'a str>,
    acknowledged: bool,
    confirmed: bool,
}

impl Told<'_> {
    /// Whether the item can be complete: signed, or seen by the system where its check suffices.
    fn completes(&self, item: &EvidenceItem) -> bool {
        self.signed.contains(item.item.as_str())
            || match item.item.as_str() {
                "pagerduty" => item.auto && self.acknowledged,
                "rca" => item.auto && self.confirmed,
                _ => false,
            }
    }
}

/// Nothing moves up, nor starts anew, before the checklist of every incident is complete, and no item is signed before
/// those that it stands upon. Of what stayed a notice none is asked.
pub(super) fn moves_are_proven(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let mut incidents: BTreeMap<&str, Told<'_>> = BTreeMap::new();
    for row in &facts.audit {
        for (id, told) in incidents.iter_mut().filter(|(id, _)| is_about(row, id)) {
            told.acknowledged |= hops(row, HopKind::Acknowledged) > 0;
            told.confirmed |= row.action == "rca.confirmed";
            let item =
                row.detail.get("item").and_then(Value::as_str).filter(|_| row.action == "evidence.signed");
            let known = facts.policy.evidence.iter().find(|it| Some(it.item.as_str()) == item);
            let Some((name, known)) = item.zip(known) else { continue };
            let before = facts.policy.evidence.iter().filter(|it| known.after.contains(&it.item));
            let open = before.filter(|it| !told.completes(it));
            found.extend(open.map(|it| format!("row {} signs {name} of {id} before {}", row.seq, it.item)));
            told.signed.insert(name);
        }
        if let "rollout.start" | "rollout.promote" = row.action.as_str() {
            for (id, told) in &incidents {
                let open = facts.policy.evidence.iter().filter(|it| !told.completes(it));
                found.extend(open.map(|it| format!("row {} moves up, {} of {id} is open", row.seq, it.item)));
            }
        }
        let notices = || facts.incidents.iter().map(|(it, _)| it).filter(|it| it.notice);
        if let Some(opened) = changed_to(row, "open_incident").and_then(Value::as_str)
            && !notices().any(|it| it.id.as_str() == opened)
        {
            incidents.entry(opened).or_default();
        }
    }
    found
}
