//! The command as an executor: the planned vector, from its start to the end of its whole process group; then the one that
//! reads back.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use service_kit::outbox::Outcome;
use tokio::process::Child;
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::environment::Environment;
use super::group::Group;
use super::output::Output;
use super::program::is_there;
use super::report::{Ending, REPORTED_BYTES, Report, tail};
use super::verify::verify;
use crate::executors::{Executor, ReadBack};
use domain::effects::RunTransition;
use domain::executors::command::{self, Started};
use domain::executors::{Report as Moved, Request};

/// Runs commands on this machine. Besides the inherited environment a command is told what it is for:
/// `PHASEGATE_TRANSITION` (an id, the same however often it is run), `PHASEGATE_TARGET`, `PHASEGATE_KIND`
/// (`rollback`, `promote`), `PHASEGATE_FROM`, `PHASEGATE_TO` and, where there is one, `PHASEGATE_INCIDENT`.
#[derive(Debug, Clone)]
pub struct CommandExecutor {
    directory: PathBuf,
    environment: Environment,
    stop: CancellationToken,
}

impl CommandExecutor {
    /// Commands run in `directory`. When `stop` is cancelled they are ended, with an unknown outcome, and
    /// are run again by the next service that claims them.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, environment: Environment, stop: CancellationToken) -> Self {
        Self { directory: directory.into(), environment, stop }
    }

    fn command(&self, argv: &[String], transition: &RunTransition) -> Command {
        let environment = self
            .environment
            .clone()
            .with("PHASEGATE_TRANSITION", transition.transition.to_string())
            .with("PHASEGATE_TARGET", transition.target.as_str())
            .with("PHASEGATE_KIND", transition.kind.as_str())
            .with("PHASEGATE_FROM", transition.from.as_str())
            .with("PHASEGATE_TO", transition.to.as_str());
        let environment = match &transition.incident {
            Some(incident) => environment.with("PHASEGATE_INCIDENT", incident.as_str()),
            None => environment,
        };
        let limit = Duration::from_millis(transition.timeout_ms);
        Command::new(argv.to_vec(), &self.directory, environment, limit)
    }
}

#[async_trait]
impl Executor for CommandExecutor {
    fn name(&self) -> &'static str {
        command::NAME
    }

    fn obstacle(&self, planned: &Request) -> Option<String> {
        let Ok(Started { command, verify, .. }) = Started::of(planned) else { return None };
        let programs = [Some(command), verify].into_iter().flatten().filter_map(|it| it.into_iter().next());
        let missing = |program: &String| !is_there(program, &self.directory, self.environment.path());
        programs.into_iter().find(missing).map(|program| format!("the program `{program}` is not found"))
    }

    async fn run(&self, it: &RunTransition) -> Result<Moved, Outcome> {
        let report = run(&self.command(&started(it)?.command, it), &self.stop).await;
        if !report.succeeded() {
            return Err(report.outcome());
        }
        let detail = tail(&report.output, REPORTED_BYTES).to_owned();
        Ok(Moved { detail, duration_ms: report.took_ms, ..command::exited(0) })
    }

    async fn read_back(&self, it: &RunTransition) -> Result<ReadBack, Outcome> {
        let started = started(it)?;
        let verify_with = started.verify.clone().unwrap_or_default();
        let is_served = |said: &str| started.is_served(&it.to, said);
        verify(&self.command(&verify_with, it), is_served, &self.stop).await.read_back()
    }
}

fn started(it: &RunTransition) -> Result<Started, Outcome> {
    Started::of(&it.request)
        .map_err(|error| Outcome::Never { reason: format!("the planned command cannot be read: {error}") })
}

/// What to run, and within which bounds.
#[derive(Debug, Clone)]
pub struct Command {
    /// The program and its arguments; handed over as they are.
    pub argv: Vec<String>,
    pub directory: PathBuf,
    pub environment: Environment,
    /// How long it may run.
    pub limit: Duration,
    /// How long it has between SIGTERM and SIGKILL.
    pub grace: Duration,
}

