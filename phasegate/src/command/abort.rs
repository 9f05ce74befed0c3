//! `phasegate abort`: off for everybody, at once (PH-11).

use shared_types::TargetName;

use super::act::act;
use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate abort --target autosave --reason \"it loses documents\"

Goes to `off` in one move, whatever the phase, whether frozen or not, and with the budget of rollbacks spent. A command that
runs already goes to its end first. One phase down only: `phasegate rollback`.";

/// Take a feature from everybody at once, by hand
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The feature, as the policy names it
    #[arg(long)]
    target: TargetName,
    /// Why; kept with the incident and in the messages
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        act(&self.target, "abort", serde_json::json!({ "reason": self.reason }), &self.reporter, self.output)
    }
}
