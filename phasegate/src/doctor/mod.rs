//! `phasegate doctor`: everything a person would look at at three in the morning, or before a first rollout.
//!
//! One file a check in `checks`, one line each in its registry. Checks run side by side, each with a limit of time, so that whoever does
//! not answer holds up no other; none of them changes anything. What only a service knows is asked of it (`peer`); of one that
//! does not answer, what can be seen without it is said.

mod ask;
mod check;
mod checks;
mod finding;
mod peer;
mod report;
mod tls;

use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use shared_types::Timestamp;

pub(crate) use ask::{Ask, Place};
pub(crate) use checks::CHECKS;
pub(crate) use finding::{Finding, Level, Looked, Problem};
pub(crate) use peer::Peer;
pub(crate) use report::{MARKS, markdown, text};

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    pub(crate) at: Timestamp,
    /// The worst of all.
    pub(crate) level: Level,
    pub(crate) checks: Vec<Finding>,
}

/// Runs the checks whose names are wanted.
pub(crate) async fn examine(ask: &Ask, wanted: impl Fn(&str) -> bool, within: Duration) -> Report {
    let runs = CHECKS.iter().filter(|check| wanted(check.name)).map(|check| async move {
        let looked = match tokio::time::timeout(within, (check.look)(ask)).await {
            Ok(looked) => looked,
            Err(_) => Looked::wrong("it took too long", vec![too_long(within)]),
        };
        Finding::of(check.name, check.title, looked)
    });
    let checks: Vec<Finding> = join_all(runs).await;
    let level = checks.iter().map(|it| it.level).max().unwrap_or(Level::Ok);
    Report { at: ask.now, level, checks }
}

fn too_long(within: Duration) -> Problem {
    Problem::failed(
        format!("no answer within {} s", within.as_secs()),
        "see which service hangs: `services` above names it, its log says at what; or give it longer with --timeout",
    )
}

#[cfg(test)]
mod tests;
