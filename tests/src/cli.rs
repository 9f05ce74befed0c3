//! The command line, run as a shell would: in the workspace's root, without the caller's own configuration.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::binaries;

/// What a run left.
#[derive(Debug)]
pub struct Ran {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The root of the workspace, where fixtures and the shipped policy are.
///
/// # Panics
/// Never: this crate has a folder above it.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace root").to_owned()
}

/// A binary that is ready to run, with nothing in its environment but the search path.
#[must_use]
pub fn command(binary: &str) -> Command {
    let mut command = Command::new(binaries::path(binary));
    command.current_dir(workspace()).env_clear().env("PATH", std::env::var("PATH").unwrap_or_default());
    command.stdin(Stdio::null());
    command
}

/// Runs `phasegate` with these arguments to its end.
///
/// # Panics
/// It cannot be started.
#[must_use]
pub fn phasegate(arguments: &[&str]) -> Ran {
    run(command("phasegate").args(arguments))
}

/// Runs a command to its end.
///
/// # Panics
/// It cannot be started.
#[must_use]
pub fn run(command: &mut Command) -> Ran {
    let output = command.output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { status: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}
