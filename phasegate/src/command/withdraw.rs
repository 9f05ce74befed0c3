//! `phasegate withdraw`: one's own approval taken back.

use shared_types::TargetName;
use shared_types::rollout::Rollout;

use crate::api::ReporterArgs;
use crate::exit::{Exit, error};
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate withdraw --target autosave --role sre

Only your own approval, and only before the move has been asked for.";

/// Take back your approval of a target's next move up
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The feature, as the policy names it
    #[arg(long)]
    target: TargetName,
    /// The role you approved in
    #[arg(long)]
    role: String,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        if !self.role.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            return Err(error(Exit::Usage, format!("`{}` is no role", self.role)));
        }
        super::block_on(async {
            let path = format!("/v1/rollouts/{}/approvals/{}", self.target, self.role);
            let rollout: Rollout = self.reporter.api()?.delete(&self.reporter.act_path(&path)).await?;
            self.output.print(&rollout, crate::view::rollout)?;
            Ok(Exit::Ok)
        })
    }
}
