//! What effects are done with.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::Value;
use service_kit::ServiceName;
use service_kit::client::Neighbour;
use service_kit::db::DbError;
use service_kit::outbox::{Attempt, Outcome, Recorded};
use service_kit::rules::Rules;
use shared_types::story::hop::Sent;
use shared_types::story::{Hop, LoggedHop};
use shared_types::{Directive, TargetName};
use tokio_util::sync::CancellationToken;

use crate::dashboard::Publisher;
use crate::drift::DriftWatch;
use crate::executors::Executors;
use crate::notifiers::Notifiers;
use crate::pagers::Pager;
use crate::reporter::{Cause, EventOf, Reporter};
use crate::store::Changed;

/// What the reporter does its effects with.
pub struct Effects {
    pub reporter: Arc<Reporter>,
    pub publisher: Arc<Publisher>,
    pub notifiers: Notifiers,
    pub pager: Arc<dyn Pager>,
    pub executors: Executors,
    /// Told when a move has ended.
    pub drift: Arc<DriftWatch>,
    pub collector: Neighbour,
    /// The same neighbour with a short deadline, for what a move waits for.
    pub collector_quick: Neighbour,
    pub data_dir: PathBuf,
    pub longest: LongestMove,
    /// Cancelled when the service stops: a command ended by that is run again, and does not count as failed.
    pub stopping: CancellationToken,
}

/// The longest that a move may take until it is seen, looked for once a policy: claims ask for it.
#[derive(Debug, Default)]
pub struct LongestMove(Mutex<(Weak<Rules>, Duration)>);

impl LongestMove {
    pub(super) fn of(&self, rules: &Arc<Rules>) -> Duration {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::ptr::eq(known.0.as_ptr(), Arc::as_ptr(rules)) {
            let limits =
                rules.policy.targets.values().map(|it| it.transitions.timeout + it.transitions.settle);
            *known = (Arc::downgrade(rules), limits.max().unwrap_or_default());
        }
        known.1
    }
}

impl Effects {
    /// Whether the collector was told what this store does not know (OP-3). `told`: what it says is in force there; `own`: the
    /// sequence of what was told from here.
    pub(super) async fn collector_knows_more(
        &self,
        target: &TargetName,
        told: Option<&Directive>,
        own: u64,
    ) -> Result<bool, DbError> {
        let Some(told) = told.filter(|it| it.sequence > own) else { return Ok(false) };
        self.reporter.compare_told(ServiceName::Collector, target, told.epoch, told.sequence).await
    }

    /// Applies an event in the transaction that records the attempt. One of a target that is not in the policy any more is
    /// recorded alone.
    pub(super) async fn apply(
        &self,
        attempt: &Attempt<'_>,
        target: &TargetName,
        cause: Cause<'_>,
        event: EventOf<'_>,
    ) -> Result<Recorded, DbError> {
        let settle = Some((attempt.claim, attempt.outcome));
        let cause = Cause { settle, at: Some(attempt.ended_at), ..cause };
        match self.reporter.apply(target, cause, event).await? {
            Changed::Applied { recorded: Some(recorded), .. }
            | Changed::Rejected { recorded: Some(recorded), .. } => Ok(recorded),
            Changed::Fenced => Ok(Recorded::Fenced),
            _ => attempt.record().await,
        }
    }
}

/// Whether the effect went to the log only (NO-6).
pub(super) fn is_logged(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done(answer) if answer.get("logged").is_some())
}

/// The hop of something that was sent.
pub(super) fn hop_of(sent: Sent, attempt: &Attempt<'_>) -> Option<LoggedHop> {
    let hop =
        if is_logged(attempt.outcome) { Hop::NotificationLogged(sent) } else { Hop::NotificationSent(sent) };
    Some(LoggedHop { at: attempt.ended_at, hop })
}

/// Writes a file beside the threads that must not wait.
pub(super) async fn in_file<T: Send + 'static>(
    path: PathBuf,
    answer: Value,
    write: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Outcome {
    let shown = path.display().to_string();
    match tokio::task::spawn_blocking(move || write(&path)).await {
        Ok(Ok(_)) => Outcome::Done(answer),
        Ok(Err(error)) => Outcome::Failed { reason: format!("{shown}: {error}") },
        Err(error) => Outcome::Unknown { reason: error.to_string() },
    }
}
