//! A process that stands still.

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

/// It goes on when this is dropped.
#[derive(Debug)]
pub struct Paused(Pid);

impl Paused {
    /// Stops a process by its id.
    ///
    /// # Errors
    /// There is none of ours with this id.
    pub fn process(id: u32) -> anyhow::Result<Self> {
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).context("no id of a process")?;
        kill_process(pid, Signal::STOP)?;
        Ok(Self(pid))
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        kill_process(self.0, Signal::CONT).ok();
    }
}
