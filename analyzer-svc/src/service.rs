//! The service: its parts put together, started and stopped.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::kinds::Kinds;
use service_kit::clock::Clock;
use service_kit::db::Db;
use service_kit::http::{Bulk, CheckState, HttpOptions, Readiness, ServiceParts, serve};
use service_kit::outbox::{self, WorkerOptions, run_worker};
use service_kit::rules::{PolicyVersions, PolicyWatcher};
use service_kit::{CommonConfig, Main, ServiceName, Tasks, main_of, retention};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::analyzer::Analyzer;
use crate::directives::ReporterDirectives;
use crate::effects::Effects;
use crate::store::{self, DOCUMENTS, MIGRATIONS, Store};
use crate::subscriber::WatchSubscriber;
use crate::watch_loop::WatchLoop;
use crate::{http, metrics};

/// How long the reporter may take to take a decision.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the reporter's word is waited for; without it, silence is raised.
const DIRECTIVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Trials may bring years of history: a few at a time, apart from the batches that decisions wait for.
const TRIALS: Bulk = Bulk { calls: &["/evaluations", "/backtests"], in_flight: 2, body_budget: 20 << 20 };

/// What the analyzer is run with.
#[derive(Debug, Clone)]
pub struct Config {
    pub common: CommonConfig,
}

/// The analyzer as a process, with the kinds that its policy may name.
#[must_use]
pub fn main(kinds: &Kinds) -> ExitCode {
    let about = "Judges batches against the policy's SLOs and reports its decisions";
    let main = Main {
        service: ServiceName::Analyzer,
        about,
        kinds,
        migrations: MIGRATIONS,
        arguments: &std::convert::identity,
    };
    main_of(main, |_, common, listener, shutdown| run(Config { common }, listener, shutdown))
}

/// Runs the analyzer until `shutdown`: HTTP, the watch, and the delivery of decisions. What was accepted is
/// committed; what was not delivered yet is delivered after the next start.
///
/// # Errors
/// The database cannot be opened, the listener cannot be used, or a part ended that must not.
pub async fn run(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Config { common } = config;
    // A token of our own: what ends this service ends no other one in the process.
    let shutdown = shutdown.child_token();
    let tasks = Tasks::of(&shutdown);
    metrics::describe();
    let Some(db) = common.database(MIGRATIONS, &shutdown).await? else { return Ok(()) };
    let mark = common.mark(&db).await?;
    let replica = common.join::<Effects>(&db, DOCUMENTS).await?;
    mark.go_on(common.clock.now()).await?;
    let store = Store::new(db.clone());
    let clock = Arc::clone(&common.clock);
    let files = common.policy_file();
    let versions = PolicyVersions::open(&db, &files, &common.policy, clock.as_ref()).await?;
    let subscriber = WatchSubscriber { store: store.clone(), versions: versions.clone() };
    let mut watcher =
        PolicyWatcher::new(common.service, versions.clone(), files, &db, &clock, Arc::new(subscriber));
    watcher.begin(&common.policy).await.context("policy")?;
    let directives = ReporterDirectives(common.neighbour(ServiceName::Reporter, DIRECTIVE_TIMEOUT)?);
    let analyzer = Analyzer::new(store, versions.clone(), Arc::clone(&clock), Arc::new(directives));

    let watch = WatchLoop::new(analyzer.clone());
    let past = watch.clone();
    let effects = Arc::new(Effects { reporter: common.neighbour(ServiceName::Reporter, DELIVERY_TIMEOUT)? });
    let options = WorkerOptions::new(ServiceName::Analyzer.as_str());
    let worker = run_worker(db.clone(), Arc::clone(&clock), effects, options, shutdown.clone());

    let (kept, of_clock) = (versions.clone(), Arc::clone(&clock));
    let forgetting = retention::keep(db.clone(), of_clock, kept, store::HISTORY, shutdown.clone());
    let parts = ServiceParts {
        service: ServiceName::Analyzer,
        router: http::routes(analyzer, &shutdown),
        openapi: http::openapi(),
        readiness: readiness(&db, &clock, versions, &tasks)
            .check("past", move || std::future::ready(past.past()))
            .disk_of(&common.data_dir),
        tokens: common.tokens.clone(),
        options: HttpOptions { bulk: TRIALS, ..common.http_options() },
    };
    let started = [
        tasks.start("the watch", &shutdown, watch.run(db.clone(), shutdown.clone())),
        tasks.start("the delivery", &shutdown, worker),
        tasks.start("the policy's watcher", &shutdown, watcher.run(shutdown.clone())),
        tasks.start("the retention", &shutdown, forgetting),
        tasks.start_fallible("the heartbeat", &shutdown, {
            let (replica, stop) = (Arc::clone(&replica), shutdown.clone());
            async move { replica.run(stop).await }
        }),
    ];
    let marking = mark.start(&tasks, &common.clock);
    let served = serve(parts, listener, shutdown.clone()).await;
    // Without its listener the service is of no use; the rest is stopped too.
    shutdown.cancel();
    for task in started {
        task.ended().await;
    }
    replica.leave().await.ok();
    marking.end().await;
    db.close().await;
    tasks.outcome()?;
    served.context("serve")
}

/// A reporter that is away only makes decisions wait.
fn readiness(db: &Db, clock: &Arc<dyn Clock>, versions: PolicyVersions, tasks: &Tasks) -> Readiness {
    let (outbox, clock) = (db.clone(), Arc::clone(clock));
    Readiness::of(db, versions, tasks).check("reporter", move || {
        let (db, now) = (outbox.clone(), clock.now());
        async move {
            match outbox::stats(&db, now).await {
                Err(error) => CheckState::Degraded(error.to_string()),
                Ok(stats) if stats.dead > 0 => {
                    CheckState::Degraded(format!("{} decisions were refused", stats.dead))
                }
                Ok(stats) => match stats.failing_lanes.first() {
                    Some((lane, reason)) => CheckState::Degraded(format!("{lane}: {reason}")),
                    None => CheckState::Ok,
                },
            }
        }
    })
}
