//! How a database fares: what fails it, told once a cause and not once a statement, and which connections are not to be trusted
//! since when.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use strum::VariantArray as _;
use tokio::sync::watch;

use super::Cause;

/// A cause that lasts is told again after this.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Of one database of this process.
#[derive(Debug)]
pub(super) struct Vitals {
    service: String,
    state: Mutex<State>,
    /// Connections from before are suspect.
    suspect_before: watch::Sender<Option<Instant>>,
}

#[derive(Debug, Default)]
struct State {
    told: BTreeMap<Cause, Instant>,
    trouble: Option<Trouble>,
}

/// What was met since something was stored last.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    failures: u64,
    latest: String,
    told: bool,
}

impl Vitals {
    pub(super) fn new(service: &str) -> Self {
        for cause in Cause::VARIANTS {
            count(service, *cause, 0);
        }
        let suspect_before = watch::Sender::new(None);
        Self { service: service.to_owned(), state: Mutex::default(), suspect_before }
    }

    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// A statement, a connection or a wait failed.
    pub(super) fn failed(&self, cause: Cause, detail: &str) {
        count(&self.service, cause, 1);
        if cause.spoils_all() {
            self.suspect_all();
        }
        if !cause.is_outage() {
            return;
        }
        let now = Instant::now();
        let mut state = self.state();
        let tell = state.told.get(&cause).is_none_or(|told| now.duration_since(*told) >= TOLD_EVERY);
        if tell {
            state.told.insert(cause, now);
        }
        let trouble = state.trouble.get_or_insert_with(|| Trouble {
            since: now,
            failures: 0,
            latest: String::new(),
            told: false,
        });
        trouble.failures += 1;
        trouble.told |= tell;
        trouble.latest = format!("{}: {detail}", cause.words());
        if tell {
            let (failures, service) = (trouble.failures, self.service.as_str());
            tracing::warn!(
                service,
                cause = cause.as_str(),
                detail,
                failures,
                "the database fails: {}",
                cause.words()
            );
        }
    }

    /// Something was stored.
    pub(super) fn stored(&self) {
        let Some(trouble) = self.state().trouble.take() else { return };
        if trouble.told {
            let (failures, seconds) = (trouble.failures, trouble.since.elapsed().as_secs());
            tracing::info!(service = self.service, failures, seconds, "the database stores again");
        }
    }

    /// What was met last, if nothing was stored since.
    pub(super) fn trouble(&self) -> Option<String> {
        self.state().trouble.as_ref().map(|trouble| trouble.latest.clone())
    }

    /// Whatever is connected now has to be connected anew.
    pub(super) fn suspect_all(&self) {
        self.suspect_before.send_replace(Some(Instant::now()));
    }

    /// Whether a connection of that age was opened before the others failed.
    pub(super) fn is_suspect(&self, age: Duration) -> bool {
        let before = *self.suspect_before.borrow();
        before.is_some_and(|before| Instant::now().checked_sub(age).is_none_or(|opened| opened <= before))
    }

    /// Tells when connections that are open now become suspect.
    pub(super) fn suspicion(&self) -> watch::Receiver<Option<Instant>> {
        self.suspect_before.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(service: &str, cause: Cause, by: u64) {
    metrics::counter!("phasegate_database_failures_total", "service" => service.to_owned(), "cause" => cause.as_str())
        .increment(by);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OP-2: what a demoted primary does to one session it does to all; what one slow statement meets concerns it alone.
    #[test]
    fn only_what_concerns_all_connections_makes_them_suspect() {
        let vitals = Vitals::new("kit");
        let opened = Instant::now();
        for cause in [Cause::Full, Cause::TimedOut, Cause::Locked, Cause::Conflict] {
            vitals.failed(cause, "x");
        }
        assert!(!vitals.is_suspect(opened.elapsed()));
        vitals.failed(Cause::ReadOnly, "x");
        assert!(vitals.is_suspect(opened.elapsed()));
        assert!(!vitals.is_suspect(Duration::ZERO), "opened since");
    }

    #[test]
    fn trouble_lasts_until_something_is_stored() {
        let vitals = Vitals::new("kit");
        vitals.failed(Cause::Conflict, "a part of every day");
        assert_eq!(vitals.trouble(), None);
        vitals.failed(Cause::Full, "database or disk is full");
        assert_eq!(
            vitals.trouble().as_deref(),
            Some("no room is left on its disk: database or disk is full")
        );
        vitals.stored();
        assert_eq!(vitals.trouble(), None);
    }
}
