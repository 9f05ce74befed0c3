//! Analyzer and reporter as they run in production, with a collector that takes directives and no more.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::put;
use domain::effects::RunTransition;
use domain::executors::{Report, command};
use domain::policy::Policy;
use reporter_svc::composition::Composition;
use reporter_svc::executors::command::{CommandExecutor, Environment};
use reporter_svc::executors::{Executor, Executors, ReadBack, Turn};
use reqwest::Url;
use serde_json::json;
use service_kit::client::Neighbour;
use service_kit::clock::{Clock, SystemClock};
use service_kit::config::HttpArgs;
use service_kit::db::SchemaName;
use service_kit::outbox::Outcome;
use service_kit::supervisor::Supervisor;
use service_kit::{CommonConfig, ServiceName};
use shared_types::rollout::TransitionKind;
use shared_types::{TargetName, Timestamp};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::marks::{Mark, Marks};

/// How a rollback's command is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Start {
    /// Its start is noted, and it has succeeded.
    Noted,
    /// A process is started by the product's executor; it says when it began.
    Spawned,
}

/// Everything that runs.
pub(crate) struct Stack {
    pub(crate) analyzer: Neighbour,
    pub(crate) reporter: Neighbour,
    pub(crate) marks: Arc<Marks>,
    pub(crate) targets: Vec<TargetName>,
    /// The first window; the n-th violation is n windows later.
    pub(crate) first_window: Timestamp,
    pub(crate) commands: Arc<Commands>,
    stop: CancellationToken,
    services: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Stack {
    pub(crate) async fn start(
        directory: &Path,
        database: Option<&str>,
        targets: usize,
        marks: Arc<Marks>,
    ) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let (collector_at, collector) = listen().await?;
        let (analyzer_at, analyzer) = listen().await?;
        let (reporter_at, reporter) = listen().await?;
        let policy_path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/policies/source-document.yaml");
        let policy = Arc::new(policy(&policy_path, targets)?);
        let common = |service| CommonConfig {
            service,
            database_url: database.map(Into::into),
            database_schema: SchemaName::default(),
            database_connections: None,
            database_wait: Duration::ZERO,
            http: HttpArgs::default(),
            services_here: 1,
            data_dir: directory.to_owned(),
            policy_path: policy_path.clone(),
            policy: Arc::clone(&policy),
            collector_url: collector_at.clone(),
            analyzer_url: analyzer_at.clone(),
            reporter_url: reporter_at.clone(),
            tokens: None,
            service_token: None,
            clock: Arc::new(SystemClock) as Arc<dyn Clock>,
        };
        let commands = Arc::new(Commands::new(Arc::clone(&marks), stop.clone()));
        let shipped = Composition::shipped();
        let mut of_reporter =
            reporter_svc::Config::new(&shipped, &shipped.told_nothing()?, common(ServiceName::Reporter))?;
        of_reporter.executors = Executors::default().with(Arc::clone(&commands) as Arc<dyn Executor>);
        let of_analyzer = analyzer_svc::Config { common: common(ServiceName::Analyzer) };
        let services = vec![
            tokio::spawn(directives(collector, stop.clone())),
            tokio::spawn(analyzer_svc::run(of_analyzer, analyzer, stop.clone())),
            tokio::spawn(Box::pin(reporter_svc::run(of_reporter, reporter, stop.clone()))),
        ];
        let neighbour = |url: &Url| Neighbour::new(url.clone(), None, Duration::from_secs(10));
        let stack = Self {
            analyzer: neighbour(&analyzer_at)?,
            reporter: neighbour(&reporter_at)?,
            marks,
            targets: policy.targets.keys().cloned().collect(),
            first_window: SystemClock.now().minus(Duration::from_secs(25 * 24 * 3600)).align_up(WINDOW),
            commands,
            stop,
            services,
        };
        stack.analyzer.check_health().await?;
        stack.reporter.check_health().await?;
        Ok(stack)
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        for service in self.services {
            service.await??;
        }
        Ok(())
    }
}

/// As in the shipped policy.
pub(crate) const WINDOW: Duration = Duration::from_secs(900);

