//! A flag that somebody set by hand (RB-11), against the audit log and what was told.

use domain::rollout::Drift;
use domain::rollout::state::Stage;
use serde_json::Value;

use super::Findings;
use super::approvals::changed_to;
use crate::facts::Facts;

/// Who is asked last has to know of it, people were told, and nothing moved up meanwhile.
pub(super) fn is_told_and_blocks(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let told = facts.notifications.iter().any(|it| it.kind == "drifted");
    let standing = facts.books.tampered.last().filter(|it| it.ended.is_none()).map(|it| &it.phase);
    // What a lost past has set is as strange to the record, where it can be read back.
    let left = facts.books.flag.as_ref().filter(|_| facts.books.unaware && facts.spec.weighs);
    if let (Some(served), Some(target)) = (standing.or(left), &facts.target) {
        let at_rest = matches!(target.stage, Stage::Idle | Stage::RollbackFailed(_));
        let differs = !facts.policy.served_alike(&target.phase).contains(served);
        let known = target.served.drift.as_ref().is_some_and(|it| it.served == served.as_str());
        if target.epoch > 0 && at_rest && differs && !(known && told) {
            found.push(format!("{served} is served in place of {}, and nobody was told", target.phase));
        }
    }
    // Without faults a while is enough.
    if facts.spec.calm && !facts.books.tampered.is_empty() && !told {
        found.push("a flag was set by hand, and nobody was told".to_owned());
    }
    let mut drifted = false;
    for row in &facts.audit {
        if let Some(served) = changed_to(row, "served") {
            drifted = served["drift"].is_object();
        }
        if drifted && changed_to(row, "stage").and_then(Value::as_str) == Some("promoting") {
            found.push(format!("row {} begins a move up on a drift", row.seq));
        }
    }
    found.extend(facts.incidents.iter().filter_map(|(incident, _)| {
        let over = facts.target.as_ref().is_none_or(|it| it.served.drift.is_none());
        let open = facts.target.as_ref().and_then(|it| it.incident.as_ref()) == Some(&incident.id);
        (Drift::is_subject(&incident.subject) && incident.notice && open && over)
            .then(|| format!("{} is open, and its drift is over", incident.id))
    }));
    found
}
