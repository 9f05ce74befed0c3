//! Who tells people: the half of a notifier that sends. What its addresses are, and how a message reads there, was decided
//! before (`domain::notifiers`); here a text that is ready is sent, in one attempt.

mod log;
mod notifier;
mod runbook;
pub mod slack;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clap::ArgMatches;
use domain::effects::{PostMessage, TellUser};
use domain::notifiers::Address;
use domain::policy::Policy;
use service_kit::outbox::Outcome;
use utoipa_axum::router::OpenApiRouter;

use crate::api::App;
use crate::kind::{Kind, Opening};
use crate::ways::Look;

pub use log::LogNotifier;
pub use notifier::Notifier;
pub use runbook::RunbookNotifier;

/// The kinds of the product, one line each.
pub const SHIPPED: [Kind<dyn Notifier>; 3] = [slack::KIND, runbook::KIND, log::KIND];

/// All kinds, by name.
#[derive(Clone, Default)]
pub struct Notifiers(BTreeMap<&'static str, Arc<dyn Notifier>>);

impl Notifiers {
    /// With what they were told, and the calls they take.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn open(
        kinds: &[Kind<dyn Notifier>],
        told: &ArgMatches,
        with: &Opening,
    ) -> anyhow::Result<(Self, OpenApiRouter<App>)> {
        let (mut all, mut routes) = (Self::default(), OpenApiRouter::new());
        for kind in kinds {
            let notifier = (kind.open)(told, with)?;
            routes = routes.merge(notifier.admit((kind.routes)()));
            all = all.with(notifier);
        }
        Ok((all, routes))
    }

    /// One more; it takes the place of one of the same name.
    #[must_use]
    pub fn with(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.0.insert(notifier.name(), notifier);
        self
    }

    /// As [`Notifier::post`], by the one that the message names.
    pub async fn post(&self, message: &PostMessage, thread: Option<&str>, resend: bool) -> Outcome {
        match self.named(&message.notifier) {
            Ok(notifier) => notifier.post(message, thread, resend).await,
            Err(outcome) => outcome,
        }
    }

    /// As [`Notifier::tell`], by the one that is named.
    pub async fn tell(&self, it: &TellUser) -> Outcome {
        match self.named(&it.notifier) {
            Ok(notifier) => notifier.tell(it).await,
            Err(outcome) => outcome,
        }
    }

    /// As [`Notifier::log_only`], of all.
    pub fn log_only(&self) -> impl Iterator<Item = &'static str> {
        self.0.values().filter_map(|it| it.log_only())
    }

    /// Why messages to an address of this policy cannot arrive, each once (NO-7).
    #[must_use]
    pub fn unreachable(&self, policy: &Policy) -> Vec<String> {
        let addresses = policy.targets.values().flat_map(|target| target.notifications.addresses());
        let why = |address: &Address| match self.0.get(address.notifier()) {
            Some(notifier) => notifier.cannot_reach(address.channel()),
            None => Some(format!("this reporter has no notifier called {}", address.notifier())),
        };
        addresses.filter_map(why).collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// As [`Notifier::look`], by the one of the address.
    pub async fn look(&self, address: &Address) -> Look {
        match self.named(address.notifier()) {
            Ok(notifier) => notifier.look(address.channel()).await,
            Err(outcome) => Look::failing(outcome.reason().unwrap_or_default().to_owned()),
        }
    }

    fn named(&self, name: &str) -> Result<&dyn Notifier, Outcome> {
        let reason = || format!("this reporter has no notifier called {name}");
        self.0.get(name).map(AsRef::as_ref).ok_or_else(|| Outcome::Never { reason: reason() })
    }
}
