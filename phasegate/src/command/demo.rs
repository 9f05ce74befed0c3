//! `phasegate demo`.

use std::path::PathBuf;

use crate::demo::Options;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  phasegate demo                      about a minute, everything on free local ports
  phasegate demo --keep               and leave it all running, to look around
  phasegate demo --data-dir ./demo    keep its files there

Exit status 0 only if the rollback happened exactly once and the recovery was confirmed.";

/// Show a whole rollout on a real workload: off, A, B, a real violation, the rollback, the recovery
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Leave everything running after the story, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Where its files go [default: a new directory for temporary files]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let options = Options { keep: self.keep, data_dir: self.data_dir };
        super::block_on(async { crate::demo::run(&options).await })
    }
}
