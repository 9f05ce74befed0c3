//! `phasegate demo-flag` (hidden): the demo's flag system, as its policy's commands call it.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use crate::editor::flag::FlagDir;

/// How long the editor may take to finish what it began under the old flag.
const PATIENCE: Duration = Duration::from_secs(20);

/// Change or read back the demo's flag (run by the demo's policy)
#[derive(Debug, clap::Args)]
pub struct FlagArgs {
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

impl FlagArgs {
    /// Changes or reads the flag, and prints what it is.
    ///
    /// # Errors
    /// Files of the flag that cannot be read or written; a phase it has not; an editor that does not follow in time.
    pub fn run(self) -> anyhow::Result<()> {
        let (flags, mut output) = (FlagDir::at(&self.dir), std::io::stdout());
        match self.action {
            Action::Set { phase } => writeln!(output, "{}", serde_json::to_string(&flags.set(&phase)?)?),
            Action::Served => writeln!(output, "{}", flags.wait_until_served(PATIENCE)?),
        }?;
        Ok(())
    }
}
