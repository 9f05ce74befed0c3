//! `phasegate completions SHELL`.

use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  phasegate completions bash > /etc/bash_completion.d/phasegate
  phasegate completions zsh > ~/.zfunc/_phasegate
  phasegate completions fish > ~/.config/fish/completions/phasegate.fish";

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Args {
    /// Of this command line.
    pub(super) fn run(self, mut command: clap::Command) -> anyhow::Result<Exit> {
        let mut bytes = Vec::new();
        clap_complete::generate(self.shell, &mut command, "phasegate", &mut bytes);
        crate::output::print(String::from_utf8(bytes)?.trim_end())?;
        Ok(Exit::Ok)
    }
}
