//! A program of JavaScript, run by the Node.js that is fetched beside it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context as _;
use phasegate_sources::fetched;

const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/apps");

/// A running program; it is ended when it is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    told: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl Program {
    /// Starts one of `apps`.
    ///
    /// # Errors
    /// What it needs is not fetched; says what to do.
    pub fn start(name: &str, environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let modules = fetched("flags/node_modules")?;
        // A module looks for others from where it lies.
        let beside = modules.with_file_name(name);
        fs::copy(Path::new(APPS).join(name), &beside)?;
        let mut command = Command::new(modules.join("node/bin/node"));
        command.arg(beside).envs(environment.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("node")?;
        let (told, says) =
            (child.stdin.take().context("its input")?, child.stdout.take().context("its output")?);
        Ok(Self { child, told, says: BufReader::new(says) })
    }

    /// The next line it says.
    ///
    /// # Errors
    /// It has ended.
    pub fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        anyhow::ensure!(self.says.read_line(&mut line)? > 0, "the program has ended");
        Ok(line.trim().to_owned())
    }

    /// What it answers to a line.
    ///
    /// # Errors
    /// It has ended.
    pub fn ask(&mut self, line: &str) -> anyhow::Result<String> {
        writeln!(self.told, "{line}").context("the program has ended")?;
        self.line()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
