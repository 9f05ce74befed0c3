//! Puts the collector together: the policy, a worker a target, the outbox, the HTTP side.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::kinds::Kinds;
use domain::telemetry::event_specs;
use service_kit::client::Neighbour;
use service_kit::clock::Clock;
use service_kit::db::Db;
use service_kit::http::{CheckState, HttpOptions, Readiness, ServiceParts, serve};
use service_kit::outbox::{self, WorkerOptions, run_worker};
use service_kit::rules::{PolicySubscriber, PolicyVersions, PolicyWatcher};
use service_kit::{CommonConfig, Main, ServiceName, Tasks, main_of, retention};
use shared_types::{Directed, TargetName, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Api, BODY_LIMIT, Directory, PUSHES};
use crate::archive;
use crate::effects::{DELIVERY_TIMEOUT, Effects};
use crate::share::Share;
use crate::shared_time::SharedTime;
use crate::sources::{self, Reader};
use crate::state::Lost;
use crate::store::{self, DOCUMENTS, MIGRATIONS, Store};
use crate::worker::{Reading, SourceAils, WorkerHandle};
use crate::worker_pool::WorkerPool;

const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// The collector's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub common: CommonConfig,
    /// Threads that parse one large piece of input together, and large bodies of pushes at once.
    pub parse_threads: usize,
    /// What reads each kind of source that the policy may name.
    pub sources: Arc<[Reader]>,
}

impl Config {
    /// With the defaults.
    #[must_use]
    pub fn new(common: CommonConfig) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { common, parse_threads: cores.min(4), sources: sources::SHIPPED.into() }
    }
}

/// The collector as a process, with the kinds that its policy may name and what reads the sources among them.
#[must_use]
pub fn main(kinds: &Kinds, sources: Vec<Reader>) -> ExitCode {
    let main = Main {
        service: ServiceName::Collector,
        about: "Phasegate collector: telemetry in, one batch a window out",
        kinds,
        migrations: MIGRATIONS,
        arguments: &std::convert::identity,
    };
    main_of(main, |_, common, listener, shutdown| {
        run(Config { sources: sources.into(), ..Config::new(common) }, listener, shutdown)
    })
}

/// Runs the collector until `shutdown`; what was accepted by then is stored.
///
/// # Errors
/// It cannot start.
pub async fn run(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    // A token of our own: what ends this service ends no other one in the process.
    let shutdown = shutdown.child_token();
    let tasks = Arc::new(Tasks::of(&shutdown));
    let common = &config.common;
    let Some(db) = common.database(MIGRATIONS, &shutdown).await? else { return Ok(()) };
    let mark = common.mark(&db).await?;
    let replica = common.join::<Effects>(&db, DOCUMENTS).await?;
    mark.go_on(common.clock.now()).await?;
    let store = Store::new(db.clone());
    for (name, target) in &common.policy.targets {
        event_specs(target).with_context(|| format!("target {name}"))?;
    }
    let files = common.policy_file();
    let versions = PolicyVersions::open(&db, &files, &common.policy, common.clock.as_ref()).await?;
    let reporter = common.neighbour(ServiceName::Reporter, FETCH_TIMEOUT)?;
    let time = SharedTime::asking(Arc::clone(&common.clock));
    let clock: Arc<dyn Clock> = Arc::<SharedTime>::clone(&time);
    let kept = store.clone();
    let reading = Reading {
        readers: Arc::clone(&config.sources),
        parse_threads: config.parse_threads,
        share: Share::of(&replica),
    };
    let pool = WorkerPool::new(
        versions.clone(),
        kept,
        Arc::clone(&time),
        reporter.clone(),
        reading,
        Arc::clone(&tasks),
    );
    let pool = Arc::new(pool);
    let subscriber = Arc::clone(&pool) as Arc<dyn PolicySubscriber>;
    let mut watcher = PolicyWatcher::new(common.service, versions.clone(), files, &db, &clock, subscriber);
    watcher.begin(&common.policy).await.context("policy")?;

    let analyzer = common.neighbour(ServiceName::Analyzer, DELIVERY_TIMEOUT)?;
    let effects = Effects {
        store: store.clone(),
        analyzer: analyzer.clone(),
        reporter,
        data_dir: common.data_dir.clone(),
    };
    let outbox_stop = CancellationToken::new();
    let outbox = run_worker(
        db.clone(),
        Arc::clone(&clock),
        Arc::new(effects),
        WorkerOptions::new(ServiceName::Collector.as_str()),
        outbox_stop.clone(),
    );
    let outbox = tasks.start("the delivery", &outbox_stop, outbox);
    let background = CancellationToken::new();
    let watcher = tasks.start("the policy's watcher", &background, watcher.run(background.clone()));
    let looking = {
        let looking = Arc::clone(&time).watch(analyzer, background.clone());
        tasks.start("the look at the analyzer's clock", &background, looking)
    };
    let retention = {
        let (versions, clock) = (versions.clone(), Arc::clone(&clock));
        let forgetting = retention::keep(db.clone(), clock, versions, store::HISTORY, background.clone());
        tasks.start("the retention", &background, forgetting)
    };
    let keeping = {
        let (versions, data_dir) = (versions.clone(), common.data_dir.clone());
        let keeping = archive::keep_for(data_dir, versions, Arc::clone(&clock), background.clone());
        tasks.start("the archive's retention", &background, keeping)
    };
    let beating = {
        let (replica, stop) = (Arc::clone(&replica), shutdown.clone());
        tasks.start_fallible("the heartbeat", &shutdown, async move { replica.run(stop).await })
    };
    let marking = mark.start(&tasks, &common.clock);

    let directory = pool.directory.clone();
    let targets = directory.clone();
    let parsers = Arc::new(Semaphore::new(config.parse_threads));
    let api = Api { targets, versions: versions.clone(), store, clock: Arc::clone(&clock), parsers };
    let parts = ServiceParts {
        service: ServiceName::Collector,
        router: api::router(api),
        openapi: api::openapi(),
        readiness: readiness(&db, time, directory, versions, &tasks).disk_of(&common.data_dir),
        tokens: common.tokens.clone(),
        options: HttpOptions { body_limit: BODY_LIMIT, bulk: PUSHES, ..common.http_options() },
    };
    let served = serve(parts, listener, shutdown.clone()).await;
    shutdown.cancel();

    // In this order nothing is lost: requests have their answers, workers commit what is left, effects end.
    background.cancel();
    retention.ended().await;
    keeping.ended().await;
    looking.ended().await;
    watcher.ended().await;
    pool.shut_down().await;
    outbox_stop.cancel();
    outbox.ended().await;
    beating.ended().await;
    replica.leave().await.ok();
    marking.end().await;
    db.close().await;
    tasks.outcome()?;
    served
}

