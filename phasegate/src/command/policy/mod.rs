//! `phasegate policy`: policy files, and what the running services go by.

mod check;
mod diff;
mod file;
mod show;

use std::path::PathBuf;

use clap::Subcommand;

use crate::Product;
use crate::api::ServicesArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

pub(super) use file::{admitted, load, target};

const EXAMPLES: &str = "\
Examples:
  phasegate policy check
  phasegate policy diff governance/policy.yaml new-policy.yaml
  phasegate policy check new-policy.yaml && mv new-policy.yaml governance/policy.yaml
  phasegate policy show

The running services take a changed file over by themselves, with the next window; a wrong one they refuse.";

/// Look at policy files, and at what the running services go by
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check a policy, and the message templates that it names, without any service
    #[command(after_help = check::EXAMPLES)]
    Check {
        /// The policy file
        #[arg(env = "PHASEGATE_POLICY", default_value = "governance/policy.yaml")]
        file: PathBuf,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Say in words what one version of the policy changes against another, and what loosens protection
    #[command(after_help = diff::EXAMPLES)]
    Diff {
        /// A file, or `sha256:…` of a version that a running service knows
        old: String,
        /// The same
        new: String,
        #[command(flatten)]
        services: Box<ServicesArgs>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show which version the running services go by, and whether they agree
    #[command(after_help = show::EXAMPLES)]
    Show {
        #[command(flatten)]
        services: Box<ServicesArgs>,
        #[command(flatten)]
        output: OutputArgs,
    },
}

impl Args {
    pub(super) fn run(self, product: &Product) -> anyhow::Result<Exit> {
        match self.action {
            Action::Check { file, output } => check::run(&file, product, output),
            Action::Diff { old, new, services, output } => {
                super::block_on(diff::run([&old, &new], &services, product.kinds(), output))
            }
            Action::Show { services, output } => super::block_on(show::run(&services, output)),
        }
    }
}
