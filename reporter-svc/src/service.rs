//! Puts the service together and runs it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::kinds::Kinds;
use domain::policy::Policy;
use domain::template::Templates;
use service_kit::auth::Authenticator;
use service_kit::db::Db;
use service_kit::http::{CheckState, HttpOptions, Readiness, ServiceParts, StreamBounds};
use service_kit::outbox::{WorkerOptions, run_worker};
use service_kit::rules::{PolicyVersions, PolicyWatcher};
use service_kit::{CommonConfig, Main, ServiceName, Tasks, main_of, retention, seldom};
use shared_types::TargetName;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::{self, App};
use crate::audit::{Archive, Keeper};
use crate::channels::Channels;
use crate::composition::Composition;
use crate::config::Config;
use crate::dashboard::Publisher;
use crate::drift::DriftWatch;
use crate::effects::{Effects, LongestMove};
use crate::notifiers::Notifiers;
use crate::reporter::Reporter;
use crate::restored::{self, Restored};
use crate::store::{self, DOCUMENTS, MIGRATIONS, Store};
use crate::subscriber::RolloutSubscriber;

const NAME: &str = "reporter";
const SLOWEST_POLL: Duration = Duration::from_secs(1);
const FASTEST_POLL: Duration = Duration::from_millis(50);
/// A backtest over a long history takes its time.
const ANALYZER_TIMEOUT: Duration = Duration::from_secs(25);
const COLLECTOR_TIMEOUT: Duration = Duration::from_secs(10);
/// A collector that is away delays a rollback by no more than this.
const QUICK: Duration = Duration::from_secs(1);
/// How long a move may go on after the stop was asked for; shorter than the worker's drain.
const MOVE_GRACE: Duration = Duration::from_secs(5);
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// The reporter as a process, with the kinds that its policy may name and those who act for them.
#[must_use]
pub fn main(kinds: &Kinds, of: &Composition) -> ExitCode {
    let main = Main {
        service: ServiceName::Reporter,
        about: "Runs rollouts: incidents, rollbacks, notifications, dashboard",
        kinds,
        migrations: MIGRATIONS,
        arguments: &|command| of.arguments(command),
    };
    main_of(main, |told, common, listener, shutdown| async move {
        let config = Config::new(of, &told, common)?;
        run(config, listener, shutdown).await
    })
}

