//! The service: its parts put together, started and stopped.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use domain::kinds::Kinds;
use service_kit::client::Neighbour;
use service_kit::clock::Clock;
use service_kit::db::Db;
use service_kit::http::{Bulk, CheckState, HttpOptions, Readiness, ServiceParts, serve};
use service_kit::outbox::{self, WorkerOptions, run_worker};
use service_kit::rules::{PolicyVersions, PolicyWatcher};
use service_kit::{CommonConfig, Main, ServiceName, main_of};
use shared_types::rollout::Rollout;
use shared_types::{Directive, TargetName};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::analyzer::Analyzer;
use crate::effects::Effects;
use crate::store::{DOCUMENTS, MIGRATIONS, Store};
use crate::subscriber::WatchSubscriber;
use crate::watch_loop::{Directives, WatchLoop};
use crate::{http, metrics};

/// How long the reporter may take to take a decision.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the watch waits for the reporter's word; without it, silence is raised.
const DIRECTIVE_TIMEOUT: Duration = Duration::from_secs(1);

const FORGET_EVERY: Duration = Duration::from_secs(60);
const FORGOTTEN_AT_ONCE: u32 = 500;
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
    let main = Main { service: ServiceName::Analyzer, about, kinds, arguments: &std::convert::identity };
    main_of(main, |_, common, listener, shutdown| run(Config { common }, listener, shutdown))
}

/// Runs the analyzer until `shutdown`: HTTP, the watch, and the delivery of decisions. What was accepted is
/// committed; what was not delivered yet is delivered after the next start.
///
/// # Errors
/// The database cannot be opened, the listener cannot be used, or a part ended that must not.
pub async fn run(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Config { common } = config;
    metrics::describe();
    let db = common.database(MIGRATIONS).await?;
    let replica = common.join::<Effects>(&db, DOCUMENTS).await?;
    let store = Store::new(db.clone());
    let clock = Arc::clone(&common.clock);
    let files = common.policy_file();
    let versions = PolicyVersions::open(&db, &files, &common.policy, clock.as_ref()).await?;
    let subscriber = WatchSubscriber { store: store.clone(), versions: versions.clone() };
    let mut watcher =
        PolicyWatcher::new(common.service, versions.clone(), files, &db, &clock, Arc::new(subscriber));
    watcher.begin(&common.policy).await.context("policy")?;
    let analyzer = Analyzer::new(store.clone(), versions.clone(), Arc::clone(&clock));

    let directives = ReporterDirectives(common.neighbour(ServiceName::Reporter, DIRECTIVE_TIMEOUT)?);
    let watch = WatchLoop::new(analyzer.clone(), Arc::new(directives));
    let effects = Arc::new(Effects { reporter: common.neighbour(ServiceName::Reporter, DELIVERY_TIMEOUT)? });
    let options = WorkerOptions::new(ServiceName::Analyzer.as_str());
    let worker = run_worker(db.clone(), Arc::clone(&clock), effects, options, shutdown.clone());

    let clock_of_retention = Arc::clone(&clock);
    let parts = ServiceParts {
        service: ServiceName::Analyzer,
        router: http::routes(analyzer),
        openapi: http::openapi(),
        readiness: readiness(&db, &clock, versions.clone()),
        tokens: common.tokens.clone(),
        options: HttpOptions { bulk: TRIALS, ..HttpOptions::default() },
    };
    let forgetting = tokio::spawn(forget(store, clock_of_retention, versions, shutdown.clone()));
    let watcher = tokio::spawn(watcher.run(shutdown.clone()));
    let watch = tokio::spawn(watch.run(db.clone(), shutdown.clone()));
    let worker = tokio::spawn(worker);
    let beating = tokio::spawn({
        let (replica, shutdown) = (Arc::clone(&replica), shutdown.clone());
        async move { replica.run(shutdown).await }
    });
    let served = serve(parts, listener, shutdown.clone());
    let (served, watched, worked) = tokio::join!(
        async {
            let served = serve_then_stop(served, &shutdown).await;
            served.context("serve")
        },
        ended(watch, "the watch", &shutdown),
        ended(worker, "the delivery", &shutdown),
    );
    forgetting.await.ok();
    watcher.await.ok();
    let lived = beating.await;
    replica.leave().await.ok();
    db.close().await;
    lived.context("the heartbeat broke")?.context("this replica cannot go on")?;
    served.and(watched).and(worked)
}

/// Deletes what is older than the policy keeps, a little at a time; a failure is the next round's work.
async fn forget(store: Store, clock: Arc<dyn Clock>, versions: PolicyVersions, shutdown: CancellationToken) {
    loop {
        let (now, keep) = (clock.now(), versions.current().policy.retention);
        let batches = keep.batches.map(|it| now.minus(it));
        let decisions = keep.decisions.map(|it| now.minus(it));
        let more = match store.forget(batches, decisions, FORGOTTEN_AT_ONCE).await {
            Ok(more) => more,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "old rows were not deleted");
                false
            }
        };
        let pause = if more { Duration::from_millis(100) } else { FORGET_EVERY };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Without its listener the service is of no use; the rest is stopped too.
async fn serve_then_stop(
    served: impl Future<Output = anyhow::Result<()>>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let served = served.await;
    shutdown.cancel();
    served
}

/// A loop that ends before it was told to takes the service with it: half a service is worse than none.
async fn ended(task: JoinHandle<()>, name: &'static str, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let ended = task.await;
    let in_time = shutdown.is_cancelled();
    shutdown.cancel();
    ended.with_context(|| format!("{name} broke"))?;
    anyhow::ensure!(in_time, "{name} ended by itself");
    Ok(())
}

/// A reporter that is away only makes decisions wait.
fn readiness(db: &Db, clock: &Arc<dyn Clock>, versions: PolicyVersions) -> Readiness {
    let (outbox, clock) = (db.clone(), Arc::clone(clock));
    Readiness::of(db, versions).check("reporter", move || {
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

/// The reporter's word on what is collected.
pub struct ReporterDirectives(pub Neighbour);

#[async_trait]
impl Directives for ReporterDirectives {
    async fn of(&self, target: &TargetName) -> Option<Directive> {
        match self.0.get_json::<Rollout>(&format!("/v1/rollouts/{target}")).await {
            Ok(rollout) => rollout.directive,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(%target, error, "the reporter has no directive for us");
                None
            }
        }
    }
}
