//! A replica among others: it joins before it serves, shows that it lives, and allows newer forms once all read them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::stored::Form;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{KIT, store};
use crate::ServiceName;
use crate::clock::Clock;
use crate::db::{Db, DbError};

/// How often a replica shows that it lives, and looks what it may write.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// A replica that was not seen for this long does not count as living. Should it live all the same, it finds what was
/// allowed without it at its next heartbeat, and ends.
pub const SEEN_WITHIN: Duration = Duration::from_secs(60);
/// Releases from before forms announce nothing: as long after the first replica that does, they are taken to live.
pub const OLD_RELEASES_LIVE: Duration = Duration::from_secs(15 * 60);

/// This process at the database of one service.
pub struct Replica {
    db: Db,
    clock: Arc<dyn Clock>,
    service: ServiceName,
    id: String,
    living: watch::Sender<Vec<String>>,
}

impl Replica {
    /// Announces what this binary reads: the documents of the service and those of the kit. To be called before
    /// anything is read or written; from then on [`Db::forms`] says in which form things are kept.
    ///
    /// # Errors
    /// [`DbError::Newer`]: something may have been written that this release does not read. The database's.
    pub async fn join(
        db: &Db,
        clock: &Arc<dyn Clock>,
        service: ServiceName,
        documents: &[Form],
    ) -> Result<Self, DbError> {
        db.forms().know(documents.iter().chain(KIT).copied().collect());
        let id = Uuid::now_v7().to_string();
        let living = watch::Sender::new(vec![id.clone()]);
        let replica = Self { db: db.clone(), clock: Arc::clone(clock), service, id, living };
        replica.beat().await?;
        Ok(replica)
    }

    /// Shows that this replica lives, and takes over what it may write. All that was allowed is looked at first, under
    /// the lock under which forms are allowed: a replica that joins sees it, or is seen before more is allowed.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub async fn beat(&self) -> Result<(), DbError> {
        let now = self.clock.now();
        let known = self.db.forms().known();
        let mut tx = self.db.begin().await?;
        let first = store::lock(&self.db, &mut tx, now).await?;
        let mut allowed = store::allowed(&mut tx).await?;
        check(&allowed, known)?;
        let reads = known.iter().map(|form| (form.kind.to_owned(), form.newest())).collect();
        let gone = now.minus(SEEN_WITHIN);
        store::seen(&mut tx, &self.id, self.service.as_str(), &reads, gone, now).await?;
        let living = store::living(&mut tx).await?;
        if now >= first.plus(OLD_RELEASES_LIVE) {
            for form in known {
                let all_read = |it: &store::Living| it.reads.get(form.kind).copied().unwrap_or(1);
                let newest = living.iter().map(all_read).min().unwrap_or(1);
                if newest > allowed.get(form.kind).copied().unwrap_or(1) {
                    store::allow(&mut tx, form.kind, newest, now).await?;
                    allowed.insert(form.kind.to_owned(), newest);
                }
            }
        }
        tx.commit().await?;
        // Only now: what is written stands in the table before.
        self.db.forms().allow(allowed);
        let of_service = living.into_iter().filter(|it| it.service == self.service.as_str());
        let ids: Vec<String> = of_service.map(|it| it.id).collect();
        self.living.send_if_modified(|known| {
            let other = *known != ids;
            *known = ids;
            other
        });
        Ok(())
    }

    /// What this one is called among the others.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The replicas of this service that live, this one among them, as of the last heartbeat.
    #[must_use]
    pub fn living(&self) -> watch::Receiver<Vec<String>> {
        self.living.subscribe()
    }

    /// Beats until `shutdown`; who has done its last write then calls [`Self::leave`].
    ///
    /// # Errors
    /// [`DbError::Newer`]: others took this replica for dead and went on; it must end. `shutdown` is cancelled then.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), DbError> {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(HEARTBEAT) => {}
            }
            match self.db.answered(self.beat()).await {
                Ok(()) => {}
                Err(error @ DbError::Newer { .. }) => {
                    shutdown.cancel();
                    return Err(error);
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "the other replicas were not told that this one lives; trying on");
                }
            }
        }
    }

    /// Takes this replica off the list, so that nobody waits for it to be forgotten.
    ///
    /// # Errors
    /// The database's; then it is forgotten in time.
    pub async fn leave(&self) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        store::leave(&mut tx, &self.id).await?;
        tx.commit().await
    }
}

/// Whether this binary reads all that may have been written.
fn check(allowed: &BTreeMap<String, u32>, known: &[Form]) -> Result<(), DbError> {
    for (kind, found) in allowed {
        let reads = known.iter().find(|form| form.kind == kind).map_or(0, Form::newest);
        if *found > reads {
            return Err(DbError::Newer { kind: kind.clone(), found: *found, reads });
        }
    }
    Ok(())
}
