//! The three services in this process: each with its own listener and configuration, stopped together.

use clap::ArgMatches;
use service_kit::{CommonConfig, ServiceName};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Product;

/// Bound, but not served yet: connections wait, none is refused.
pub(crate) struct Listeners {
    pub(crate) collector: TcpListener,
    pub(crate) analyzer: TcpListener,
    pub(crate) reporter: TcpListener,
}

/// Where the services are.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Running {
    pub(crate) collector: String,
    pub(crate) analyzer: String,
    pub(crate) reporter: String,
}

/// The configurations of all three, checked.
pub(crate) struct Services {
    collector: collector_svc::Config,
    analyzer: analyzer_svc::Config,
    reporter: reporter_svc::Config,
}

impl Services {
    /// Checks what single services are told besides.
    pub(crate) fn new(product: &Product, told: &ArgMatches, common: &CommonConfig) -> anyhow::Result<Self> {
        Ok(Self {
            collector: product.collector(common),
            analyzer: product.analyzer(common),
            reporter: product.reporter(told, common)?,
        })
    }

    /// What goes to the log only, because nothing else is configured (NO-6).
    pub(crate) fn log_only(&self) -> Vec<&'static str> {
        self.reporter.log_only()
    }

    /// Runs all three until `stop`, or until one of them ends, which ends the others.
    pub(crate) async fn run(self, listeners: Listeners, stop: CancellationToken) -> anyhow::Result<()> {
        let collector = collector_svc::run(self.collector, listeners.collector, stop.clone());
        let analyzer = analyzer_svc::run(self.analyzer, listeners.analyzer, stop.clone());
        let reporter = reporter_svc::run(self.reporter, listeners.reporter, stop.clone());
        let (collector, analyzer, reporter) = tokio::join!(
            ended(ServiceName::Collector, collector, &stop),
            ended(ServiceName::Analyzer, analyzer, &stop),
            ended(ServiceName::Reporter, reporter, &stop),
        );
        collector.and(analyzer).and(reporter)
    }
}

/// Two services without the third are of no use, so its end is everybody's.
async fn ended(
    service: ServiceName,
    run: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    // A task of its own each, so that they share the cores.
    let result = tokio::spawn(run).await;
    stop.cancel();
    match result {
        Ok(result) => result.map_err(|cause| cause.context(service.to_string())),
        Err(broken) => Err(anyhow::Error::new(broken).context(format!("the {service} broke"))),
    }
}
