//! What the reporter is composed of: what moves targets, who tells people, who pages them. Which kinds there are stands in the
//! literals of `executors`, `notifiers` and `pagers`; whoever embeds the reporter may add kinds of their own, and nothing here
//! learns of it.

use clap::{ArgMatches, Command};
use utoipa_axum::router::OpenApiRouter;

use crate::api::App;
use crate::executors::{self, Executor};
use crate::kind::Kind;
use crate::notifiers::{self, Notifier};
use crate::pagers::{self, Pager};

/// The kinds. A value: two may live in one process.
#[derive(Debug, Clone)]
pub struct Composition {
    pub executors: Vec<Kind<dyn Executor>>,
    pub notifiers: Vec<Kind<dyn Notifier>>,
    pub pager: Kind<dyn Pager>,
}

impl Composition {
    /// Those of the product.
    #[must_use]
    pub fn shipped() -> Self {
        Self {
            executors: executors::SHIPPED.to_vec(),
            notifiers: notifiers::SHIPPED.to_vec(),
            pager: pagers::SHIPPED,
        }
    }

    /// One more executor; it takes the place of one of the same name.
    #[must_use]
    pub fn with_executor(mut self, kind: Kind<dyn Executor>) -> Self {
        self.executors.retain(|it| it.name != kind.name);
        self.executors.push(kind);
        self
    }

    /// One more notifier; it takes the place of one of the same name.
    #[must_use]
    pub fn with_notifier(mut self, kind: Kind<dyn Notifier>) -> Self {
        self.notifiers.retain(|it| it.name != kind.name);
        self.notifiers.push(kind);
        self
    }

    /// Adds the flags and variables of the reporter and of its kinds.
    #[must_use]
    pub fn arguments(&self, command: Command) -> Command {
        let command = self.notifiers.iter().fold(command, |command, kind| (kind.arguments)(command));
        let command = crate::config::own_arguments((self.pager.arguments)(command));
        self.executors.iter().fold(command, |command, kind| (kind.arguments)(command))
    }

    /// The calls that all kinds take, for the document.
    #[must_use]
    pub fn routes(&self) -> OpenApiRouter<App> {
        let notifiers = self.notifiers.iter().map(|kind| kind.routes);
        notifiers.fold((self.pager.routes)(), |all, routes| all.merge(routes()))
    }

    /// What is told where nothing was given, whatever the environment holds.
    ///
    /// # Errors
    /// A kind cannot do without.
    pub fn told_nothing(&self) -> anyhow::Result<ArgMatches> {
        // Without their variables, which the machine may set.
        let command = self.arguments(Command::new("reporter")).mut_args(|arg| arg.env(None::<&str>));
        Ok(command.try_get_matches_from(["reporter"])?)
    }
}
