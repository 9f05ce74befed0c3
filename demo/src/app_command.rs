//! `phasegate demo-app` (hidden): the demo's workload beside services that run elsewhere, as the compose profile `demo` starts it.
//!
//! It asks a flag file of flagd whom to serve, pushes its telemetry, and does what a person would until the first incident.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use reqwest::Url;
use secrecy::SecretString;
use service_kit::client::Neighbour;
use service_kit::config::http_url;

use crate::editor::flag_source::FlagdFile;
use crate::editor::push::Pusher;
use crate::editor::telemetry::Telemetry;
use crate::editor::tuning::LimitB;
use crate::editor::{Editor, EditorDirs, calibrate};
use crate::policy::{TARGET, audiences};
use crate::screen::Screen;
use crate::walk::walk;

const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Run the demo's editor beside services that run elsewhere (started by docker compose --profile demo)
#[derive(Debug, clap::Args)]
pub struct AppArgs {
    /// Directory of its documents
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Flag file of flagd, with the flag `autosave`
    #[arg(long, value_name = "FILE")]
    flag_file: PathBuf,
    /// The policy's p95 limit of phase B, which the editor breaks there
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    limit_ms: u64,
    /// How many people use it
    #[arg(long, default_value_t = 260, value_parser = clap::value_parser!(u64).range(1..=2000))]
    users: u64,
    /// Where telemetry is pushed to
    #[arg(long, env = "PHASEGATE_COLLECTOR_URL", value_name = "URL", value_parser = http_url)]
    collector_url: Url,
    /// Where the rollout is started and moved up
    #[arg(long, env = "PHASEGATE_REPORTER_URL", value_name = "URL", value_parser = http_url)]
    reporter_url: Url,
    /// Token with the role service:telemetry
    #[arg(long, env = "PHASEGATE_TELEMETRY_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    telemetry_token: Option<SecretString>,
    /// Token of a person who may start a rollout
    #[arg(long, env = "PHASEGATE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<SecretString>,
}

impl AppArgs {
    /// Until a signal.
    ///
    /// # Errors
    /// A directory or file that cannot be read or written.
    pub async fn run(self) -> anyhow::Result<()> {
        let stopped = service_kit::shutdown::on_signals()?;
        let screen = Screen::new();
        let dirs = EditorDirs::under(&self.dir);
        let limit = LimitB::Given(Duration::from_millis(self.limit_ms));
        let tuning = calibrate(&dirs, self.users, &audiences(), limit)?;
        let collector = Neighbour::new(self.collector_url, self.telemetry_token, CALL_TIMEOUT)?;
        let reporter = Neighbour::new(self.reporter_url, self.token, CALL_TIMEOUT)?;
        let (lines, pusher) = Pusher::new(collector, TARGET);
        let pushing = tokio::spawn(pusher.run());
        let flags = FlagdFile { path: self.flag_file, flag: TARGET.to_owned() };
        let editor = Editor::with(&dirs, tuning, Box::new(flags), Telemetry::pushed(lines))?;

        let done = Arc::new(AtomicBool::new(false));
        let noticed = Arc::clone(&done);
        let working = tokio::task::spawn_blocking(move || {
            editor.follow_flag(|| noticed.load(Ordering::SeqCst))?;
            editor.stop()
        });
        let mut working = std::pin::pin!(working);
        let ended = tokio::select! {
            ended = &mut working => ended,
            () = walk(&screen, &reporter) => return Ok(()),
            () = stopped.cancelled() => {
                done.store(true, Ordering::SeqCst);
                working.await
            }
        };
        ended.context("the editor broke")??;
        // What it wrote last is still on the way; a collector that is away is not waited for.
        tokio::time::timeout(CALL_TIMEOUT, pushing).await.ok();
        Ok(())
    }
}
