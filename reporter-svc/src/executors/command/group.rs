//! The process group of a command, from start to its reaped leader.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::process::Child;
use tokio::signal::unix::Signal as SignalStream;

/// A group whose leader is not reaped yet. As long as that holds the kernel gives its number to nobody
/// else, so a signal to it reaches the command's processes or none. Dropped before that, it is killed.
pub(super) struct Group {
    leader: Pid,
    is_reaped: bool,
}

impl Group {
    /// The group of a child that was started as its own group's leader.
    pub(super) fn led_by(child: &Child) -> Option<Self> {
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)?;
        Some(Self { leader, is_reaped: false })
    }

    /// Waits until the leader has ended, and leaves it unreaped.
    pub(super) async fn leader_ended(&self, children_ended: &mut SignalStream) {
        while !self.has_leader_ended() {
            if children_ended.recv().await.is_none() {
                return;
            }
        }
    }

    fn has_leader_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error says that there is no such child: then it has ended too.
        !matches!(waitid(WaitId::Pid(self.leader), look), Ok(None))
    }

    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// The leader is reaped; from now on the number may be anyone's.
    pub(super) fn reaped(&mut self) {
        self.is_reaped = true;
    }

    fn signal(&self, signal: Signal) {
        if !self.is_reaped {
            // It fails only where nobody is left to be signalled.
            kill_process_group(self.leader, signal).ok();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
