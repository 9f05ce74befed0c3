//! The subcommands, one file each: its arguments, its examples, what it does.

mod abort;
mod ack;
mod act;
mod analyze;
mod approve;
mod audit;
mod backtest;
mod backup;
mod collect;
mod completions;
mod daily;
mod demo;
mod doctor;
mod evidence;
mod explain;
mod freeze;
mod gate;
mod generate;
mod healthcheck;
mod incident;
mod incidents;
mod map;
mod pause;
mod policy;
mod promote;
mod rca;
mod restore;
mod review;
mod rollback;
mod runtime;
mod sources;
mod start;
mod status;
mod token;
mod unfreeze;
pub(crate) mod up;
mod verify;
mod withdraw;

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::Product;
use crate::exit::Exit;
use runtime::block_on;

const EXAMPLES: &str = "\
Start here:
  phasegate demo                    a whole rollout on a real workload, in about a minute
  phasegate up                      the three services in one process, on this machine

A rollout, by hand:
  phasegate start --target autosave
  phasegate status --target autosave
  phasegate approve --target autosave --role sre
  phasegate promote --target autosave
  phasegate rollback --target autosave --phase B --reason \"p95 looks wrong\"

In a pipeline, between one step and the next:
  phasegate gate --target autosave --wait

An incident:
  phasegate incidents --state open
  phasegate ack INC-20261122-001
  phasegate incident INC-20261122-001
  phasegate rca submit INC-20261122-001 --file rca.md
  phasegate evidence INC-20261122-001 --post owner/repo#123

At three in the morning, or before a first rollout:
  phasegate doctor                  what is wrong, and what to do about it

Exit statuses: 0 done, 1 refused, 2 wrong usage or input, 3 not found, 4 not reachable, 5 failed,
6 not known.
`analyze` says its verdict: 0 ok, 1 warn, 2 violation, 3 insufficient, 4 unsure, over 10 an error.
`doctor` says what it found: 0 all is well, 1 warnings, 2 failures, over 10 an error.";

/// Guards a feature's rollout: telemetry in, verdicts per window, one-phase rollback on violation
#[derive(Debug, Parser)]
#[command(name = "phasegate", version, after_help = EXAMPLES, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Up(Box<up::Args>),
    Start(start::Args),
    Status(status::Args),
    Gate(gate::Args),
    Approve(approve::Args),
    Withdraw(withdraw::Args),
    Promote(promote::Args),
    Rollback(rollback::Args),
    Abort(abort::Args),
    Freeze(freeze::Args),
    Unfreeze(unfreeze::Args),
    Incidents(incidents::Args),
    Incident(incident::Args),
    Ack(ack::Args),
    Rca(rca::Args),
    Review(review::Args),
    Evidence(evidence::Args),
    Collect(collect::Args),
    Map(map::Args),
    Sources(sources::Args),
    Analyze(analyze::Args),
    Explain(explain::Args),
    Backtest(backtest::Args),
    Verify(verify::Args),
    Doctor(doctor::Args),
    Policy(policy::Args),
    Audit(audit::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Daily(daily::Args),
    Pause(pause::Args),
    Token(token::Args),
    Generate(generate::Args),
    Completions(completions::Args),
    Healthcheck(healthcheck::Args),
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    DemoEditor(phasegate_demo::EditorArgs),
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    DemoApp(phasegate_demo::AppArgs),
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    DemoFlag(phasegate_demo::FlagArgs),
}

/// The command line, with what the product's kinds can be told.
pub(crate) fn cli(product: &Product) -> clap::Command {
    Cli::command().mut_subcommand("up", |up| product.arguments(up))
}

/// The arguments, read.
pub(crate) fn parsed(product: &Product, arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = cli(product);
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

impl Cli {
    /// Runs the subcommand; `exit::exit_of` says the status that an error asks for.
    pub(crate) fn run(self, product: &Product) -> anyhow::Result<Exit> {
        match self.command {
            Command::Demo(args) => args.run(),
            // `run` of the crate takes it over before; this is reached by no command line.
            Command::Up(_) => Err(crate::exit::error(Exit::Usage, "`up` has to be the first argument")),
            Command::Start(args) => args.run(),
            Command::Status(args) => args.run(),
            Command::Gate(args) => args.run(),
            Command::Approve(args) => args.run(),
            Command::Withdraw(args) => args.run(),
            Command::Promote(args) => args.run(),
            Command::Rollback(args) => args.run(),
            Command::Abort(args) => args.run(),
            Command::Freeze(args) => args.run(),
            Command::Unfreeze(args) => args.run(),
            Command::Incidents(args) => args.run(),
            Command::Incident(args) => args.run(),
            Command::Ack(args) => args.run(),
            Command::Rca(args) => args.run(),
            Command::Review(args) => args.run(),
            Command::Evidence(args) => args.run(),
            Command::Collect(args) => args.run(product.kinds()),
            Command::Map(args) => args.run(product.kinds()),
            Command::Sources(args) => args.run(product),
            Command::Analyze(args) => args.run(product.kinds()),
            Command::Explain(args) => args.run(),
            Command::Backtest(args) => args.run(product.kinds()),
            Command::Verify(args) => args.run(product.kinds()),
            Command::Doctor(args) => args.run(product.kinds()),
            Command::Generate(args) => args.run(),
            Command::Policy(args) => args.run(product),
            Command::Audit(args) => args.run(product.kinds()),
            Command::Backup(args) => args.run(),
            Command::Restore(args) => args.run(),
            Command::Daily(args) => args.run(),
            Command::Pause(args) => args.run(),
            Command::Token(args) => args.run(),
            Command::Completions(args) => args.run(cli(product)),
            Command::Healthcheck(args) => args.run(),
            #[cfg(feature = "demo")]
            Command::DemoEditor(args) => args.run().map(|()| Exit::Ok),
            #[cfg(feature = "demo")]
            Command::DemoApp(args) => block_on(args.run()).map(|()| Exit::Ok),
            #[cfg(feature = "demo")]
            Command::DemoFlag(args) => args.run().map(|()| Exit::Ok),
        }
    }
}

#[cfg(test)]
mod tests;
