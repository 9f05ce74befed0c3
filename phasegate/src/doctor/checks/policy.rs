//! The policy here can be read and protects, and it is the one in force.

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem, counted};

pub(super) const CHECK: Check = Check {
    name: "policy",
    title: "the policy can be read and is the one in force",
    look: |ask| Box::pin(look(ask)),
};

async fn look(ask: &Ask) -> Looked {
    let mut problems = Vec::new();
    for peer in ask.peers() {
        if let Some(check) = peer.complains("policy").await {
            let said = format!("{}: {}", peer.name, check.detail.as_deref().unwrap_or_default());
            let remedy = "correct the file: `phasegate policy check` says all that is wrong; the version before stays in force";
            problems.push(Problem::failed(said, remedy));
        }
    }
    let in_force = ask.reporter.policy().await.ok().flatten();
    let place = ask.place.policy.display();
    let figure = match &ask.policy {
        Err(wrong) => {
            problems.push(if ask.place.policy.exists() {
                Problem::failed(wrong.clone(), "`phasegate policy check` says all that is wrong")
            } else {
                Problem::not_checked(
                    format!("{place} is not here"),
                    "say where it is with --policy, or run it where the services run",
                )
            });
            "not read".to_owned()
        }
        Ok(policy) => {
            if let Some(theirs) = in_force.filter(|it| it.version != policy.version) {
                problems.push(Problem::warning(
                    format!(
                        "{place} is {}, in force is {}",
                        short(&policy.version),
                        short(&theirs.version)
                    ),
                    "is it the file that the services read? if it was just changed, wait a few seconds and look again",
                ));
            }
            let known = if in_force.is_some() { ", in force" } else { "" };
            format!("{place}, {}, {}{known}", short(&policy.version), counted(policy.targets.len(), "target"))
        }
    };
    Looked::wrong(figure, problems)
}

/// Enough of a hash for a person.
pub(super) fn short(version: &str) -> &str {
    version.get(..("sha256:".len() + 12)).unwrap_or(version)
}
