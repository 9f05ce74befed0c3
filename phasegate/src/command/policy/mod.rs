//! `phasegate policy`: policy files, and what the running services go by.

mod check;
mod diff;
mod show;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use domain::kinds::Kinds;
use domain::policy::{Policy, PolicyError};
use shared_types::TargetName;

use crate::Product;
use crate::api::ServicesArgs;
use crate::exit::{Exit, error};
use crate::output::OutputArgs;

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

/// Loads a policy; a wrong one is a refusal, a missing one is not found.
pub(super) fn load(file: &Path, kinds: &Kinds) -> anyhow::Result<Policy> {
    Policy::load_with(file, kinds).map_err(|cause| unusable(file, cause))
}

/// As [`load`], for a policy that is to be gone by: one that cannot protect is refused as well.
pub(super) fn admitted(file: &Path, kinds: &Kinds) -> anyhow::Result<Policy> {
    Policy::load_with(file, kinds).and_then(Policy::admitted).map_err(|cause| unusable(file, cause))
}

fn unusable(file: &Path, cause: PolicyError) -> anyhow::Error {
    let exit = match cause {
        PolicyError::Wrong(places) => {
            let lines: Vec<String> = places.iter().map(ToString::to_string).collect();
            return wrong(file, &lines);
        }
        PolicyError::Read { ref source, .. } => match source.kind() {
            std::io::ErrorKind::NotFound => Exit::NotFound,
            std::io::ErrorKind::IsADirectory => Exit::Usage,
            _ => Exit::Failed,
        },
    };
    let hint = if exit == Exit::NotFound { "; --policy or PHASEGATE_POLICY names another file" } else { "" };
    error(exit, format!("{:#}{hint}", anyhow::Error::from(cause)))
}

/// The refusal of a file, a line for each place.
fn wrong(file: &Path, places: &[String]) -> anyhow::Error {
    let message = match places {
        [only] => only.clone(),
        all => format!("{}: wrong in {} places\n  - {}", file.display(), all.len(), all.join("\n  - ")),
    };
    error(Exit::Refused, message)
}

/// The target that is named, or the only one there is.
pub(super) fn target(policy: &Policy, named: Option<TargetName>) -> anyhow::Result<TargetName> {
    let known: Vec<&str> = policy.targets.keys().map(TargetName::as_str).collect();
    let known = known.join(", ");
    match (named, policy.targets.len()) {
        (Some(name), _) if policy.targets.contains_key(&name) => Ok(name),
        (Some(name), _) => {
            Err(error(Exit::NotFound, format!("the policy has no target `{name}`; it has {known}")))
        }
        (None, 1) => policy.targets.keys().next().cloned().ok_or_else(|| error(Exit::NotFound, "no target")),
        (None, _) => Err(error(Exit::Usage, format!("--target: the policy has several: {known}"))),
    }
}
