//! An app in a language of its users, which tells of what it does by its OpenTelemetry SDK.

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
    /// `metrics`, `logs` or `spans`.
    pub signal: &'a str,
    /// `delta` or `cumulative`, of metrics.
    pub temporality: &'a str,
    /// `service.name`.
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
    child: Child,
    told: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl App {
    /// Starts one that sends to the collector at `endpoint`.
    ///
    /// # Errors
    /// Its SDK is not there; says what to do.
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
        let mut child = command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .env("OTEL_SERVICE_NAME", told.service)
            .env("OTEL_METRIC_EXPORT_INTERVAL", told.interval_ms.to_string())
            .env("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", told.temporality)
            .env("SIGNAL", told.signal)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the app")?;
        let (told, says) =
            (child.stdin.take().context("its input")?, child.stdout.take().context("its output")?);
        Ok(Self { child, told, says: BufReader::new(says) })
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
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/apps");
