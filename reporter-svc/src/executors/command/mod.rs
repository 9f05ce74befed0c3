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
mod report;
mod run;
mod verify;

#[cfg(test)]
mod tests;

pub use environment::{Environment, INHERITED};
pub use report::{Ending, Report};
pub use run::{Command, CommandExecutor, run};
pub use verify::{Verification, verify};