/// Runs the reporter until `shutdown`, then finishes what is under way.
///
/// # Errors
/// It cannot start: database, templates, listener.
pub async fn run(
    mut config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // A token of our own: what ends this service ends no other one in the process.
    let shutdown = shutdown.child_token();
    let tasks = Tasks::of(&shutdown);
    let common = config.common.clone();
    let log_only = config.log_only();
    if !log_only.is_empty() {
        tracing::warn!("not configured, so these go to the log only: {}", log_only.join(", "));
    }
    let Some(db) = common.database(MIGRATIONS, &shutdown).await? else { return Ok(()) };
    let mark = common.mark(&db).await?;
    let replica = common.join::<Effects>(&db, DOCUMENTS).await?;
    let store = Store::new(db.clone());
    let files = common.policy_and_texts();
    let versions = PolicyVersions::open(&db, &files, &common.policy, common.clock.as_ref()).await?;
    let subscriber = RolloutSubscriber {
        store: store.clone(),
        versions: versions.clone(),
        clock: Arc::clone(&common.clock),
    };
    let mut watcher =
        PolicyWatcher::new(common.service, versions.clone(), files, &db, &common.clock, Arc::new(subscriber));
    store.adopt_streams(common.clock.now()).await?;
    watcher.begin(&common.policy).await.context("policy")?;
    let reporter = Arc::new(Reporter::new(store, versions, Arc::clone(&common.clock)));
    let publisher = Arc::new(Publisher::new(Arc::clone(&reporter), &common.data_dir));
    let analyzer = common.neighbour(ServiceName::Analyzer, ANALYZER_TIMEOUT)?;
    let inbound = config.inbound.clone();
    tasks.start("the end of moves", &shutdown, end_later(shutdown.clone(), config.stopping.clone()));
    let (executors, notifiers) = (config.executors.clone(), config.notifiers.clone());
    let ways = Arc::new(Channels { notifiers: notifiers.clone(), pager: Arc::clone(&config.pager) });
    let audit_key = config.audit_key.take();
    let tokens = tokens(&mut config, &reporter);
    for why in notifiers.unreachable(&reporter.rules().policy) {
        tracing::warn!("messages of the policy will be lost: {why}");
    }
    let drift = Arc::new(DriftWatch::new(Arc::clone(&reporter), config.executors.clone(), db.clone()));
    let effects = Arc::new(effects(config, &reporter, &publisher, &drift)?);

    let collector = common.neighbour(ServiceName::Collector, COLLECTOR_TIMEOUT)?;
    let restored = Arc::new(Restored::new(Arc::clone(&reporter), Some(Arc::clone(&mark)), collector));
    restored.take_over().await?;
    let poll = poll(&reporter.rules().policy);
    let background = CancellationToken::new();
    let options = WorkerOptions { poll, ..WorkerOptions::new(NAME) };
    let worker = run_worker(db.clone(), Arc::clone(&common.clock), effects, options, shutdown.clone());
    let worker = tasks.start("the effects' worker", &shutdown, worker);
    let ticker = tick_loop(Arc::clone(&reporter), db.clone(), poll, background.clone());
    let ticker = tasks.start("the timers' loop", &background, ticker);
    let retention = {
        let (versions, stop) = (reporter.versions.clone(), background.clone());
        let clock = Arc::clone(&common.clock);
        let forgetting = retention::keep(db.clone(), clock, versions, store::HISTORY, stop);
        tasks.start("the retention", &background, forgetting)
    };
    let drift = tasks.start("the look at flag systems", &background, drift.run(poll, background.clone()));
    let watcher = tasks.start("the policy's watcher", &background, watcher.run(background.clone()));
    let dashboard = {
        let (publisher, db, stop) = (Arc::clone(&publisher), db.clone(), background.clone());
        tasks.start("the dashboard", &background, async move { publisher.run(&db, poll, stop).await })
    };
    let restored = tasks.start(
        "the look at what neighbours know",
        &background,
        restored.run(db.clone(), background.clone()),
    );
    let keeper = Keeper::new(Arc::clone(&reporter), Archive::below(&common.data_dir)).sealing(audit_key);
    let keeper = Arc::new(keeper);
    let archive = {
        let (keeper, db, stop) = (Arc::clone(&keeper), db.clone(), background.clone());
        tasks.start("the audit's archive", &background, async move { keeper.run(&db, poll, stop).await })
    };
    let beating = {
        let (replica, stop) = (Arc::clone(&replica), shutdown.clone());
        tasks.start_fallible("the heartbeat", &shutdown, async move { replica.run(stop).await })
    };
    let marking = mark.start(&tasks, &common.clock);
    let app = App::new(Arc::clone(&reporter), publisher, analyzer, Arc::clone(&keeper), executors, ways);
    let (router, openapi) = api::router(app, inbound);
    let parts = ServiceParts {
        service: ServiceName::Reporter,
        router,
        openapi,
        readiness: readiness(&reporter, &keeper, &db, &tasks)
            .check("channels", unreachable(&reporter, notifiers))
            .disk_of(&common.data_dir),
        tokens,
        options: http_options(&common),
    };
    let served = Box::pin(service_kit::http::serve(parts, listener, shutdown.clone())).await;
    // Whatever made it end, the rest ends too; effects under way are finished first.
    shutdown.cancel();
    worker.ended().await;
    background.cancel();
    for task in [ticker, retention, drift, watcher, dashboard, restored, archive, beating] {
        task.ended().await;
    }
    replica.leave().await.ok();
    marking.end().await;
    db.close().await;
    tasks.outcome()?;
    served
}

/// Knows who calls, by a browser session too, which all replicas see ended once it was.
fn tokens(config: &mut Config, reporter: &Reporter) -> Option<Arc<Authenticator>> {
    let tokens = config.common.tokens.clone()?;
    Some(match config.sessions.take() {
        Some(sessions) => Arc::new(tokens.with_sessions(sessions, Arc::new(reporter.store.clone()))),
        None => tokens,
    })
}

fn http_options(common: &CommonConfig) -> HttpOptions {
    let options = common.http_options();
    let streams = StreamBounds { paths: api::STREAMS, ..options.streams };
    HttpOptions { body_limit: 2 << 20, streams, ..options }
}

/// Ends what is under way a while after the stop was asked for: moves get that long to finish.
async fn end_later(asked: CancellationToken, end: CancellationToken) {
    asked.cancelled().await;
    tokio::time::sleep(MOVE_GRACE).await;
    end.cancel();
}

/// The texts of every target, checked (NO-2).
///
/// # Errors
/// The first text that is missing or refused.
pub fn templates(policy: &Policy, base: &Path) -> anyhow::Result<BTreeMap<TargetName, Templates>> {
    let load = |(name, target)| -> anyhow::Result<(TargetName, Templates)> {
        let name: &TargetName = name;
        Ok((name.clone(), Templates::load(base, target)?))
    };
    policy.targets.iter().map(load).collect()
}

