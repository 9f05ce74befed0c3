//! Runs a policy's commands: an argument vector, never a shell (RB-2).
//!
//! A command gets no input, a small documented environment and a time limit, and runs below a supervisor
//! (`service_kit::supervisor`): nothing of it, children and grandchildren included, outlives its end. When it runs out of time
//! (RB-4), when the service shuts down or is gone, be it by SIGKILL, and before another attempt may begin (RB-10), all of it gets
//! SIGTERM, after a grace SIGKILL, and is reaped.
//!
//! What is not reached: what a command has others do for it, which is why it names the phase to reach and not a step (RB-3),
//! and why each attempt has a number by which others can refuse an older one (`PHASEGATE_FENCE`).

mod environment;
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
use service_kit::supervisor::Supervisor;
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
    let supervisor = Supervisor::of_this_process();
    Ok(Arc::new(CommandExecutor::new(&with.directory, environment, supervisor, with.stop.clone())))
}
