//! How each target stands, as the reporter says it.

use shared_types::standing::Severity;

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem, counted};

pub(super) const CHECK: Check =
    Check { name: "rollouts", title: "how each target stands", look: |ask| Box::pin(look(ask)) };

async fn look(ask: &Ask) -> Looked {
    let rollouts = match ask.rollouts().await {
        Ok(rollouts) => rollouts,
        Err(unasked) => return Looked::wrong("not asked", vec![unasked.problem()]),
    };
    let (mut problems, mut under_way) = (Vec::new(), 0);
    for rollout in rollouts {
        let Some(standing) = &rollout.standing else { continue };
        under_way += usize::from(standing.severity != Severity::Idle);
        let said = format!("{}: {}", rollout.target, standing.sentence);
        let see = || format!("`phasegate status --target {}`", rollout.target);
        let remedy = standing.action.clone().unwrap_or_else(see);
        match standing.severity {
            Severity::Critical => problems.push(Problem::failed(said, remedy)),
            Severity::Warning => problems.push(Problem::warning(said, remedy)),
            Severity::Asked | Severity::Ok | Severity::Idle => {}
        }
    }
    Looked::wrong(format!("{}, {under_way} under way", counted(rollouts.len(), "target")), problems)
}
