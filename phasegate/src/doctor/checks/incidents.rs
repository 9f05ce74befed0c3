//! No open incident waits for somebody to take it on.

use serde::Deserialize;
use shared_types::{IncidentId, TargetName, Timestamp};

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem};

pub(super) const CHECK: Check = Check {
    name: "incidents",
    title: "no open incident is without an acknowledgement",
    look: |ask| Box::pin(look(ask)),
};

const MOST: usize = 1000;

#[derive(Debug, Deserialize)]
struct Incident {
    id: IncidentId,
    target: TargetName,
    priority: String,
    opened_at: Timestamp,
    acknowledged_at: Option<Timestamp>,
    acknowledge_by: Timestamp,
}

async fn look(ask: &Ask) -> Looked {
    let found = ask.reporter.list::<Incident>("/v1/incidents?state=open&limit=100", MOST).await;
    let open = match found {
        Ok(open) => open,
        Err(unasked) => return Looked::wrong("not asked", vec![unasked.problem()]),
    };
    let waiting = open.iter().filter(|it| it.acknowledged_at.is_none());
    let problems: Vec<Problem> = waiting
        .map(|it| {
            let said = format!(
                "{} of {}, {}, open since {}: acknowledged by nobody",
                it.id, it.target, it.priority, it.opened_at
            );
            let remedy =
                format!("take it on: `phasegate ack {}`; its story: `phasegate incident {}`", it.id, it.id);
            if it.acknowledge_by < ask.now {
                Problem::failed(said, remedy)
            } else {
                Problem::warning(said, remedy)
            }
        })
        .collect();
    Looked::wrong(
        format!("{} open, {} of them acknowledged", open.len(), open.len() - problems.len()),
        problems,
    )
}
