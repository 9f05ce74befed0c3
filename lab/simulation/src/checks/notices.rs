//! What pages and is not the feature's doing (JU-17), against the order of the audit log.

use domain::rollout::Drift;
use serde_json::Value;
use shared_types::Decision;
use shared_types::decision::Cause;
use shared_types::story::HopKind;

use super::Findings;
use super::approvals::changed_to;
use super::audit::first;
use crate::facts::Facts;

/// It closes with the first compliant window that is heard of after it was opened, in its stay or one that a move by hand began, or
/// once nobody is served any more; and neither reminds of a cause nor opens a review.
pub(super) fn close_by_themselves(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    for (incident, timeline) in facts
        .incidents
        .iter()
        .filter(|(incident, _)| incident.notice && !Drift::is_subject(&incident.subject))
    {
        let id = incident.id.as_str();
        let asks = [HopKind::RcaReminded, HopKind::ReviewOpened];
        let asks = timeline.iter().any(|it| asks.iter().any(|kind| it.hop.is(*kind)));
        if asks || incident.review.is_some() {
            found.push(format!("{id} is a notice, and a cause is asked for"));
        }
        let opens = |row| changed_to(row, "open_incident").and_then(Value::as_str) == Some(id);
        let Some(opened) = facts.audit.iter().position(opens) else { continue };
        let compliant = |subject: &str| {
            let of = |decision: &Decision| {
                let compliant = decision.cause == Cause::Slo && decision.verdict.is_compliant();
                compliant && decision.epoch >= incident.epoch && decision.decision_id.to_string() == subject
            };
            facts.received.iter().any(|it| !it.stale && of(&it.decision))
        };
        let ends = facts.audit.iter().enumerate().skip(opened + 1).find(|(_, row)| {
            let nobody = changed_to(row, "phase").and_then(Value::as_str) == Some("off");
            nobody || row.action == "decision.received" && row.subject.as_deref().is_some_and(compliant)
        });
        let closed = first(facts, id, HopKind::Closed);
        if closed != ends.map(|(at, _)| at) {
            let row = |at: Option<usize>| at.map(|at| facts.audit[at].seq);
            found.push(format!(
                "{id} is a notice; the next compliant window is in row {:?}, its end in row {:?}",
                row(ends.map(|(at, _)| at)),
                row(closed)
            ));
        }
    }
    found
}
