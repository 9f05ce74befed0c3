//! What the demo plays on: a directory, the editor, the vendors' doubles, the services.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use domain::story::figures::format_number;
use rand::RngExt;
use service_kit::client::Neighbour;
use service_kit::config::http_url;
use tokio::process::Command;
use vendor_doubles::{PagerDutyDouble, SlackDouble};

use super::child::Process;
use super::editor::EditorDirs;
use super::editor::flag::FlagDir;
use super::editor::tuning::Tuning;
use super::policy;
use super::screen::{Screen, Tone};

const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the services are, as `phasegate up --output json` says it.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Running {
    pub(super) collector: String,
    pub(super) analyzer: String,
    pub(super) reporter: String,
}

/// Everything that runs, and where it is.
pub(super) struct Stage {
    pub(super) root: PathBuf,
    pub(super) dirs: EditorDirs,
    pub(super) tuning: Tuning,
    pub(super) editor: Process,
    pub(super) services: Process,
    pub(super) slack: SlackDouble,
    pub(super) pagerduty: PagerDutyDouble,
    pub(super) urls: Running,
    pub(super) analyzer: Neighbour,
    pub(super) reporter: Neighbour,
}

impl Stage {
    /// Starts editor, doubles and services, in this order, and says so.
    pub(super) async fn set_up(screen: &Screen, data_dir: Option<&Path>) -> anyhow::Result<Self> {
        let root = make_root(data_dir)?;
        let dirs = EditorDirs::under(&root);
        FlagDir::at(&dirs.flag).create(&policy::audiences())?;
        let program = std::env::current_exe().context("where this program is")?;
        screen.line(Tone::Plain, "files", &root.display().to_string());

        let mut command = Command::new(&program);
        command.arg("demo-editor").arg("--dir").arg(&root);
        let (editor, tuning) = Process::start("editor", &mut command, &root.join("editor.log")).await?;
        screen.line(Tone::Plain, "editor", &describe(&tuning));
        let policy = policy::write(&root, &dirs, &tuning, &program)?;

        let (slack, pagerduty) = (SlackDouble::start().await?, PagerDutyDouble::start().await?);
        let mut command = services_command(&program, &root, &policy, (&slack, &pagerduty));
        let (services, urls): (_, Running) =
            Process::start("services", &mut command, &root.join("services.log")).await?;
        let named =
            format!("collector {}  analyzer {}  reporter {}", urls.collector, urls.analyzer, urls.reporter);
        screen.line(Tone::Plain, "services", &named);
        let analyzer = api(&urls.analyzer)?;
        let reporter = api(&urls.reporter)?;
        Ok(Self { root, dirs, tuning, editor, services, slack, pagerduty, urls, analyzer, reporter })
    }

    /// Ends the processes. The documents are the bulk of the files and tell nothing afterwards.
    pub(super) async fn tear_down(self, keep_documents: bool) {
        tokio::join!(self.editor.stop(), self.services.stop());
        if !keep_documents {
            let _ = std::fs::remove_dir_all(&self.dirs.documents);
        }
    }
}

fn api(url: &str) -> anyhow::Result<Neighbour> {
    let url = http_url(url).map_err(anyhow::Error::msg)?;
    Ok(Neighbour::new(url, None, CALL_TIMEOUT)?)
}

fn make_root(data_dir: Option<&Path>) -> anyhow::Result<PathBuf> {
    let id = format!("{:08x}", rand::rng().random::<u32>());
    let root = match data_dir {
        Some(dir) => dir.join(format!("demo-{id}")),
        None => std::env::temp_dir().join(format!("phasegate-demo-{id}")),
    };
    std::fs::create_dir_all(&root).with_context(|| format!("make {}", root.display()))?;
    root.canonicalize().with_context(|| format!("find {}", root.display()))
}

fn describe(tuning: &Tuning) -> String {
    let seconds = |millis: u64| format_number(Some(Duration::from_millis(millis).as_secs_f64()));
    format!(
        "{} people at work; a quiet save takes {} ms (p95) on this machine\n\
         so the demo's policy asks for p95 ≤ {} s in A and ≤ {} s in B; a save waits {} s for the merge lock\n\
         only saves of users inside the flag's audience are the feature's telemetry",
        tuning.users,
        format_number(Some(tuning.quiet_p95_ms)),
        seconds(tuning.limit_a_ms),
        seconds(tuning.limit_b_ms),
        seconds(tuning.lock_patience_ms),
    )
}

/// `phasegate up` on free ports, with nothing of the caller's own configuration.
fn services_command(
    program: &Path,
    root: &Path,
    policy: &Path,
    (slack, pagerduty): (&SlackDouble, &PagerDutyDouble),
) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let foreign = ["PHASEGATE_", "SLACK_", "PAGERDUTY_"];
        if name.to_str().is_some_and(|name| foreign.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(&name);
        }
    }
    let any = "127.0.0.1:0";
    command.args(["up", "--output", "json", "--until-input-ends"]);
    command.args(["--collector-listen", any, "--analyzer-listen", any, "--reporter-listen", any]);
    command.arg("--data-dir").arg(root.join("data")).arg("--policy").arg(policy);
    command.env("SLACK_BOT_TOKEN", slack.token()).env("SLACK_API_URL", slack.api_url());
    command
        .env("PAGERDUTY_ROUTING_KEY", pagerduty.routing_key())
        .env("PAGERDUTY_EVENTS_URL", pagerduty.url());
    command.current_dir(root);
    command
}
