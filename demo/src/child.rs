//! The demo's two processes: started from this same program, ended by closing their standard input.
//!
//! A demo that is killed takes them along, as its end of the pipe closes with it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a process may take until it is ready, and how long to end.
const READY: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(15);

/// A process that said it is ready.
pub(super) struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts `command`, its standard error going to `log`, and reads the one JSON line it is ready with.
    pub(super) async fn start<T: DeserializeOwned>(
        name: &'static str,
        command: &mut Command,
        log: &Path,
    ) -> anyhow::Result<(Self, T)> {
        let file = std::fs::File::create(log).with_context(|| format!("make {}", log.display()))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .kill_on_drop(true)
            // Ctrl-C on the terminal is the demo's to handle; it ends its processes in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start the {name}"))?;
        let output = child.stdout.take().ok_or_else(|| anyhow!("the {name} has no output"))?;
        let mut lines = BufReader::new(output).lines();
        let first = tokio::time::timeout(READY, lines.next_line()).await;
        let Ok(Ok(Some(line))) = first else {
            bail!("the {name} did not start; its log: {}\n{}", log.display(), tail(log));
        };
        let ready = serde_json::from_str(&line).with_context(|| format!("the {name} said `{line}`"))?;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok((Self { name, child }, ready))
    }

    /// Fails if the process has ended by itself.
    pub(super) fn check_alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the {} ended by itself: {status}", self.name),
            None => Ok(()),
        }
    }

    /// Asks it to end, and ends it if it does not.
    pub(super) async fn stop(mut self) {
        drop(self.child.stdin.take());
        if tokio::time::timeout(END, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

/// The end of a log, for an error that nobody should have to search for.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}
