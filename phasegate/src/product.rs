//! What Phasegate is made of: the kinds of each seam, each with both its halves, what it means and how it is done.

use std::sync::Arc;

use clap::{ArgMatches, Command};
use collector_svc::sources::{self, Reader};
use domain::executors::ExecutorKind;
use domain::gate::metric::MetricKind;
use domain::kinds::Kinds;
use domain::notifiers::NotifierKind;
use domain::sources::SourceKind;
use reporter_svc::composition::Composition;
use reporter_svc::executors::{Executor, Executors};
use reporter_svc::kind::Kind;
use reporter_svc::notifiers::Notifier;
use service_kit::{CommonConfig, ServiceName};

/// See the module. A binary of somebody else's is one of these with more in it, given to [`crate::run`].
#[derive(Debug, Clone)]
pub struct Product {
    kinds: Kinds,
    sources: Vec<Reader>,
    reporter: Composition,
}

impl Product {
    /// What is shipped.
    #[must_use]
    pub fn shipped() -> Self {
        let (sources, reporter) = (sources::SHIPPED.to_vec(), Composition::shipped());
        Self { kinds: Kinds::shipped(), sources, reporter }
    }

    /// One more kind of metric; it takes the place of one of the same key.
    #[must_use]
    pub fn with_metric(mut self, kind: MetricKind) -> Self {
        self.kinds = self.kinds.with_metric(kind);
        self
    }

    /// One more kind of source, and what reads it; it takes the place of one of the same key.
    #[must_use]
    pub fn with_source(mut self, kind: SourceKind, reader: Reader) -> Self {
        self.kinds = self.kinds.with_source(kind);
        self.sources.retain(|it| it.key != reader.key);
        self.sources.push(reader);
        self
    }

    /// One more executor; it takes the place of one of the same name.
    #[must_use]
    pub fn with_executor(mut self, kind: Arc<dyn ExecutorKind>, acts: Kind<dyn Executor>) -> Self {
        self.kinds = self.kinds.with_executor(kind);
        self.reporter = self.reporter.with_executor(acts);
        self
    }

    /// One more notifier; it takes the place of one of the same name.
    #[must_use]
    pub fn with_notifier(mut self, kind: Arc<dyn NotifierKind>, sends: Kind<dyn Notifier>) -> Self {
        self.kinds = self.kinds.with_notifier(kind);
        self.reporter = self.reporter.with_notifier(sends);
        self
    }

    /// What a policy may name.
    #[must_use]
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// What reads the sources of a policy.
    #[must_use]
    pub fn sources(&self) -> &[Reader] {
        &self.sources
    }

    /// The executors as they would be here.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn executors(&self) -> anyhow::Result<Executors> {
        reporter_svc::Config::executors_here(&self.reporter)
    }

    /// Adds the flags and variables of the kinds.
    #[must_use]
    pub fn arguments(&self, command: Command) -> Command {
        self.reporter.arguments(command)
    }

    /// The collector's configuration beside the others'.
    #[must_use]
    pub fn collector(&self, common: &CommonConfig) -> collector_svc::Config {
        let sources = self.sources.as_slice().into();
        collector_svc::Config {
            sources,
            ..collector_svc::Config::new(common.for_service(ServiceName::Collector))
        }
    }

    /// The analyzer's.
    #[must_use]
    pub fn analyzer(&self, common: &CommonConfig) -> analyzer_svc::Config {
        analyzer_svc::Config { common: common.for_service(ServiceName::Analyzer) }
    }

    /// The reporter's, with what its kinds were told.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn reporter(&self, told: &ArgMatches, common: &CommonConfig) -> anyhow::Result<reporter_svc::Config> {
        reporter_svc::Config::new(&self.reporter, told, common.for_service(ServiceName::Reporter))
    }
}
