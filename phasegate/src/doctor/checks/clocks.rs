//! The clocks of the three services agree, and ours with theirs.

use std::time::Duration;

use domain::story::figures::format_roughly;
use service_kit::ServiceName;
use service_kit::clock::{Clock as _, SystemClock};

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem};

pub(super) const CHECK: Check =
    Check { name: "clocks", title: "the services' clocks agree", look: |ask| Box::pin(look(ask)) };

/// What nobody needs to look at, in milliseconds.
const TOLERATED: i128 = 2_000;
/// Where the policy cannot be read from here.
const USUAL_GRACE: Duration = Duration::from_secs(30);

const REMEDY: &str =
    "set it right (chrony, ntpd): one that is ahead closes no windows, one that is behind closes them late";

async fn look(ask: &Ask) -> Looked {
    let mut problems = Vec::new();
    let mut told: Vec<(ServiceName, i128, i128)> = Vec::new();
    for peer in ask.peers() {
        if let Some((ahead, off_by)) = peer.clock(|| SystemClock.now()).await {
            told.push((peer.name, ahead, off_by));
        } else {
            let said = format!("the {} does not say what time it is there", peer.name);
            problems.push(Problem::not_checked(said, "see `services` above"));
        }
    }
    let grace = ask
        .policy
        .as_ref()
        .ok()
        .and_then(|policy| policy.targets.values().map(|target| target.collection.grace).min());
    let grace = i128::try_from(grace.unwrap_or(USUAL_GRACE).as_millis()).unwrap_or(i128::MAX);
    if let Some(check) = ask.collector.complains("clock").await {
        let detail = check.detail.as_deref().unwrap_or_default();
        problems.push(Problem::failed(format!("collector: {detail}"), REMEDY));
    }
    // The middle one is taken for right.
    let mut sorted: Vec<i128> = told.iter().map(|it| it.1).collect();
    sorted.sort_unstable();
    let Some(&middle) = sorted.get(sorted.len() / 2) else {
        return Looked::wrong("no service says what time it is", problems);
    };
    for (name, ahead, off_by) in &told {
        let beside = ahead - middle;
        if beside.abs() > TOLERATED + off_by {
            let said = format!("the clock of the {name} is {} the others'", difference(beside));
            problems.push(if beside.abs() > grace + off_by {
                Problem::failed(said, REMEDY)
            } else {
                Problem::warning(said, REMEDY)
            });
        }
    }
    let worst_off = told.iter().map(|it| it.2).max().unwrap_or_default();
    if middle.abs() > TOLERATED + worst_off {
        let said = format!("the services' clocks are {} this machine's", difference(middle));
        problems
            .push(Problem::warning(said, "see which of them is wrong: compare both with a clock you trust"));
    }
    let spread = sorted.last().unwrap_or(&0) - sorted.first().unwrap_or(&0);
    Looked::wrong(
        format!("{} of 3, within {}.{} s", told.len(), spread / 1000, spread % 1000 / 100),
        problems,
    )
}

fn difference(millis: i128) -> String {
    let span = format_roughly(Duration::from_millis(u64::try_from(millis.abs()).unwrap_or(u64::MAX)));
    if millis > 0 { format!("{span} ahead of") } else { format!("{span} behind") }
}
