//! A kind of executor, notifier or pager, before its settings are known.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgMatches, Command};
use service_kit::clock::Clock;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use crate::api::App;

/// A kind before its settings are known. It brings them itself, and what comes in from it.
pub struct Kind<T: ?Sized> {
    /// That of its other half, in `domain`.
    pub name: &'static str,
    /// Adds its flags and variables.
    pub arguments: fn(Command) -> Command,
    /// With what it was told. A vendor that was told nothing goes to the log (NO-6).
    pub open: fn(&ArgMatches, &Opening) -> anyhow::Result<Arc<T>>,
    /// The calls it takes, with their document.
    pub routes: fn() -> OpenApiRouter<App>,
}

impl<T: ?Sized> Kind<T> {
    /// One that is told nothing and to which nobody talks.
    #[must_use]
    pub const fn plain(
        name: &'static str,
        open: fn(&ArgMatches, &Opening) -> anyhow::Result<Arc<T>>,
    ) -> Self {
        Self { name, arguments: std::convert::identity, open, routes: OpenApiRouter::new }
    }
}

impl<T: ?Sized> Clone for Kind<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Kind<T> {}

impl<T: ?Sized> fmt::Debug for Kind<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a kind works with.
#[derive(Clone)]
pub struct Opening {
    pub data_dir: PathBuf,
    /// What relative paths start from.
    pub directory: PathBuf,
    pub clock: Arc<dyn Clock>,
    /// For one call to a vendor; shorter than the outbox's lease.
    pub timeout: Duration,
    /// Cancelled: what can be ended is ended, with an unknown outcome, and is done again by whoever claims it next.
    pub stop: CancellationToken,
}
