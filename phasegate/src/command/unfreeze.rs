//! `phasegate unfreeze`: the end of a freeze.

use shared_types::TargetName;

use super::act::act;
use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate unfreeze --target autosave --reason \"the flag server is mended\"

A required rollback that waited for this starts at once: look at `phasegate status` before.";

/// Let a frozen target move again
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The feature, as the policy names it
    #[arg(long)]
    target: TargetName,
    /// Why; shown to everybody
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: Option<String>,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        act(
            &self.target,
            "unfreeze",
            serde_json::json!({ "reason": self.reason }),
            &self.reporter,
            self.output,
        )
    }
}
