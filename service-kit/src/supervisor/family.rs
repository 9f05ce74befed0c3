//! All processes of a command: its group, and whatever of it has become a child of the supervisor's.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, kill_process_group, wait};
use tokio::signal::unix::Signal as SignalStream;

use crate::moment::Moment;

/// An orphan comes without a sign of it; so often they are looked for.
const LOOK: Duration = Duration::from_millis(50);
/// SIGKILL cannot be refused, but the kernel may be slow.
const KILLED: Duration = Duration::from_secs(2);

pub(super) struct Family {
    leader: Pid,
    /// Once it has ended. It is reaped then, and its number may be anybody's.
    pub(super) status: Option<WaitStatus>,
}

impl Family {
    /// Of a child that leads a group of its own.
    pub(super) fn led_by(leader: Pid) -> Self {
        Self { leader, status: None }
    }

    /// Reaps who has ended; whether any child is left.
    pub(super) fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((child, status))) if child == self.leader => self.status = Some(status),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return true,
                Err(_) => return false, // there are no children
            }
        }
    }

    /// Waits until nothing is left, at most until then; whether that is so.
    pub(super) async fn gone(&mut self, ended: &mut SignalStream, by: Moment) -> bool {
        while self.reap() {
            if by.is_over() {
                return false;
            }
            tokio::select! {
                _ = ended.recv() => {}
                () = by.reached() => {}
            }
        }
        true
    }

    /// SIGTERM to all, from `kill_at` on SIGKILL, until nothing is left; whether that was reached. Only children are
    /// signalled one by one, as nobody but this process reaps them: a signal never reaches a stranger. The children of one
    /// that ends become children of this process, and are found in the next round.
    pub(super) async fn end(&mut self, ended: &mut SignalStream, kill_at: Moment) -> bool {
        let mut asked = BTreeSet::new();
        self.signal_group(Signal::TERM);
        while self.reap() {
            if kill_at.plus(KILLED).is_over() {
                return false;
            }
            let killing = kill_at.is_over();
            if killing {
                self.signal_group(Signal::KILL);
            }
            for Child { id, group } in children() {
                if killing {
                    kill_process(id, Signal::KILL).ok();
                } else if group != self.leader && asked.insert(id.as_raw_pid()) {
                    kill_process(id, Signal::TERM).ok();
                }
            }
            tokio::select! {
                _ = ended.recv() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        true
    }

    fn signal_group(&self, signal: Signal) {
        if self.status.is_none() {
            // It fails only where nobody is left to be signalled.
            kill_process_group(self.leader, signal).ok();
        }
    }
}

struct Child {
    id: Pid,
    group: Pid,
}

/// The children of this process, those included that lost their own parent.
fn children() -> Vec<Child> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.flatten().map(|it| it.file_name());
    let stats = names.filter_map(|name| {
        let id: i32 = name.to_str()?.parse().ok()?;
        Some((id, std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?))
    });
    stats.filter_map(|(id, stat)| child_of(&stat, id, getpid())).collect()
}

/// From a line of the kernel's: `12 (a name) S 7 12 …`, with parent and group after the state.
fn child_of(stat: &str, id: i32, parent: Pid) -> Option<Child> {
    // The name may hold anything, parentheses too.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut numbers = rest.split_whitespace().skip(1).map(|it| it.parse().ok().and_then(Pid::from_raw));
    let (of, group) = (numbers.next()??, numbers.next()??);
    (of == parent).then_some(Child { id: Pid::from_raw(id)?, group })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_known_by_its_parent_whatever_it_is_called() {
        let parent = Pid::from_raw(7).unwrap();
        let child = child_of("12 (a) S 9 1 (b) S 7 11 11 0 -1 4194304", 12, parent).unwrap();
        assert_eq!((child.id.as_raw_pid(), child.group.as_raw_pid()), (12, 11));
        for strange in ["12 (a) S 8 12", "12 (a) S 0 0", "12 (a", "12 (a) S"] {
            assert!(child_of(strange, 12, parent).is_none(), "{strange}");
        }
    }
}
