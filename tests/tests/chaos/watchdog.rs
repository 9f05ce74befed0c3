//! What must not outlive the tests, however they end: processes that may even be stopped, and a mount.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Reads what has started and ended; when its input closes, ends what is left and cleans up.
const SCRIPT: &str = r#"trap '' INT TERM HUP
pids=" "
while read -r what pid; do
    case $what in
    started) pids="$pids$pid " ;;
    ended) pids="${pids%% $pid *} ${pids#* $pid }" ;;
    esac
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
umount -l "$1/data" 2>/dev/null
rm -rf "$1""#;

/// A shell that waits for the end of this process, or of this value.
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Over `folder`, which goes with it.
    pub(crate) fn over(folder: &Path) -> Self {
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of the terminal's reach: Ctrl-C ends the tests, and this then cleans up.
            .process_group(0)
            .spawn();
        Self(child.expect("a shell"))
    }

    pub(crate) fn started(&mut self, pid: u32) {
        self.tell("started", pid);
    }

    pub(crate) fn ended(&mut self, pid: u32) {
        self.tell("ended", pid);
    }

    fn tell(&mut self, what: &str, pid: u32) {
        let input = self.0.stdin.as_mut().expect("its input is a pipe");
        writeln!(input, "{what} {pid}").expect("the watchdog listens");
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}