impl Command {
    /// With the shipped grace of 5 s.
    #[must_use]
    pub fn new(
        argv: Vec<String>,
        directory: impl Into<PathBuf>,
        environment: Environment,
        limit: Duration,
    ) -> Self {
        Self { argv, directory: directory.into(), environment, limit, grace: Duration::from_secs(5) }
    }
}

/// After the command ended, how long the last of its output may take to come through.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// Runs the command to its end. A cancelled `stop` ends it, and then nobody knows what it did.
///
/// Dropping the future ends the group at once, without grace.
pub async fn run(command: &Command, stop: &CancellationToken) -> Report {
    let started = Instant::now();
    let mut running = match start(command).await {
        Ok(running) => running,
        Err(reason) => return Report::not_started(reason, started.elapsed()),
    };
    let interruption = running.until_ended(command.limit, stop).await;
    let status = running.end(interruption.is_none(), command.grace).await;
    let ending = interruption.unwrap_or_else(|| Ending::of(status));
    running.output.into_report(ending, started.elapsed())
}

/// Declared in the order in which it must be dropped: the group is killed while its leader is not reaped,
/// so that the group's number cannot belong to anyone else.
struct Running {
    group: Group,
    child: Child,
    children_ended: SignalStream,
    output: Output,
}

impl Running {
    /// Waits for the command's own end (then `None`), its time limit or the shutdown, whichever is first.
    async fn until_ended(&mut self, limit: Duration, stop: &CancellationToken) -> Option<Ending> {
        let Self { group, children_ended, output, .. } = self;
        let ended = async {
            tokio::select! {
                () = group.leader_ended(children_ended) => None,
                () = tokio::time::sleep(limit) => Some(Ending::TimedOut { limit_ms: limit.as_millis() }),
                () = stop.cancelled() => Some(Ending::Cancelled),
            }
        };
        output.read_while(ended).await
    }

    /// Ends what is left of the group and reaps the command.
    async fn end(&mut self, ended_by_itself: bool, grace: Duration) -> Option<ExitStatus> {
        let Self { group, child, children_ended, output } = self;
        let complete = ended_by_itself && within(LAST_OUTPUT, output.read_to_end()).await;
        if !complete {
            group.terminate();
            within(grace, async {
                output.read_while(group.leader_ended(children_ended)).await;
                output.read_to_end().await;
            })
            .await;
        }
        group.kill();
        // SIGKILL cannot be refused, but the kernel may be slow; the runtime reaps later what is not waited for.
        let status = tokio::time::timeout(grace.max(LAST_OUTPUT), child.wait()).await;
        group.reaped();
        within(LAST_OUTPUT, output.read_to_end()).await;
        status.ok().and_then(Result::ok)
    }
}

/// Whether the work was finished in time.
async fn within(limit: Duration, work: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(limit, work).await.is_ok()
}

async fn start(command: &Command) -> Result<Running, String> {
    let Some((program, arguments)) = command.argv.split_first() else {
        return Err("the command is empty".to_owned());
    };
    let directory = command.directory.as_path();
    // Checked first: the system names neither, and says "not found" for both.
    if !tokio::fs::metadata(directory).await.is_ok_and(|metadata| metadata.is_dir()) {
        return Err(format!("cannot start `{program}`: {} is not a directory", directory.display()));
    }
    // Listened for before the start, so that no end is missed.
    let children_ended =
        signal(SignalKind::child()).map_err(|error| format!("cannot watch children: {error}"))?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .envs(command.environment.iter())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| why_not_started(program, directory, &error))?;
    let output = Output::new(child.stdout.take(), child.stderr.take());
    let group = Group::led_by(&child).ok_or_else(|| format!("`{program}` has no process id"))?;
    Ok(Running { group, child, children_ended, output })
}

fn why_not_started(program: &str, directory: &Path, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound if program.contains('/') => {
            format!("cannot start `{program}`: there is no such file (seen from {})", directory.display())
        }
        std::io::ErrorKind::NotFound => format!("cannot start `{program}`: there is no such program on PATH"),
        std::io::ErrorKind::PermissionDenied => format!("cannot start `{program}`: it is not executable"),
        _ => format!("cannot start `{program}`: {error}"),
    }
}
