//! What flag systems serve, read back now and held beside the record.

use reporter_svc::api::{Served, ServedState};
use shared_types::TargetName;
use shared_types::rollout::Rollout;

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem, counted};

pub(super) const CHECK: Check =
    Check { name: "flags", title: "flag systems serve what is on record", look: |ask| Box::pin(look(ask)) };

async fn look(ask: &Ask) -> Looked {
    let rollouts = match ask.rollouts().await {
        Ok(rollouts) => rollouts,
        Err(unasked) => return Looked::wrong("not asked", vec![unasked.problem()]),
    };
    let (mut problems, mut read, mut unreadable) = (Vec::new(), 0, 0);
    let (mut by_reporter, mut refused) = (0, false);
    let path = |target: &TargetName| format!("/v1/rollouts/{target}/served");
    let asked = ask.of_each::<Served>(&ask.reporter, rollouts, path).await;
    for (rollout, served) in rollouts.iter().zip(asked) {
        let target = &rollout.target;
        match served {
            Ok(it) => match it.state {
                ServedState::AsRecorded => read += 1,
                ServedState::NotAsked => unreadable += 1,
                ServedState::Other => {
                    problems.push(drifted(rollout, it.detail.as_deref().unwrap_or("something else")));
                }
                ServedState::Unread => problems.push(Problem::failed(
                    format!("{target}: its flag system cannot be read: {}", it.detail.unwrap_or_default()),
                    "nobody can tell what users have: see whether the flag system answers, and the policy's read-back",
                )),
            },
            // A reader may not have commands run; what the reporter saw last will have to do.
            Err(unasked) if unasked.refused => {
                (by_reporter, refused) = (by_reporter + 1, true);
                problems.extend(rollout.drift.as_ref().map(|it| drifted(rollout, &it.served)));
            }
            Err(unasked) => problems.push(unasked.problem()),
        }
    }
    if refused {
        problems.push(Problem::not_checked(
            "this token may not have flag systems read; what the reporter saw within the last window was taken",
            "name one of the role sre, release-ops or governance: --token or PHASEGATE_TOKEN",
        ));
    }
    let further = [(unreadable, "not to be read back now"), (by_reporter, "as the reporter saw last")];
    let further = further.iter().filter(|it| it.0 > 0).map(|(count, what)| format!(", {count} {what}"));
    let targets = counted(rollouts.len(), "target");
    let figure = format!("{read} of {targets} as on record{}", further.collect::<String>());
    Looked::wrong(figure, problems)
}

fn drifted(rollout: &Rollout, served: &str) -> Problem {
    let Rollout { target, phase, .. } = rollout;
    Problem::failed(
        format!("{target}: phase {phase} is on record, {served} is served"),
        format!(
            "somebody or something else moved the flag: set it back to {phase}, or `phasegate abort --target {target}`"
        ),
    )
}
