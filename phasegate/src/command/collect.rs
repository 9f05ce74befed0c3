//! `phasegate collect`: one batch from files or standard input, without a service (CO-8).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use collector_svc::collect::{CollectError, Collected, OneShot, OneShotSource, Span, collect_windows};
use domain::kinds::Kinds;
use domain::policy::TargetPolicy;
use domain::policy::units::parse_duration;
use domain::sources::http::Http;
use service_kit::clock::{Clock, SystemClock};
use service_kit::files::replace;
use shared_types::{PhaseId, TargetName, Timestamp, one_line};

use crate::exit::{Exit, error};
use crate::output::complain;

const EXAMPLES: &str = "\
Examples:
  phasegate collect --target autosave --phase A
  phasegate collect --target autosave --phase A --window 15m --output batch.jsonl \\
                    --source 'telemetry/autosave/*.jsonl'
  phasegate collect --target autosave --phase A --last 2h --output reports/monitoring/now.jsonl
  phasegate collect --target autosave --phase A --simulate-latency 180s    to try the alert path

The last complete window is taken; if nothing is in it, the window of the newest event.
Malformed lines are counted, and the first ones told on standard error.";

/// Count telemetry into one batch and end, without a service
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The feature, as the policy names it [default: the policy's only target]
    #[arg(long)]
    target: Option<TargetName>,
    /// The phase that is written into the batch
    #[arg(long)]
    phase: PhaseId,
    /// The epoch that is written into the batch
    #[arg(long, default_value_t = 1)]
    epoch: u64,
    /// Window length [default: the policy's]
    #[arg(long, value_parser = window, value_name = "DURATION")]
    window: Option<Duration>,
    /// The window that holds this moment (RFC 3339), instead of the last complete one
    #[arg(long, value_parser = moment, value_name = "TIME", conflicts_with = "last")]
    at: Option<Timestamp>,
    /// All complete windows of so much time, a batch a line
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    last: Option<Duration>,
    /// File or glob of telemetry lines, `-` for standard input; may be repeated [default: the policy's]
    #[arg(long, value_name = "FILE")]
    source: Vec<String>,
    /// Where the batch is written, a line each; `-` is standard output
    #[arg(long, default_value = "-", value_name = "FILE")]
    output: PathBuf,
    /// Added to the collector latency
    #[arg(long, value_parser = duration, value_name = "DURATION", default_value = "0s")]
    simulate_latency: Duration,
    /// The policy file
    #[arg(long, env = "PHASEGATE_POLICY", default_value = "governance/policy.yaml", value_name = "FILE")]
    policy: PathBuf,
}

impl Args {
    pub(super) fn run(self, kinds: &Kinds) -> anyhow::Result<Exit> {
        let policy = super::policy::load(&self.policy, kinds)?;
        let target = super::policy::target(&policy, self.target)?;
        let target_policy = policy.targets[&target].clone();
        if self.phase.is_gated() && target_policy.phase(&self.phase).is_none() {
            return Err(error(
                Exit::NotFound,
                format!("the policy has no phase `{}` of `{target}`", self.phase),
            ));
        }
        let request = OneShot {
            window: self.window.unwrap_or(target_policy.collection.window),
            source: source(self.source, &target_policy)?,
            target,
            policy: Arc::new(target_policy),
            phase: self.phase,
            epoch: self.epoch,
            span: match (self.at, self.last) {
                (Some(at), _) => Span::At(at),
                (None, Some(last)) => Span::Last(last),
                (None, None) => Span::Newest,
            },
            simulate_latency: self.simulate_latency,
        };
        let collected = collect_windows(&request, SystemClock.now())
            .map_err(|cause| error(exit_of(&cause), format!("{:#}", anyhow::Error::from(cause))))?;
        for (file, line) in &collected.malformed {
            complain(&format!("phasegate: {file}:{}: {}", line.line, line.reason));
        }
        for (name, meant, events) in collected.misspelt() {
            let name = one_line(name);
            complain(&format!(
                "phasegate: `{name}`, {events} events, is no name of the policy: perhaps `{meant}` is meant"
            ));
        }
        write(&collected, &self.output)?;
        Ok(Exit::Ok)
    }
}

fn exit_of(cause: &CollectError) -> Exit {
    let is_directory = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::IsADirectory;
    match cause {
        CollectError::NoFile(_) => Exit::NotFound,
        CollectError::Array { .. } | CollectError::ArrayTooLarge { .. } => Exit::Usage,
        CollectError::Read { source, .. } if is_directory(source) => Exit::Usage,
        _ => Exit::Failed,
    }
}

fn source(given: Vec<String>, policy: &TargetPolicy) -> anyhow::Result<OneShotSource> {
    if given.iter().any(|name| name == "-") {
        if given.len() > 1 {
            return Err(error(Exit::Usage, "--source -: standard input cannot be mixed with files"));
        }
        return Ok(OneShotSource::Stdin);
    }
    let source = &policy.collection.source;
    match (source.files(), given.is_empty()) {
        (Some(paths), true) => Ok(OneShotSource::Files(paths.to_vec())),
        (None, true) if source.of_kind::<Http>().is_some() => {
            Err(error(Exit::Usage, "the policy's source is pushed: name files with --source"))
        }
        (None, true) => {
            Err(error(Exit::Usage, "the policy's source is not read from files: name some with --source"))
        }
        (_, false) => Ok(OneShotSource::Files(given)),
    }
}

/// Nobody reads half of it.
fn write(collected: &Collected, output: &Path) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    for batch in &collected.batches {
        serde_json::to_writer(&mut lines, batch)?;
        lines.push(b'\n');
    }
    if output.as_os_str() == "-" {
        return crate::output::print(String::from_utf8(lines)?.trim_end());
    }
    replace(output, &lines).map_err(|cause| {
        let exit = if cause.kind() == std::io::ErrorKind::InvalidInput { Exit::Usage } else { Exit::Failed };
        error(exit, format!("--output {}: {cause}", output.display()))
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = if text == "0" || text == "0s" { Some(Duration::ZERO) } else { parse_duration(text) };
    parsed.ok_or_else(|| "expected a duration such as 500ms, 30s, 15m or 24h".to_owned())
}

fn window(text: &str) -> Result<Duration, String> {
    let parsed = duration(text)?;
    let allowed = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    if allowed.contains(&parsed) { Ok(parsed) } else { Err("expected a window of 1s to 24h".to_owned()) }
}

pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}
