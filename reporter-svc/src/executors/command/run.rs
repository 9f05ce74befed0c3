//! The command as an executor: the planned vector, from its start to the end of all that it has started; then the one that
//! reads back.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use service_kit::moment::Moment;
use service_kit::outbox::{Lease, Outcome, Term};
use service_kit::supervisor::{Bounds, Supervised, Supervisor, Task};
use tokio_util::sync::CancellationToken;

use super::environment::Environment;
use super::output::Output;
use super::program::is_there;
use super::report::{Ending, REPORTED_BYTES, Report, tail};
use super::verify::verify;
use crate::executors::{Executor, ReadBack, Turn};
use domain::effects::RunTransition;
use domain::executors::command::{self, Started};
use domain::executors::{Report as Moved, Request, share};

/// Runs commands on this machine. Besides the inherited environment a command is told what it is for:
/// `PHASEGATE_TRANSITION` (an id, the same however often it is run), `PHASEGATE_TARGET`, `PHASEGATE_KIND`
/// (`rollback`, `promote`), `PHASEGATE_FROM`, `PHASEGATE_TO` and, where there is one, `PHASEGATE_INCIDENT`. One that moves
/// also gets `PHASEGATE_FENCE`: a whole number that is higher than that of every attempt at any move of the target before.
#[derive(Debug, Clone)]
pub struct CommandExecutor {
    directory: PathBuf,
    environment: Environment,
    supervisor: Supervisor,
    stop: CancellationToken,
}

impl CommandExecutor {
    /// Commands run in `directory`, below that supervisor. When `stop` is cancelled they are ended, with an unknown outcome, and
    /// are run again by the next service that claims them.
    #[must_use]
    pub fn new(
        directory: impl Into<PathBuf>,
        environment: Environment,
        supervisor: Supervisor,
        stop: CancellationToken,
    ) -> Self {
        Self { directory: directory.into(), environment, supervisor, stop }
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
        Command::new(argv.to_vec(), &self.directory, environment, self.supervisor.clone(), limit)
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

    async fn run(&self, it: &RunTransition, turn: &Turn) -> Result<Moved, Outcome> {
        let command = self.command(&started(it)?.command, it);
        let environment = command.environment.with("PHASEGATE_FENCE", turn.fence.to_string());
        let command = Command { environment, lease: Some(turn.lease.clone()), ..command };
        let report = run(&command, &self.stop).await;
        if !report.succeeded() {
            return Err(report.outcome());
        }
        let detail = tail(&report.output, REPORTED_BYTES).to_owned();
        Ok(Moved { detail, duration_ms: report.took_ms, ..command::exited(0) })
    }

    async fn read_back(&self, it: &RunTransition) -> Result<ReadBack, Outcome> {
        let started = started(it)?;
        let verify_with = started.verify.clone().unwrap_or_default();
        let is_served = |said: &str| share::is_served(&it.to, &started.served, said);
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
    pub supervisor: Supervisor,
    /// How long it may run.
    pub limit: Duration,
    /// How long it has between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// What gives the right to run it. None: it changes nothing, and may as well run beside another.
    pub lease: Option<Lease>,
}

impl Command {
    /// With the shipped grace of 5 s, and without a lease.
    #[must_use]
    pub fn new(
        argv: Vec<String>,
        directory: impl Into<PathBuf>,
        environment: Environment,
        supervisor: Supervisor,
        limit: Duration,
    ) -> Self {
        let (directory, grace) = (directory.into(), Duration::from_secs(5));
        Self { argv, directory, environment, supervisor, limit, grace, lease: None }
    }

    /// Until when it may run, begun then.
    fn bounds(&self, begun: Moment) -> Bounds {
        let end = begun.plus(self.limit);
        let own = Bounds { end, over: end.plus(self.grace) };
        match self.lease.as_ref().map(Lease::term) {
            Some(Term { give_up, over }) => Bounds { end: own.end.min(give_up), over: own.over.min(over) },
            None => own,
        }
    }
}

/// After the command ended, how long the last of its output may take to come through.
const LAST_OUTPUT: Duration = Duration::from_millis(500);
/// What a supervisor needs for the end besides the grace.
const TO_END: Duration = Duration::from_secs(5);

/// Runs the command to its end. A cancelled `stop` ends it, and then nobody knows what it did.
///
/// Dropping the future ends the command too, with its grace; nobody waits for that.
pub async fn run(command: &Command, stop: &CancellationToken) -> Report {
    let (started, begun) = (Instant::now(), Moment::now());
    let mut running = match start(command, begun).await {
        Ok(running) => running,
        Err(reason) => return Report::not_started(reason, started.elapsed()),
    };
    let ending = running.until_ended(command, begun, stop).await;
    // What is left of the output is there, or is kept back by somebody whom nobody reaches.
    within(LAST_OUTPUT, running.output.read_to_end()).await;
    running.output.into_report(ending, started.elapsed())
}

struct Running {
    supervised: Supervised,
    output: Output,
}

impl Running {
    /// Waits for the end of the command and of all it has started, whatever brings it about.
    async fn until_ended(&mut self, command: &Command, begun: Moment, stop: &CancellationToken) -> Ending {
        let Self { supervised, output } = self;
        let mut renewals = command.lease.as_ref().map(Lease::terms);
        loop {
            let ended = async {
                tokio::select! {
                    ended = supervised.ended() => Next::Ended(ended),
                    () = stop.cancelled() => Next::Stop,
                    () = renewed(&mut renewals) => Next::Renewed,
                }
            };
            match output.read_while(ended).await {
                Next::Renewed => supervised.hold(command.bounds(begun)),
                Next::Ended(None) => return Ending::Unwatched,
                Next::Ended(Some(ended)) => {
                    let limit_is_over = begun.plus(command.limit).is_over();
                    return Ending::of(ended, limit_is_over.then_some(command.limit.as_millis()));
                }
                Next::Stop => break,
            }
        }
        supervised.end();
        within(command.grace + TO_END, output.read_while(async { drop(supervised.ended().await) })).await;
        Ending::Cancelled
    }
}

enum Next {
    Ended(Option<service_kit::supervisor::Ended>),
    Stop,
    Renewed,
}

/// Waits for the next renewal, where there are any.
async fn renewed(of: &mut Option<tokio::sync::watch::Receiver<Term>>) {
    let Some(terms) = of else { return std::future::pending().await };
    if terms.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn within(limit: Duration, work: impl Future<Output = ()>) {
    tokio::time::timeout(limit, work).await.ok();
}

async fn start(command: &Command, begun: Moment) -> Result<Running, String> {
    let Some(program) = command.argv.first() else {
        return Err("the command is empty".to_owned());
    };
    let directory = command.directory.as_path();
    // Checked first: the system would not say which of both is not there.
    if !tokio::fs::metadata(directory).await.is_ok_and(|metadata| metadata.is_dir()) {
        return Err(format!("cannot start `{program}`: {} is not a directory", directory.display()));
    }
    let environment: Vec<(OsString, OsString)> =
        command.environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let task = Task {
        words: &command.argv,
        directory,
        environment: &environment,
        bounds: command.bounds(begun),
        grace: command.grace,
    };
    let mut supervised =
        command.supervisor.start(&task).map_err(|error| format!("cannot start `{program}`: {error}"))?;
    let output = Output::new(supervised.stdout.take(), supervised.stderr.take());
    Ok(Running { supervised, output })
}
