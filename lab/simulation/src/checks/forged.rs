//! What somebody made up (OP-4).

use super::Findings;
use crate::facts::Facts;
use crate::forger::POLICY;

/// No decision that was made up is kept, and none is made on a batch of a stay that never was.
pub(super) fn is_not_believed(facts: &Facts) -> Findings {
    let made_up = facts.received.iter().filter(|it| it.decision.policy_version == POLICY);
    let mut found: Findings =
        made_up.map(|it| format!("a decision of epoch {} was made up", it.decision.epoch)).collect();
    let newest = facts.target.as_ref().map_or(0, |it| it.epoch);
    let judged = facts.decided.iter().filter(|it| it.epoch > newest);
    found.extend(judged.map(|it| format!("{} was judged in epoch {}, which never was", it.window, it.epoch)));
    found
}
