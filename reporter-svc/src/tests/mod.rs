//! Vendors against real servers: one contract for every client of the registries. Each client is tried in the ways that its own
//! folder tells; against its double it is tried there.

pub(crate) mod canned;
mod contract;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgMatches, Command};
use domain::effects::PostMessage;
use service_kit::clock::ManualClock;
use service_kit::moment::Moment;
use service_kit::outbox::{Lease, Outcome};
use service_kit::supervisor::Supervisor;
use shared_types::{IncidentId, TargetName, Timestamp};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::composition::Composition;
use crate::executors::Turn;
use crate::kind::{Kind, Opening};
use service_kit::vendors::{Code, Row};

pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) type Attempt = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One way in which a vendor is asked, with a server in the vendor's place.
pub(crate) struct Trial {
    pub(crate) name: &'static str,
    pub(crate) table: &'static [Row],
    pub(crate) reference: &'static str,
    /// How the vendor says a code.
    pub(crate) body: fn(Code) -> &'static str,
    /// Whether asking again does no harm, so that nothing is unknown.
    pub(crate) only_reads: bool,
    /// What it is told that nobody may see again.
    pub(crate) secrets: &'static [&'static str],
    /// One attempt by the kind as the service opens it.
    pub(crate) call: fn(url: String, timeout: Duration) -> Attempt,
    /// What the vendor's pages say, stated apart from the table: status, body and the outcome's kind.
    pub(crate) documented: &'static [(u16, &'static str, &'static str)],
    /// The client as debug text.
    pub(crate) shown: fn(url: &str) -> String,
}

/// The kinds of the product with what they are tried in, where a vendor stands behind one. A kind that is registered without is
/// named here.
pub(crate) fn trials() -> Vec<Trial> {
    let all = Composition::shipped();
    let notifiers = all.notifiers.iter().flat_map(|kind| crate::notifiers::tests::trials_of(kind.name));
    let executors = all.executors.iter().flat_map(|kind| crate::executors::tests::trials_of(kind.name));
    notifiers.chain(executors).chain(crate::pagers::pagerduty::tests::trials_of(all.pager.name)).collect()
}

/// A kind as the service opens it.
pub(crate) fn opened<T: ?Sized>(kind: &Kind<T>, flags: &[String], timeout: Duration) -> Arc<T> {
    (kind.open)(&told(kind, flags), &opening(PathBuf::from("."), timeout)).unwrap()
}

/// What a kind is told by these flags, whatever the environment holds.
pub(crate) fn told<T: ?Sized>(kind: &Kind<T>, flags: &[String]) -> ArgMatches {
    let command = (kind.arguments)(Command::new("trial")).mut_args(|arg| arg.env(None::<&str>));
    command.no_binary_name(true).try_get_matches_from(flags).unwrap()
}

pub(crate) fn opening(directory: PathBuf, timeout: Duration) -> Opening {
    let data_dir = directory.clone();
    Opening { data_dir, directory, clock: clock(), timeout, stop: CancellationToken::new() }
}

/// Who supervises commands here: this program cannot, its `main` is the tests' harness.
pub(crate) fn supervisor() -> Supervisor {
    Supervisor::at(phasegate_tests::binaries::path("reporter-svc"))
}

/// An attempt with time enough.
pub(crate) fn turn(attempt: u32) -> Turn {
    Turn { attempt, fence: 7, lease: Lease::new(Moment::now(), Duration::from_secs(600)) }
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::parse("2026-11-22T10:15:31Z").unwrap()))
}

pub(crate) fn incident() -> IncidentId {
    IncidentId::parse("INC-20261122-001").unwrap()
}

pub(crate) fn target() -> TargetName {
    TargetName::parse("autosave").unwrap()
}

pub(crate) fn message(notifier: &str, channel: &str, text: &str) -> PostMessage {
    PostMessage {
        notification: Uuid::nil(),
        target: target(),
        notifier: notifier.to_owned(),
        channel: channel.to_owned(),
        text: text.to_owned(),
        buttons: Vec::new(),
        incident: None,
        after_dashboard: None,
        of_loss: false,
    }
}
