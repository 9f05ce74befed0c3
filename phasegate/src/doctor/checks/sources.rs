//! The sources of telemetry are read.

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem};

pub(super) const CHECK: Check =
    Check { name: "sources", title: "the sources of telemetry are read", look: |ask| Box::pin(look(ask)) };

const REMEDY: &str =
    "see whether the source is there and may be read by the collector; it is tried again by itself";

async fn look(ask: &Ask) -> Looked {
    let rollouts = match ask.rollouts().await {
        Ok(rollouts) => rollouts,
        Err(unasked) => return without_targets(ask, unasked.problem()).await,
    };
    let (mut problems, mut read) = (Vec::new(), 0);
    for view in ask.targets(rollouts).await {
        match view {
            Err(unasked) => problems.push(unasked.problem()),
            Ok(view) if view.source.failures > 0 => problems.push(Problem::failed(
                format!(
                    "{}: {} failures in a row: {}",
                    view.target,
                    view.source.failures,
                    view.source.last_error.unwrap_or_default()
                ),
                REMEDY,
            )),
            Ok(_) => read += 1,
        }
    }
    Looked::wrong(format!("{read} of {} read without failures", rollouts.len()), problems)
}

/// The reporter, which knows the targets, does not say them; the collector says what fails.
async fn without_targets(ask: &Ask, unasked: Problem) -> Looked {
    let mut problems = vec![unasked];
    if let Some(check) = ask.collector.complains("sources").await {
        problems.push(Problem::failed(check.detail.clone().unwrap_or_default(), REMEDY));
    }
    Looked::wrong("only what the collector's /readyz says", problems)
}
