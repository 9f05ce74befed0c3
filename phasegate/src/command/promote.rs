//! `phasegate promote`: one phase up, if nothing stands in the way (PH-5, PH-6).

use shared_types::{PhaseId, TargetName};

use super::act::act;
use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate promote --target autosave
  phasegate promote --target autosave --phase A      only if it is still in A

Exit status 1 and a list of what is missing, if something stands in the way.";

/// Move a target up one phase
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The feature, as the policy names it
    #[arg(long)]
    target: TargetName,
    /// The phase it is in; refused if it is in another one
    #[arg(long)]
    phase: Option<PhaseId>,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let body = match &self.phase {
            Some(phase) => serde_json::json!({ "from": phase }),
            None => serde_json::json!({}),
        };
        act(&self.target, "promotions", body, &self.reporter, self.output)
    }
}