fn effects(
    config: Config,
    reporter: &Arc<Reporter>,
    publisher: &Arc<Publisher>,
    drift: &Arc<DriftWatch>,
) -> anyhow::Result<Effects> {
    let common = &config.common;
    Ok(Effects {
        reporter: Arc::clone(reporter),
        publisher: Arc::clone(publisher),
        collector: common.neighbour(ServiceName::Collector, COLLECTOR_TIMEOUT)?,
        collector_quick: common.neighbour(ServiceName::Collector, QUICK)?,
        longest: LongestMove::default(),
        data_dir: common.data_dir.clone(),
        stopping: config.stopping,
        notifiers: config.notifiers,
        pager: config.pager,
        executors: config.executors,
        drift: Arc::clone(drift),
    })
}

/// A tenth of the shortest window, so that a policy in seconds is served in seconds.
fn poll(policy: &Policy) -> Duration {
    let windows = policy
        .targets
        .values()
        .flat_map(|it| [it.collection.window, it.transitions.recovery_cadence, it.paging.escalate_after]);
    windows.min().map_or(SLOWEST_POLL, |shortest| (shortest / 10).clamp(FASTEST_POLL, SLOWEST_POLL))
}

/// Level-triggered: looks when something was committed here, and now and then besides.
async fn tick_loop(reporter: Arc<Reporter>, db: Db, poll: Duration, stop: CancellationToken) {
    let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
    let mut rules = reporter.versions.changes();
    rules.mark_changed();
    loop {
        if rules.has_changed().unwrap_or(false) {
            // Marked as seen first: what changes meanwhile is looked at next.
            drop(rules.borrow_and_update());
            if let Err(error) = db.answered(reporter.policy_changed()).await {
                seldom!(warn, "the collector was not told of the policy's windows; trying on", &error);
                rules.mark_changed();
            }
        }
        let now = reporter.clock.now();
        if let Err(error) = db.answered(reporter.tick(now)).await {
            seldom!(warn, "what is due was not done; trying on", &error);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = reporter.due.notified() => {}
            () = tokio::time::sleep(poll) => {}
            _ = housekeeping.tick() => report(&reporter, &db).await,
        }
    }
}

/// The daily reports that are due; within a minute of their time of day (DA-5).
async fn report(reporter: &Reporter, db: &Db) {
    if let Err(error) = db.answered(reporter.make_daily_reports(reporter.clock.now())).await {
        seldom!(warn, "a daily report was not made; trying on", &error);
    }
}

/// Channels of the policy in force that nothing can be sent to (NO-7).
fn unreachable(
    reporter: &Arc<Reporter>,
    notifiers: Notifiers,
) -> impl Fn() -> std::future::Ready<CheckState> + Send + Sync + 'static {
    let reporter = Arc::clone(reporter);
    move || {
        let lost = notifiers.unreachable(&reporter.rules().policy);
        std::future::ready(match lost.as_slice() {
            [] => CheckState::Ok,
            lost => CheckState::Degraded(format!("messages will be lost: {}", lost.join("; "))),
        })
    }
}

fn readiness(reporter: &Arc<Reporter>, keeper: &Arc<Keeper>, db: &Db, tasks: &Tasks) -> Readiness {
    let (keeper, outbox, past) = (Arc::clone(keeper), Arc::clone(reporter), Arc::clone(reporter));
    Readiness::of(db, reporter.versions.clone(), tasks)
        .check("past", move || {
            let reporter = Arc::clone(&past);
            async move { restored::state(&reporter).await }
        })
        .check("audit", move || {
            let keeper = Arc::clone(&keeper);
            async move {
                match keeper.departed().await.first() {
                    Some(how) => CheckState::Degraded(format!("{how}; see /v1/audit/verification")),
                    None => CheckState::Ok,
                }
            }
        })
        .check("effects", move || {
            let reporter = Arc::clone(&outbox);
            async move {
                match reporter.store.outbox_stats(reporter.clock.now()).await {
                    Ok(stats) if stats.dead > 0 => CheckState::Degraded(format!(
                        "{} effects were given up; see /v1/effects?state=dead",
                        stats.dead
                    )),
                    Ok(stats) => match stats.failing_lanes.first() {
                        Some((lane, error)) => CheckState::Degraded(format!("{lane} is failing: {error}")),
                        None => CheckState::Ok,
                    },
                    Err(error) => CheckState::Degraded(error.to_string()),
                }
            }
        })
}
