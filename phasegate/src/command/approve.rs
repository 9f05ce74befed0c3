//! `phasegate approve`: an approval of the next move up (PH-2 to PH-5).

use shared_types::{PhaseId, TargetName};

use super::act::act;
use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate approve --target autosave --role sre
  phasegate approve --target autosave --role dev-lead --phase A --comment \"two quiet hours\"

It counts for this stay in the phase and this version of the policy. Two roles are two people, and nobody
moves a target up on nobody's approval but their own. `phasegate status` shows who has approved and who is missing;
`phasegate withdraw` takes it back.";

/// Approve a target's next move up, in a role
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The feature, as the policy names it
    #[arg(long)]
    target: TargetName,
    /// A role that the phase asks for and that is yours
    #[arg(long)]
    role: String,
    /// The phase it is in; refused if it is in another one
    #[arg(long)]
    phase: Option<PhaseId>,
    /// What there is to say about it
    #[arg(long)]
    comment: Option<String>,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let body = serde_json::json!({ "role": self.role, "phase": self.phase, "comment": self.comment });
        act(&self.target, "approvals", body, &self.reporter, self.output)
    }
}
