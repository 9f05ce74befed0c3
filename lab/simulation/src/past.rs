//! The reporter's store was put back to an earlier moment (OP-3): what it knew until then, as the checks need it. What follows
//! stands in [`crate::facts::Facts`], as if the lost while had never been.

use domain::rollout::Incident;
use domain::rollout::state::TargetState;
use reporter_svc::store::{IncidentFilter, Store};
use service_kit::db::{Db, DbError};
use shared_types::{AuditEntry, Epoch, TargetName};

use crate::facts::{Received, audit, received};
use crate::outside::Ledger;

/// The copy that the store is put back to.
pub struct Copied {
    /// What the world outside had seen by then.
    pub books: Ledger,
    /// The newest epoch that it knows.
    pub epoch: Epoch,
}

/// See the module.
pub struct Past {
    pub copied: Epoch,
    /// Of the world outside, all of it.
    pub books: Ledger,
    pub received: Vec<Received>,
    pub incidents: Vec<Incident>,
    pub audit: Vec<AuditEntry>,
    pub target: TargetState,
}

impl Copied {
    /// As it is now.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(db: &Db, target: &TargetName, books: Ledger) -> Result<Self, DbError> {
        Ok(Self { books, epoch: state(&Store::new(db.clone()), target).await?.epoch })
    }
}

impl Past {
    /// Before the store is put back.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(db: &Db, target: &TargetName, copied: &Copied, books: Ledger) -> Result<Self, DbError> {
        let store = Store::new(db.clone());
        Ok(Self {
            copied: copied.epoch,
            books,
            received: received(db).await?,
            incidents: store.incidents(&IncidentFilter::default(), None, 1000).await?,
            audit: audit(&store, target).await?,
            target: state(&store, target).await?,
        })
    }

    /// Whether an epoch was begun in what is lost.
    #[must_use]
    pub fn began(&self, epoch: Epoch) -> bool {
        self.copied < epoch && epoch <= self.target.epoch
    }
}

async fn state(store: &Store, target: &TargetName) -> Result<TargetState, DbError> {
    let stored = store.target(target).await?;
    Ok(stored.map_or_else(|| TargetState::new(target.clone()), |it| it.state))
}
