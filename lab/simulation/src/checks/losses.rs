//! What is given up is told in another way, once (NO-7).

use std::time::Duration;

use domain::effects::RunTransition;
use domain::stored::Document as _;

use super::Findings;
use crate::facts::Facts;
use crate::replica::Service;

/// Until a tick has found it, whoever is there then.
const PATIENCE: Duration = Duration::from_secs(600);

/// Each effect of the reporter that died is one row of the audit log, which is written with the notice that tells of it.
pub(super) fn are_told(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let dead =
        facts.effects.iter().filter(|(service, it)| *service == Service::Reporter && it.state == "dead");
    for (_, it) in dead.filter(|(_, it)| it.kind != RunTransition::KIND && it.payload["target"].is_string()) {
        let young = it.finished_at.is_none_or(|at| at.plus(PATIENCE + facts.spec.spread()) > facts.end);
        let rows = facts.audit.iter().filter(|row| row.action == "effect.given_up");
        let rows = rows.filter(|row| row.subject.as_deref() == Some(&it.id)).count();
        if rows > 1 || rows == 0 && !young {
            found.push(format!("{} to {} died and was told {rows} times", it.kind, it.lane));
        }
    }
    found
}
