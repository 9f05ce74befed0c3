//! An app in a language of its users, which does what it is told and tells of it: by its OpenTelemetry SDK, or as apps do without one.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};

use crate::{fetched, program};

/// How an app tells.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Of Python or JavaScript.
    pub language: Language,
    /// `metrics`, `logs` or `spans` by the SDK; of Python also `file`, `push` and `prometheus`.
    pub signal: &'a str,
    /// `delta` or `cumulative`, of metrics.
    pub temporality: &'a str,
    /// `service.name`, and the name of its one instance.
    pub service: &'a str,
    /// Milliseconds between two exports of metrics.
    pub interval_ms: u64,
}

/// A language whose SDK `.ci/foreign` fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Python,
    JavaScript,
}

/// A running app; it is ended when it is dropped.
#[derive(Debug)]
pub struct App {
    command: Command,
    child: Child,
    told: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl App {
    /// Starts one that tells at `endpoint`: by the SDK, a collector's; else the file, the URL that is pushed to, or the
    /// `host:port` where it is scraped.
    ///
    /// # Errors
    /// Its libraries are not there; says what to do.
    pub fn start(told: Told<'_>, endpoint: &str) -> anyhow::Result<Self> {
        let mut command = match told.language {
            Language::Python => {
                let mut command = Command::new(fetched("python/bin/python3")?);
                command.arg(Path::new(APPS).join("shop.py"));
                command
            }
            Language::JavaScript => {
                // A module looks for others from where it lies.
                let beside = fetched("javascript/node_modules")?.with_file_name("shop.mjs");
                fs::copy(Path::new(APPS).join("shop.mjs"), &beside)?;
                let mut command = Command::new(program("node")?);
                command.arg(beside);
                command
            }
        };
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("ENDPOINT", endpoint)
            .env("INSTANCE", told.service)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .env("OTEL_SERVICE_NAME", told.service)
            .env("OTEL_METRIC_EXPORT_INTERVAL", told.interval_ms.to_string())
            .env("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", told.temporality)
            .env("SIGNAL", told.signal)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let (child, told, says) = spawned(&mut command)?;
        Ok(Self { command, child, told, says })
    }

    /// Kills it and starts it anew: it counts from nothing, and what it has not told by then is lost.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.end();
        (self.child, self.told, self.says) = spawned(&mut self.command)?;
        Ok(())
    }

    fn end(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// Tells it to do something.
    ///
    /// # Errors
    /// It has ended.
    pub fn tell(&mut self, what: &str) -> anyhow::Result<()> {
        writeln!(self.told, "{what}").context("the app has ended")
    }

    /// Waits until what it did before it was told to `flush` is sent, as far as its SDK says so.
    ///
    /// # Errors
    /// It has ended, or its SDK gave up.
    pub fn flushed(&mut self) -> anyhow::Result<()> {
        let mut line = String::new();
        self.says.read_line(&mut line)?;
        match line.trim() {
            "flushed" => Ok(()),
            other => bail!("{other:?}"),
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawned(command: &mut Command) -> anyhow::Result<(Child, ChildStdin, BufReader<ChildStdout>)> {
    let mut child = command.spawn().context("the app")?;
    let (told, says) = (child.stdin.take().context("its input")?, child.stdout.take().context("its output")?);
    Ok((child, told, BufReader::new(says)))
}

const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/apps");
