//! `phasegate demo-flag` (hidden): the demo's flag system, as its policy's commands call it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use crate::demo::editor::flag::FlagDir;
use crate::exit::Exit;
use crate::output::print;

/// How long the editor may take to finish what it began under the old flag.
const PATIENCE: Duration = Duration::from_secs(20);

/// Change or read back the demo's flag (run by the demo's policy)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The flag's directory
    #[arg(long)]
    dir: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Move the flag to a phase
    Set {
        #[arg(long)]
        phase: String,
    },
    /// Print the phase that the editor really serves
    Served,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let flags = FlagDir::at(&self.dir);
        match self.action {
            Action::Set { phase } => print(&serde_json::to_string(&flags.set(&phase)?)?)?,
            Action::Served => print(&flags.wait_until_served(PATIENCE)?)?,
        }
        Ok(Exit::Ok)
    }
}
