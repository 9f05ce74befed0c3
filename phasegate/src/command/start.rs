//! `phasegate start`.

use shared_types::TargetName;

use super::act::act;
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
        act(&self.target, "start", serde_json::json!({}), &self.reporter, self.output)
    }
}
