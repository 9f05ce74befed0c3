//! What a person does to a rollout, as most subcommands do it: one request, and the rollout as it stands after it.

use serde_json::Value;
use shared_types::TargetName;
use shared_types::rollout::Rollout;

use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

/// Asks the reporter for `what`, the end of the path, and prints its answer.
pub(super) fn act(
    target: &TargetName,
    what: &str,
    body: Value,
    reporter: &ReporterArgs,
    output: OutputArgs,
) -> anyhow::Result<Exit> {
    super::block_on(async {
        let path = format!("/v1/rollouts/{target}/{what}");
        let rollout: Rollout = reporter.api()?.post(&path, &reporter.act(body)).await?;
        output.print(&rollout, crate::view::rollout)?;
        Ok(Exit::Ok)
    })
}
