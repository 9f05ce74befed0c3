//! Runs `corpus/write.py`: the seeds of the corpus are numpy's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::corpus::{Trace, each_rollout};

/// What is asked of it.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub seed: u64,
    /// Classes; none named: all.
    pub only: Vec<String>,
    /// The first letters of the rules of peers that judge too; none named: all of them.
    pub rules: Vec<String>,
    /// What the reference says of each window.
    pub log: bool,
    /// Mean errors of a session that has any.
    pub bunch: Option<f64>,
    /// The size of the control group at full exposure, as a part of all users.
    pub control: Option<f64>,
}

/// Where the corpus stands.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Draws a seed's rollouts, one after the other.
///
/// # Errors
/// No Python, no numpy, or what `take` says.
pub fn draw(asked: &Asked, take: impl FnMut(Trace) -> Result<()>) -> Result<()> {
    let mut command = Command::new("python3");
    command.arg("-B").arg(folder().join("write.py")).args(["--seed", &asked.seed.to_string()]);
    command.arg("--rules").args(&asked.rules);
    if !asked.only.is_empty() {
        command.arg("--only").args(&asked.only);
    }
    if asked.log {
        command.arg("--log");
    }
    command.envs(asked.bunch.map(|it| ("BUNCH", it.to_string())));
    command.envs(asked.control.map(|it| ("CONTROL_C", it.to_string())));
    let mut child = command.stdout(Stdio::piped()).spawn().context("python3 cannot be run")?;
    let lines = child.stdout.take().context("python3 has no output")?;
    let read = each_rollout(lines, take);
    let status = child.wait()?;
    read?;
    ensure!(status.success(), "corpus/write.py: {status}");
    Ok(())
}
