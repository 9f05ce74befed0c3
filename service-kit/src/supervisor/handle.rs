//! The service's side: starts supervisors, says how long commands may run, and hears how they ended.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as PlainStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::ARGUMENT;
use super::order::{Bounds, Ended, Order};
use crate::descriptors;

/// The program that supervises: one whose `main` asks [`super::asked`] first.
#[derive(Debug, Clone)]
pub struct Supervisor(PathBuf);

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The program and its arguments; handed over as they are.
    pub words: &'a [String],
    pub directory: &'a Path,
    /// All of its environment.
    pub environment: &'a [(OsString, OsString)],
    pub bounds: Bounds,
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
}

impl Supervisor {
    /// The one of this process, even where its file was replaced by another release's.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::at("/proc/self/exe")
    }

    #[must_use]
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self(program.into())
    }

    /// Starts a command. It ends, with all it has started, when the handle is dropped.
    ///
    /// # Errors
    /// The system has no process for it. A command that cannot be started is one that has [`Ended`].
    pub fn start(&self, task: &Task<'_>) -> io::Result<Supervised> {
        let (ours, theirs) = PlainStream::pair()?;
        ours.set_nonblocking(true)?;
        let (said, told) = UnixStream::from_std(ours)?.into_split();
        let mut child = Command::new(&self.0)
            .arg(ARGUMENT)
            .args(Order::write(task.bounds, task.grace, descriptors::before(), task.words))
            .current_dir(task.directory)
            .env_clear()
            .envs(task.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // What is sent to the service's group, as by a terminal, is not for commands.
            .process_group(0)
            .spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        Ok(Supervised { child, said, told: Some(told), heard: Vec::new(), stdout, stderr })
    }
}

/// A command that runs.
pub struct Supervised {
    child: Child,
    said: OwnedReadHalf,
    told: Option<OwnedWriteHalf>,
    heard: Vec<u8>,
    pub stdout: Option<ChildStdout>,
    pub stderr: Option<ChildStderr>,
}

impl Supervised {
    /// It may run so long from now on.
    pub fn hold(&self, bounds: Bounds) {
        if let Some(told) = &self.told {
            // A supervisor that does not read goes by what it has read.
            told.try_write(format!("{bounds}\n").as_bytes()).ok();
        }
    }

    /// Has it ended.
    pub fn end(&mut self) {
        self.told = None;
    }

    /// Waits until nothing of it is left; none: its supervisor is gone without a word, and nobody knows. Cancel safe.
    pub async fn ended(&mut self) -> Option<Ended> {
        while self.said.read_buf(&mut self.heard).await.is_ok_and(|read| read > 0) {}
        self.child.wait().await.ok();
        serde_json::from_slice(&self.heard).ok()
    }
}
