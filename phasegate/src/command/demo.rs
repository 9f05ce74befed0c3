//! `phasegate demo`.

use std::path::PathBuf;

use crate::exit::{Exit, error};

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
        play(self.keep, self.data_dir)
    }
}

#[cfg(feature = "demo")]
fn play(keep: bool, data_dir: Option<PathBuf>) -> anyhow::Result<Exit> {
    use phasegate_demo::{NotShown, Options};

    let options = Options { keep, data_dir };
    match super::block_on(async { phasegate_demo::run(&options).await }) {
        Ok(()) => Ok(Exit::Ok),
        Err(cause) if cause.is::<NotShown>() => Err(error(Exit::Refused, cause.to_string())),
        Err(cause) => Err(cause),
    }
}

#[cfg(not(feature = "demo"))]
fn play(_keep: bool, _data_dir: Option<PathBuf>) -> anyhow::Result<Exit> {
    Err(error(
        Exit::Usage,
        "this build leaves the demo out; `cargo run --release -p phasegate -- demo` has it",
    ))
}
