//! Runs a policy's commands: an argument vector, never a shell (RB-2).
//!
//! A command gets its own process group, no input, a small documented environment and a time limit, and
//! nothing of its group outlives it: when it ends, runs out of time (RB-4) or the service shuts down, what
//! is left of the group gets SIGTERM, after a grace SIGKILL, and the command is reaped.
//!
//! What it cannot reach: a descendant that leaves the group on purpose (`setsid`, `nohup` does not) lives
//! on, unwatched, and its output is not waited for. A service that is itself killed with SIGKILL leaves its
//! command running; when it is back the command is run again beside it, which is why a command names the
//! phase to reach and not a step (RB-3).

mod environment;
mod group;
mod output;
mod program;
mod report;
mod run;
mod verify;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use clap::{ArgMatches, Args as _, FromArgMatches as _};
use domain::executors::command::NAME;
use utoipa_axum::router::OpenApiRouter;

use super::Executor;
use crate::kind::{Kind, Opening};

pub use environment::{Environment, INHERITED};
pub use report::{Ending, Report};
pub use run::{Command, CommandExecutor, run};
pub use verify::{Verification, verify};

/// The kind.
pub const KIND: Kind<dyn Executor> =
    Kind { name: NAME, arguments: CommandArgs::augment_args, open, routes: OpenApiRouter::new };

/// What commands can be told.
#[derive(Debug, Clone, clap::Args)]
struct CommandArgs {
    /// Variables that the policy's commands get besides PATH, HOME and the like, by name: `NAME,OTHER`
    #[arg(long, env = "PHASEGATE_COMMAND_ENV", value_name = "NAME,…")]
    command_env: Option<String>,
}

fn open(told: &ArgMatches, with: &Opening) -> anyhow::Result<Arc<dyn Executor>> {
    let args = CommandArgs::from_arg_matches(told)?;
    let names = args.command_env.iter().flat_map(|names| names.split(','));
    let names: Vec<String> =
        names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    let environment = Environment::of_this_process(&names);
    Ok(Arc::new(CommandExecutor::new(&with.directory, environment, with.stop.clone())))
}
