//! The kinds of things that a policy may name, each known by its key in the file. A value, not a table of the program: what
//! the product ships stands in the registries' literals, and whoever embeds it may add kinds of their own before a policy
//! is read; nothing here learns of it.

use std::fmt::{self, Debug};
use std::sync::Arc;

use crate::executors::{self, ExecutorKind};
use crate::gate::metric::{self, MetricKind};
use crate::notifiers::{self, NotifierKind};
use crate::sources::{self, SourceKind};

pub use crate::chosen::{Chosen, Settings};

/// The kinds that a policy is read by.
#[derive(Clone)]
pub struct Kinds {
    metrics: Vec<MetricKind>,
    sources: Vec<SourceKind>,
    executors: Vec<Arc<dyn ExecutorKind>>,
    notifiers: Vec<Arc<dyn NotifierKind>>,
}

impl Kinds {
    /// Those of the product.
    #[must_use]
    pub fn shipped() -> Self {
        Self {
            metrics: metric::SHIPPED.to_vec(),
            sources: sources::SHIPPED.to_vec(),
            executors: executors::shipped(),
            notifiers: notifiers::shipped(),
        }
    }

    /// One more kind of metric; it takes the place of one of the same key.
    #[must_use]
    pub fn with_metric(mut self, kind: MetricKind) -> Self {
        self.metrics.retain(|it| it.key != kind.key);
        self.metrics.push(kind);
        self
    }

    /// One more kind of source; it takes the place of one of the same key.
    #[must_use]
    pub fn with_source(mut self, kind: SourceKind) -> Self {
        self.sources.retain(|it| it.key != kind.key);
        self.sources.push(kind);
        self
    }

    /// One more executor; it takes the place of one of the same name.
    #[must_use]
    pub fn with_executor(mut self, kind: Arc<dyn ExecutorKind>) -> Self {
        self.executors.retain(|it| it.name() != kind.name());
        self.executors.push(kind);
        self
    }

    /// One more notifier; it takes the place of one of the same name.
    #[must_use]
    pub fn with_notifier(mut self, kind: Arc<dyn NotifierKind>) -> Self {
        self.notifiers.retain(|it| it.name() != kind.name());
        self.notifiers.push(kind);
        self
    }

    /// The kinds of metrics, the shipped ones first.
    #[must_use]
    pub fn metrics(&self) -> &[MetricKind] {
        &self.metrics
    }

    /// The kinds of sources, the shipped ones first.
    #[must_use]
    pub fn sources(&self) -> &[SourceKind] {
        &self.sources
    }

    /// The executors, the shipped ones first.
    #[must_use]
    pub fn executors(&self) -> &[Arc<dyn ExecutorKind>] {
        &self.executors
    }

    /// The notifiers, the shipped ones first.
    #[must_use]
    pub fn notifiers(&self) -> &[Arc<dyn NotifierKind>] {
        &self.notifiers
    }

    pub(crate) fn executor(&self, name: &str) -> Option<&dyn ExecutorKind> {
        self.executors.iter().find(|it| it.name() == name).map(AsRef::as_ref)
    }
}

impl Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metrics = self.metrics.iter().map(|it| it.key);
        let sources = self.sources.iter().map(|it| it.key);
        let executors = self.executors.iter().map(|it| it.name());
        let notifiers = self.notifiers.iter().map(|it| it.name());
        f.debug_set().entries(metrics.chain(sources).chain(executors).chain(notifiers)).finish()
    }
}
