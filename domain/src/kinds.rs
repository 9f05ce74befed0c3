//! The kinds that a policy may name. A value, not a table of the program: whoever brings a kind of their own adds it, and
//! nothing here learns of it.

use std::sync::Arc;

use crate::executors::{self, ExecutorKind};
use crate::notifiers::{self, NotifierKind};

/// What a policy's text is read with.
#[derive(Clone)]
pub struct Kinds {
    executors: Vec<Arc<dyn ExecutorKind>>,
    notifiers: Vec<Arc<dyn NotifierKind>>,
}

impl Kinds {
    /// Those of the product.
    #[must_use]
    pub fn shipped() -> Self {
        Self { executors: executors::shipped(), notifiers: notifiers::shipped() }
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

    /// The notifiers, the shipped ones first.
    #[must_use]
    pub fn notifiers(&self) -> &[Arc<dyn NotifierKind>] {
        &self.notifiers
    }

    /// The executors, the shipped ones first.
    #[must_use]
    pub fn executors(&self) -> &[Arc<dyn ExecutorKind>] {
        &self.executors
    }

    pub(crate) fn executor(&self, name: &str) -> Option<&dyn ExecutorKind> {
        self.executors.iter().find(|it| it.name() == name).map(AsRef::as_ref)
    }
}
