//! Every channel of the policy, and the pager, can deliver; with `--send` they do.

use reporter_svc::ways::ChannelState;

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem};

pub(super) const CHECK: Check = Check {
    name: "channels",
    title: "every channel and the pager can deliver",
    look: |ask| Box::pin(look(ask)),
};

async fn look(ask: &Ask) -> Looked {
    let channels = match ask.channels().await {
        Ok(channels) => channels,
        Err(unasked) => return Looked::wrong("not asked", vec![unasked.problem()]),
    };
    let mut problems = Vec::new();
    for it in channels {
        let said = format!("{} ({}): {}", it.channel, it.by, it.detail);
        match it.state {
            ChannelState::Ok => {}
            ChannelState::Warning => problems.push(Problem::warning(
                said,
                "fine for a trial; before a first rollout set its token or key for the reporter: docs/operations.md, Channels",
            )),
            ChannelState::Failing => problems.push(Problem::failed(
                said,
                "correct its setting for the reporter (token, scope, webhook, key), start it again, then `phasegate doctor --send`",
            )),
        }
    }
    let good = channels.iter().filter(|it| it.state == ChannelState::Ok).count();
    let how = if ask.send.is_some() {
        "delivered a test message"
    } else {
        "can deliver, as far as they say; --send tries"
    };
    Looked::wrong(format!("{good} of {} {how}", channels.len()), problems)
}
