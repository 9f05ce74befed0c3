//! The three services are of one mind: the same policy, the same phase, epoch and sequence of every target.

use std::time::Duration;

use serde::Deserialize;
use shared_types::rollout::Rollout;
use shared_types::{Directive, Epoch};

use super::policy::short;
use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem, counted};
use crate::doctor::peer::Unasked;

pub(super) const CHECK: Check = Check {
    name: "neighbours",
    title: "the services go by one policy, and agree on phase, epoch and sequence",
    look: |ask| Box::pin(look(ask)),
};

/// What was just told may still be on its way.
const SETTLING: Duration = Duration::from_secs(2);

/// What the collector goes by.
#[derive(Debug, Deserialize)]
struct Told {
    directive: Option<Directive>,
}

/// What the analyzer decided last.
#[derive(Debug, Deserialize)]
struct Decided {
    epoch: Epoch,
}

async fn look(ask: &Ask) -> Looked {
    let mut problems = Vec::new();
    let mut versions = Vec::new();
    for peer in ask.peers() {
        match peer.policy().await {
            Ok(found) => versions.extend(found.map(|it| (peer.name, it.version.as_str()))),
            Err(unasked) => problems.push(unasked.problem()),
        }
    }
    if let Some((_, first)) = versions.first()
        && versions.iter().any(|(_, version)| version != first)
    {
        let each = versions.iter().map(|(name, version)| format!("{name} {}", short(version)));
        problems.push(Problem::failed(
            format!("they go by different policies: {}", each.collect::<Vec<_>>().join(", ")),
            "give all three the same file (PHASEGATE_POLICY); /readyz of the one that is behind says why, if it refused it",
        ));
    }
    let compared = match ask.rollouts().await {
        Err(unasked) => {
            problems.push(unasked.problem());
            0
        }
        Ok(rollouts) => {
            for rollout in rollouts {
                problems.extend(of_one_mind(ask, rollout).await);
            }
            rollouts.len()
        }
    };
    problems.dedup();
    let same = versions.first().map_or("no policy", |(_, version)| short(version));
    Looked::wrong(format!("{same}; {} compared", counted(compared, "target")), problems)
}

async fn of_one_mind(ask: &Ask, rollout: &Rollout) -> Vec<Problem> {
    let mut problems = Vec::new();
    match differs(ask, rollout).await {
        Ok(None) => {}
        Err(unasked) => problems.push(unasked.problem()),
        Ok(Some(_)) => {
            tokio::time::sleep(SETTLING).await;
            let now = ask.reporter.get::<Rollout>(&format!("/v1/rollouts/{}", rollout.target)).await;
            match now {
                Ok(now) => problems.extend(differs(ask, &now).await.ok().flatten()),
                Err(unasked) => problems.push(unasked.problem()),
            }
        }
    }
    let path = format!("/v1/decisions?target={}&limit=1", rollout.target);
    match ask.analyzer.list::<Decided>(&path, 1).await {
        Ok(decided) => {
            let ahead = decided.first().filter(|it| it.epoch > rollout.epoch);
            problems.extend(ahead.map(|it| {
                Problem::failed(
                    format!(
                        "{}: the analyzer decided on epoch {}, the reporter is at {}",
                        rollout.target, it.epoch, rollout.epoch
                    ),
                    "the reporter's store is older than its neighbours': was it restored from a copy? docs/backup.md",
                )
            }));
        }
        Err(unasked) => problems.push(unasked.problem()),
    }
    problems
}

/// Between what the reporter says and what the collector was told.
async fn differs(ask: &Ask, rollout: &Rollout) -> Result<Option<Problem>, Unasked> {
    let target = &rollout.target;
    let told: Told = ask.collector.get(&format!("/v1/targets/{target}")).await?;
    let Some(meant) = &rollout.directive else { return Ok(None) };
    let Some(has) = told.directive else {
        return Ok(Some(Problem::failed(
            format!(
                "{target}: the collector has no directive, the reporter gave sequence {}",
                meant.sequence
            ),
            "see whether the reporter reaches the collector: `effects` below, PHASEGATE_COLLECTOR_URL of the reporter",
        )));
    };
    if has == *meant {
        return Ok(None);
    }
    let one = |it: &Directive| format!("{} epoch {} sequence {}", it.phase, it.epoch, it.sequence);
    let said = format!("{target}: the collector goes by {}, the reporter by {}", one(&has), one(meant));
    Ok(Some(if has.sequence > meant.sequence {
        Problem::failed(
            said,
            "the reporter's store is older than its neighbours': was it restored from a copy? docs/backup.md",
        )
    } else {
        Problem::failed(said, "see whether the reporter reaches the collector: `effects` below, and its log")
    }))
}
