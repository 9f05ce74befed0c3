//! Looks whether this reporter's store knows all that its neighbours were told from it, and goes on from a restored one once a
//! person has said so (OP-3).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use service_kit::ServiceName;
use service_kit::client::{ClientError, Neighbour};
use service_kit::db::{Db, DbError};
use service_kit::http::CheckState;
use service_kit::mark::Mark;
use service_kit::seldom;
use shared_types::{Directed, TargetName, Timestamp};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::reporter::Reporter;

/// How soon what a person has said is followed.
const POLL: Duration = Duration::from_secs(1);
/// A collector that could not be asked is asked again after so long.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// A database may be put back under a service that runs.
const ASK_ALL_AGAIN: Duration = Duration::from_secs(3600);
const SIDE_BY_SIDE: usize = 8;

/// See the module.
pub struct Restored {
    reporter: Arc<Reporter>,
    /// None: nobody can accept it, as in a simulation.
    mark: Option<Arc<Mark>>,
    collector: Neighbour,
    asked: Mutex<Asked>,
}

/// Of which targets the collector has said what it was told.
#[derive(Default)]
struct Asked {
    targets: BTreeSet<TargetName>,
    begun: Option<Timestamp>,
    next: Option<Timestamp>,
}

impl Restored {
    #[must_use]
    pub fn new(reporter: Arc<Reporter>, mark: Option<Arc<Mark>>, collector: Neighbour) -> Self {
        Self { reporter, mark, collector, asked: Mutex::default() }
    }

    /// Does what follows from an acceptance, if there is one.
    ///
    /// # Errors
    /// The database's.
    pub async fn take_over(&self) -> Result<(), DbError> {
        let Some(mark) = &self.mark else { return Ok(()) };
        let Some(acceptance) = mark.accepted().await? else { return Ok(()) };
        self.reporter.accept_store(&acceptance).await?;
        mark.take_over(&acceptance, self.reporter.clock.now()).await
    }

    /// Asks the collector what it was told last, of each target once, and of all anew now and then.
    ///
    /// # Errors
    /// The database's.
    pub async fn ask(&self) -> Result<(), DbError> {
        let now = self.reporter.clock.now();
        let mut asked = self.asked.lock().await;
        if asked.begun.is_none_or(|at| now.since(at) >= ASK_ALL_AGAIN) {
            *asked = Asked { begun: Some(now), ..Asked::default() };
        }
        if asked.next.is_some_and(|at| now < at) {
            return Ok(());
        }
        let targets: Vec<TargetName> = self.reporter.rules().policy.targets.keys().cloned().collect();
        let open = targets.into_iter().filter(|it| !asked.targets.contains(it));
        let answers = stream::iter(open.map(|target| self.ask_about(target))).buffer_unordered(SIDE_BY_SIDE);
        let answers: Vec<Result<Option<TargetName>, DbError>> = answers.collect().await;
        asked.next = Some(now.plus(ASK_AGAIN));
        for answer in answers {
            asked.targets.extend(answer?);
        }
        Ok(())
    }

    /// None: it has to be asked again.
    async fn ask_about(&self, target: TargetName) -> Result<Option<TargetName>, DbError> {
        let told: Directed = match self.collector.get_json(&format!("/v1/targets/{target}")).await {
            Ok(told) => told,
            // It collects nothing for it.
            Err(ClientError::Refused { status: 404, .. }) => return Ok(Some(target)),
            Err(error) => {
                tracing::debug!(target_name = %target, %error, "the collector was not asked what it was told");
                return Ok(None);
            }
        };
        if let Some(told) = told.directive {
            self.reporter.compare_told(ServiceName::Collector, &target, told.epoch, told.sequence).await?;
        }
        Ok(Some(target))
    }

    /// Looks until `stop`.
    pub async fn run(self: Arc<Self>, db: Db, stop: CancellationToken) {
        loop {
            if let Err(error) = db.answered(self.take_over()).await {
                seldom!(warn, "an accepted store was not gone on from; trying on", &error);
            }
            if let Err(error) = db.answered(self.ask()).await {
                seldom!(warn, "what the collector was told was not compared; trying on", &error);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

/// For `/readyz`: a reporter that does not know what was told from it decides nothing.
pub async fn state(reporter: &Reporter) -> CheckState {
    match reporter.store.behind().await {
        Ok(None) => CheckState::Ok,
        Ok(Some((first, count))) => {
            let others = match count.saturating_sub(1) {
                0 => String::new(),
                others => format!(", and {others} targets more"),
            };
            let (told_by, epoch, sequence) =
                first.behind.map(|it| (it.told_by, it.epoch, it.sequence)).unwrap_or_default();
            CheckState::Failing(format!(
                "this store is older than what its neighbours know: the {told_by} was told epoch {epoch} (sequence {sequence}) of \
                 {}, which is in epoch {} here{others}: restored? See docs/backup.md",
                first.target, first.epoch
            ))
        }
        Err(error) => CheckState::Degraded(error.to_string()),
    }
}