/// The shipped policy, with windows of the past that nobody misses, as many targets as are asked for, and nothing that
/// would keep one from being rolled back again and again.
fn policy(path: &Path, targets: usize) -> anyhow::Result<Policy> {
    let mut policy = Policy::load(path)?;
    let (_, mut target) = policy.targets.pop_first().context("the policy has no target")?;
    target.collection.window = WINDOW;
    target.collection.delayed_after = Duration::from_secs(60 * 24 * 3600);
    target.evidence.clear();
    target.transitions.budget.automatic_rollbacks = u64::MAX;
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(&target.notifications.templates);
    target.notifications.templates = templates.display().to_string();
    let name = |number| TargetName::parse(&format!("autosave-{number}"));
    for number in 0..targets.max(1) {
        policy.targets.insert(name(number)?, target.clone());
    }
    Ok(policy)
}

async fn listen() -> anyhow::Result<(Url, TcpListener)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = service_kit::config::http_url(&format!("http://{}", listener.local_addr()?));
    Ok((url.map_err(anyhow::Error::msg)?, listener))
}

/// A collector that takes every directive.
async fn directives(listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
    let take = || async { (StatusCode::OK, axum::Json(json!({}))) };
    let router = Router::new().route("/v1/targets/{target}/directive", put(take));
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

/// Runs the commands, and marks when a rollback's began.
pub(crate) struct Commands {
    marks: Arc<Marks>,
    how: Mutex<Start>,
    started: tokio::sync::Notify,
    /// Rollbacks whose command began, not taken yet.
    log: Mutex<Vec<(TargetName, Instant)>>,
    real: CommandExecutor,
}

impl Commands {
    fn new(marks: Arc<Marks>, stop: CancellationToken) -> Self {
        let real =
            CommandExecutor::new(".", Environment::of_this_process(&[]), Supervisor::of_this_process(), stop);
        Self {
            marks,
            how: Mutex::new(Start::Noted),
            started: tokio::sync::Notify::new(),
            log: Mutex::default(),
            real,
        }
    }

    pub(crate) fn start_by(&self, how: Start) {
        *self.how.lock().unwrap_or_else(PoisonError::into_inner) = how;
    }

    /// Which rollbacks' commands began since it was asked last, and when.
    pub(crate) fn take_started(&self) -> Vec<(TargetName, Instant)> {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn log(&self, target: &TargetName, at: Instant) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push((target.clone(), at));
    }

    /// Until the next rollback's command was begun.
    pub(crate) async fn started(&self) {
        self.started.notified().await;
    }

    /// The process prints its own time, which is compared with ours: the moment it really ran.
    async fn spawn(&self, transition: &RunTransition, turn: &Turn) -> Result<Report, Outcome> {
        let mut transition = transition.clone();
        transition.request = command::request(&command::Started {
            command: ["date", "+%s%N"].map(str::to_owned).to_vec(),
            ..command::Started::default()
        });
        let report = self.real.run(&transition, turn).await?;
        let printed = report.detail.trim().parse().ok();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let ago = now.saturating_sub(Duration::from_nanos(printed.unwrap_or_default()));
        let began = Instant::now().checked_sub(ago).unwrap_or_else(Instant::now);
        self.marks.set_at(Mark::CommandStarted, began);
        self.log(&transition.target, began);
        Ok(report)
    }
}

#[async_trait]
impl Executor for Commands {
    fn name(&self) -> &'static str {
        command::NAME
    }

    async fn run(&self, transition: &RunTransition, turn: &Turn) -> Result<Report, Outcome> {
        if transition.kind == TransitionKind::Rollback {
            let how = *self.how.lock().unwrap_or_else(PoisonError::into_inner);
            if how == Start::Spawned {
                let outcome = self.spawn(transition, turn).await;
                self.started.notify_one();
                return outcome;
            }
            self.marks.set(Mark::CommandStarted);
            self.log(&transition.target, Instant::now());
            self.started.notify_one();
        }
        Ok(Report { verified: Some(transition.to.to_string()), ..command::exited(0) })
    }

    async fn read_back(&self, transition: &RunTransition) -> Result<ReadBack, Outcome> {
        Ok(ReadBack { served: transition.to.to_string(), as_asked: true })
    }
}