/// One question to the reporter. True: there is nothing more to ask.
pub async fn ask_directive(reporter: &Neighbour, target: &TargetName, worker: &WorkerHandle) -> bool {
    match reporter.get_json::<Directed>(&format!("/v1/rollouts/{target}")).await {
        Ok(Directed { directive: None }) => return true,
        Ok(Directed { directive: Some(directive) }) => match worker.direct(directive).await {
            Ok(Ok(_)) | Err(_) => return true,
            Ok(Err(error)) => tracing::warn!(target_name = %target, %error, "the directive was not stored"),
        },
        Err(error) => tracing::info!(target_name = %target, %error, "no directive from the reporter yet"),
    }
    false
}

fn readiness(
    db: &Db,
    time: Arc<SharedTime>,
    directory: Directory,
    versions: PolicyVersions,
    tasks: &Tasks,
) -> Readiness {
    let (stats_db, stats_clock) = (db.clone(), Arc::clone(&time));
    let policies = versions.clone();
    let failing = directory.clone();
    Readiness::of(db, versions, tasks)
        .check("outbox", move || {
            let (db, now) = (stats_db.clone(), stats_clock.now());
            async move { outbox_state(&db, now).await }
        })
        .check("clock", move || {
            let policy = Arc::clone(&policies.current().policy);
            let graces = policy.targets.values().map(|target| target.collection.grace);
            std::future::ready(time.state(graces.min().unwrap_or_default()))
        })
        .check("sources", move || std::future::ready(degraded(&failing, source_fails)))
        .check("source_lost", move || std::future::ready(degraded(&directory, source_lost)))
}

/// Degraded, where a worker has something to say.
fn degraded(directory: &Directory, of: fn(SourceAils) -> Vec<String>) -> CheckState {
    let said = directory.all().into_iter().flat_map(|(name, entry)| {
        of(entry.worker.source_ails()).into_iter().map(move |said| format!("{name}: {said}"))
    });
    let said: Vec<String> = said.collect();
    if said.is_empty() { CheckState::Ok } else { CheckState::Degraded(said.join("; ")) }
}

fn source_fails(ails: SourceAils) -> Vec<String> {
    let left_out = ails.left_out.into_iter().map(|it| format!("{} is left out: {}", it.path, it.reason));
    ails.error.into_iter().chain(left_out).collect()
}

/// CO-9: for a day.
fn source_lost(ails: SourceAils) -> Vec<String> {
    let said = |Lost { at, file, bytes }: Lost| match bytes {
        Some(bytes) => {
            format!("{file} was not read to its end, at least {bytes} bytes are lost (found at {at})")
        }
        None => format!("{file} is gone, what was last written there may be lost (found at {at})"),
    };
    ails.lost.into_iter().map(said).collect()
}

async fn outbox_state(db: &Db, now: Timestamp) -> CheckState {
    match outbox::stats(db, now).await {
        Ok(stats) if stats.dead > 0 => CheckState::Degraded(format!("{} effects were given up", stats.dead)),
        Ok(stats) => match stats.failing_lanes.first() {
            Some((lane, error)) => CheckState::Degraded(format!("{lane}: {error}")),
            None => CheckState::Ok,
        },
        Err(error) => CheckState::Failing(error.to_string()),
    }
}
