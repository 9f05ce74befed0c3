//! What a service gives the worker: how its effects are done, and how much at once.

use std::time::Duration;

use async_trait::async_trait;
use shared_types::Timestamp;

use super::{Attempt, Claim, Outcome, Recorded, Room, USUAL_LEASE};
use crate::db::{Db, DbError};

/// Does a service's effects. A service is one by its [`super::Registry`].
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Does it. Must come to an end, with its own time limits, well before [`Handler::lease`] is over (nine tenths of
    /// it; what is not done by then is given up as unknown). Outside any transaction. Dropped where its claim cannot be held
    /// ([`Claim::lease`]): what it has begun outside this process must end with it, before the lease is over.
    async fn handle(&self, claim: &Claim) -> Outcome;

    /// How long a row of this kind may be worked at. A worker leases it for [`WorkerOptions::first_lease`] at most and
    /// renews that while it works, so that another takes over soon after a worker has died.
    fn lease(&self, _kind: &str) -> Duration {
        USUAL_LEASE
    }

    /// How a receiver's rows are worked.
    fn room(&self, _receiver: &str) -> Room {
        Room::USUAL
    }

    /// Records what came of it. A service whose state changes with the outcome overrides this and does both in one
    /// transaction: [`super::record`] first, nothing else when that says [`Recorded::Fenced`], commit. Called again when it
    /// fails, so it must have no effects but the transaction.
    ///
    /// # Errors
    /// The database's.
    async fn settle(
        &self,
        db: &Db,
        claim: &Claim,
        outcome: &Outcome,
        ended_at: Timestamp,
    ) -> Result<Recorded, DbError> {
        Attempt { db, claim, outcome, ended_at }.record().await
    }
}

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// The label of its metrics.
    pub service: &'static str,
    /// It looks at least this often.
    pub poll: Duration,
    /// What is under way at shutdown has this long to finish.
    pub drain: Duration,
    /// How long a claim holds without being renewed: as long as the work of a dead worker waits.
    pub first_lease: Duration,
    /// Done and cancelled rows are deleted after this.
    pub keep_finished: Duration,
}

impl WorkerOptions {
    /// The usual ones.
    #[must_use]
    pub fn new(service: &'static str) -> Self {
        Self {
            service,
            poll: Duration::from_secs(1),
            drain: Duration::from_secs(20),
            first_lease: Duration::from_secs(10),
            keep_finished: Duration::from_secs(7 * 24 * 3600),
        }
    }
}
