//! `phasegate start`.

use shared_types::TargetName;
use shared_types::rollout::Rollout;

use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate start --target autosave";

/// Start a target's rollout: from off to its first phase
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The feature, as the policy names it
    #[arg(long)]
    target: TargetName,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        super::block_on(async {
            let path = format!("/v1/rollouts/{}/start", self.target);
            let rollout: Rollout =
                self.reporter.api()?.post(&path, &self.reporter.act(serde_json::json!({}))).await?;
            self.output.print(&rollout, crate::view::rollout)?;
            Ok(Exit::Ok)
        })
    }
}
