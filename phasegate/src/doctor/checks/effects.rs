//! Nothing was given up, and nothing is stuck.

use std::time::Duration;

use domain::story::figures::format_roughly;
use serde::Deserialize;
use shared_types::Timestamp;

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem};

pub(super) const CHECK: Check = Check {
    name: "effects",
    title: "no message, page or command was given up or is stuck",
    look: |ask| Box::pin(look(ask)),
};

const MOST: usize = 500;
/// Due for so long, something does not take it.
const STUCK_AFTER: Duration = Duration::from_secs(300);

#[derive(Debug, Deserialize)]
struct Effect {
    id: String,
    kind: String,
    lane: String,
    due_at: Timestamp,
    last_error: Option<String>,
}

async fn look(ask: &Ask) -> Looked {
    let mut problems = Vec::new();
    for (peer, check) in [(&ask.collector, "outbox"), (&ask.analyzer, "reporter"), (&ask.reporter, "effects")]
    {
        if let Some(found) = peer.complains(check).await {
            let said = format!("{}: {}", peer.name, found.detail.as_deref().unwrap_or_default());
            problems.push(Problem::warning(
                said,
                "it is tried on by itself; see whether the receiver answers, and its log",
            ));
        }
    }
    let dead = ask.reporter.list::<Effect>("/v1/effects?state=dead&limit=100", MOST).await;
    let ready = ask.reporter.list::<Effect>("/v1/effects?state=ready&limit=100", MOST).await;
    let (dead, ready) = match (dead, ready) {
        (Ok(dead), Ok(ready)) => (dead, ready),
        (Err(unasked), _) | (_, Err(unasked)) => {
            problems.push(unasked.problem());
            return Looked::wrong("not asked", problems);
        }
    };
    let why = |it: &Effect| it.last_error.clone().unwrap_or_else(|| "no reason is known".to_owned());
    problems.extend(dead.iter().map(|it| {
        Problem::failed(
            format!("{} to {} was given up: {}", it.kind, it.lane, why(it)),
            format!(
                "mend the cause, then have it tried again: POST /v1/effects/{}/retry at the reporter",
                it.id
            ),
        )
    }));
    let stuck = ready.iter().filter(|it| it.due_at.plus(STUCK_AFTER) < ask.now);
    problems.extend(stuck.map(|it| {
        let late = format_roughly(ask.now.since(it.due_at));
        Problem::failed(
            format!("{} to {} has been due for {late}: {}", it.kind, it.lane, why(it)),
            "its line waits for the one before it, or the reporter takes none: see its log and `services` above",
        )
    }));
    Looked::wrong(format!("{} given up, {} waiting", dead.len(), ready.len()), problems)
}
