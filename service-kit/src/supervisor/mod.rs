//! Commands that end in time (RB-10): each runs below a supervisor, a process of its own, which outlives whatever happens to
//! the service and sees to it that nothing of the command outlives the right to run it.
//!
//! The supervisor is the same program, started with a hidden first argument ([`asked`], which every `main` asks first). It
//! leads the command in a process group of its own, and becomes the parent of all its orphans, wherever they put themselves.
//! A socket joins it with the service: over it the service says until when the command may run, and hears how it ended.
//! SIGTERM goes to all of them, and after a grace SIGKILL, when that time is over, when the service says so, and when the
//! service is gone, however it went. Time limits, shutdowns, lost leases and kills are thus one mechanism.
//!
//! What it cannot reach: processes of another user (setuid), what the command has others do (`systemd-run`, `docker`, `at`),
//! and its own end by SIGKILL. Why so: docs/adr/0013.

mod family;
mod handle;
mod order;
mod process;

use std::ffi::OsString;
use std::process::ExitCode;

pub use handle::{Supervised, Supervisor, Task};
pub use order::{Bounds, Ended, How, Why};

/// The hidden first argument.
const ARGUMENT: &str = "__supervise";

/// Whether this process was started as a supervisor; then it was one, and ends with this. To be asked before anything else.
#[must_use]
pub fn asked(arguments: &[OsString]) -> Option<ExitCode> {
    let told = arguments.get(1..)?;
    (told.first()? == ARGUMENT).then(|| process::main(&told[1..]))
}
