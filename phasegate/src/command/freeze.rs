//! `phasegate freeze`: the emergency brake.

use shared_types::TargetName;

use super::act::act;
use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate freeze --target autosave --reason \"the flag server answers wrongly\"

Nothing moves from then on, up or down, but by `phasegate rollback`. Incidents open, are told and page as ever; a rollback
they require waits, is shown by `phasegate status`, and starts at `phasegate unfreeze`. A command that runs already goes to
its end.";

/// Stop every move of a target but rollbacks by hand
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The feature, as the policy names it
    #[arg(long)]
    target: TargetName,
    /// Why; shown to everybody
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        act(&self.target, "freeze", serde_json::json!({ "reason": self.reason }), &self.reporter, self.output)
    }
}
