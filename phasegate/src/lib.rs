//! The `phasegate` command line: the three services in one process and the operator's commands.
//!
//! One file a subcommand under `command/`; `exit` holds the exit statuses, `api` speaks to the services. What can be named in
//! a policy, and who does it, is a [`Product`]: a binary of somebody else's is this crate with another one.

pub(crate) mod api;
pub(crate) mod archived;
pub(crate) mod audit_view;
pub(crate) mod backtest;
pub(crate) mod backup;
pub(crate) mod bundle;
pub(crate) mod command;
pub(crate) mod doctor;
pub(crate) mod exit;
pub(crate) mod explained;
mod github;
pub(crate) mod incident_view;
pub(crate) mod mapping;
pub(crate) mod output;
mod product;
pub(crate) mod services;
pub(crate) mod sources;
pub(crate) mod usage;
pub(crate) mod verify;
pub(crate) mod view;

use std::ffi::OsString;
use std::process::ExitCode;

use exit::{Exit, exit_of};

pub use product::Product;

/// Parses the arguments, runs the subcommand with the kinds of that product, and says what went wrong in one line.
pub fn run(product: &Product, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(ended) = service_kit::supervisor::asked(&arguments) {
        return ended;
    }
    let has_its_own = arguments.get(1).is_some_and(|name| name == "analyze" || name == "doctor");
    let status = |exit: Exit| if has_its_own { exit.code_beside_its_own() } else { exit.code() };
    let finish = |ended: anyhow::Result<Exit>| match ended {
        Ok(exit) => ExitCode::from(status(exit)),
        Err(error) => {
            output::complain(&format!("phasegate: {error:#}"));
            ExitCode::from(status(exit_of(&error)))
        }
    };
    rustls::crypto::ring::default_provider().install_default().ok();
    if arguments.get(1).is_some_and(|name| name == "up") {
        return finish(command::up::main(product, command::cli(product), &arguments)); // it reads a configuration file too
    }
    let cli = match command::parsed(product, &arguments) {
        Ok(cli) => cli,
        Err(message) if usage::is_help(&message) => {
            let _ = message.print(); // a closed pipe is no reason to fail
            let exit = if message.use_stderr() { Exit::Usage } else { Exit::Ok };
            return ExitCode::from(status(exit));
        }
        Err(message) => return finish(Err(exit::error(Exit::Usage, usage::line(&message)))),
    };
    finish(cli.run(product))
}
