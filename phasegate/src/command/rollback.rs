//! `phasegate rollback`: one phase down, by hand (RB-7).

use shared_types::{PhaseId, TargetName};

use super::act::act;
use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate rollback --target autosave --phase C --reason \"save_latency_p95 violation\"

Goes down exactly one phase, and is refused if the target is in another phase than you think.";

/// Move a target down one phase, by hand
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The feature, as the policy names it
    #[arg(long)]
    target: TargetName,
    /// The phase it is in now
    #[arg(long)]
    phase: PhaseId,
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
        let body = serde_json::json!({ "phase": self.phase, "reason": self.reason });
        act(&self.target, "rollbacks", body, &self.reporter, self.output)
    }
}
