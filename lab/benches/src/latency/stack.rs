//! Analyzer and reporter as they run in production, with a collector that takes directives and no more, or the product's.
//!
//! All of it is in this process, replicas too: each has a database pool, workers and a listener of its own, and they meet in the
//! database alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::put;
use reporter_svc::composition::Composition;
use reporter_svc::executors::{Executor, Executors};
use reqwest::Url;
use serde_json::json;
use service_kit::client::Neighbour;
use service_kit::config::HttpArgs;
use service_kit::db::SchemaName;
use service_kit::{CommonConfig, ServiceName};
use shared_types::{TargetName, Timestamp};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::commands::Commands;
use super::marks::Marks;
use super::wanted::{WINDOW, Wanted};

/// Everything that runs.
pub(crate) struct Stack {
    pub(crate) collector: Neighbour,
    /// The only one, where nobody asked for more.
    pub(crate) first: Replica,
    pub(crate) others: Vec<Replica>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) targets: Vec<TargetName>,
    /// The first window; the n-th violation is n windows later.
    pub(crate) first_window: Timestamp,
    stop: CancellationToken,
    services: Vec<Service>,
}

/// An analyzer, and the reporter that it tells; what the two do.
pub(crate) struct Replica {
    pub(crate) analyzer: Neighbour,
    pub(crate) reporter: Neighbour,
    pub(crate) commands: Arc<Commands>,
}

type Service = JoinHandle<anyhow::Result<()>>;

impl Stack {
    pub(crate) async fn start(
        directory: &Path,
        database: Option<&str>,
        wanted: Wanted,
        marks: Arc<Marks>,
    ) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let (collector_at, listener) = listen().await?;
        let policy = Arc::new(wanted.policy);
        let common = CommonConfig {
            service: ServiceName::Collector,
            database_url: database.map(Into::into),
            database_schema: SchemaName::default(),
            database_connections: None,
            database_wait: Duration::ZERO,
            http: HttpArgs::default(),
            services_here: 1,
            data_dir: directory.to_owned(),
            policy_path: wanted.policy_path,
            policy: Arc::clone(&policy),
            collector_url: collector_at.clone(),
            analyzer_url: collector_at.clone(),
            reporter_url: collector_at.clone(),
            tokens: None,
            service_token: None,
            clock: Arc::clone(&wanted.clock),
        };
        let mut services = Vec::new();
        let first = replica(&common, &marks, &stop, &mut services).await?;
        let mut others = Vec::new();
        for _ in 1..wanted.replicas {
            others.push(replica(&common, &marks, &stop, &mut services).await?);
        }
        services.push(if wanted.collector {
            let of_collector = CommonConfig {
                analyzer_url: url(&first.analyzer.base())?,
                reporter_url: url(&first.reporter.base())?,
                ..common
            };
            tokio::spawn(collector_svc::run(collector_svc::Config::new(of_collector), listener, stop.clone()))
        } else {
            tokio::spawn(directives(listener, stop.clone()))
        });
        let collector = neighbour(&collector_at)?;
        if wanted.collector {
            collector.check_health().await?;
        }
        let first_window = wanted.clock.now().minus(Duration::from_secs(25 * 24 * 3600)).align_up(WINDOW);
        let targets = policy.targets.keys().cloned().collect();
        Ok(Self { collector, first, others, marks, targets, first_window, stop, services })
    }

    /// All of them.
    pub(crate) fn replicas(&self) -> impl Iterator<Item = &Replica> + Clone {
        std::iter::once(&self.first).chain(&self.others)
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        for service in self.services {
            service.await??;
        }
        Ok(())
    }
}

/// Starts one, and waits until it answers: tables are made by one at a time.
async fn replica(
    common: &CommonConfig,
    marks: &Arc<Marks>,
    stop: &CancellationToken,
    services: &mut Vec<Service>,
) -> anyhow::Result<Replica> {
    let (analyzer_at, analyzer) = listen().await?;
    let (reporter_at, reporter) = listen().await?;
    let common = CommonConfig {
        analyzer_url: analyzer_at.clone(),
        reporter_url: reporter_at.clone(),
        ..common.clone()
    };
    let commands = Arc::new(Commands::new(Arc::clone(marks), stop.clone()));
    let shipped = Composition::shipped();
    let of_reporter = common.for_service(ServiceName::Reporter);
    let mut of_reporter = reporter_svc::Config::new(&shipped, &shipped.told_nothing()?, of_reporter)?;
    of_reporter.executors = Executors::default().with(Arc::clone(&commands) as Arc<dyn Executor>);
    let of_analyzer = analyzer_svc::Config { common: common.for_service(ServiceName::Analyzer) };
    services.push(tokio::spawn(analyzer_svc::run(of_analyzer, analyzer, stop.clone())));
    services.push(tokio::spawn(Box::pin(reporter_svc::run(of_reporter, reporter, stop.clone()))));
    let replica =
        Replica { analyzer: neighbour(&analyzer_at)?, reporter: neighbour(&reporter_at)?, commands };
    replica.analyzer.check_health().await?;
    replica.reporter.check_health().await?;
    Ok(replica)
}

fn neighbour(at: &Url) -> anyhow::Result<Neighbour> {
    Ok(Neighbour::new(at.clone(), None, Duration::from_secs(10))?)
}

fn url(text: &str) -> anyhow::Result<Url> {
    service_kit::config::http_url(text).map_err(anyhow::Error::msg)
}

async fn listen() -> anyhow::Result<(Url, TcpListener)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = url(&format!("http://{}", listener.local_addr()?))?;
    Ok((url, listener))
}

/// A collector that takes every directive.
async fn directives(listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
    let take = || async { (StatusCode::OK, axum::Json(json!({}))) };
    let router = Router::new().route("/v1/targets/{target}/directive", put(take));
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}
