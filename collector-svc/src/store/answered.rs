//! The store with an end to every wait ([`Db::answered`]): the worker has no other task to notice that one hangs, and
//! keeps what it has read from a source across an error, but not when it is dropped in the middle.

use std::time::Duration;

use async_trait::async_trait;
use service_kit::db::{Db, DbError};
use shared_types::{TargetName, Timestamp};

use super::{BatchRow, CollectorStore, Commit, Committed, IdChunk, Loaded, PushAnswer, SqlStore};
use crate::state::TargetState;
use crate::totals::Totals;

/// [`SqlStore`], bounded.
pub struct Answered {
    db: Db,
    store: SqlStore,
}

impl Answered {
    /// Over an open database.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { store: SqlStore::new(db.clone()), db }
    }
}

#[async_trait]
impl CollectorStore for Answered {
    async fn load(&self, target: &TargetName, initial: &TargetState) -> Result<Loaded, DbError> {
        self.db.answered(self.store.load(target, initial)).await
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, DbError> {
        self.db.answered(self.store.commit(commit)).await
    }

    async fn totals(&self, target: &TargetName, window_start: Timestamp) -> Result<Totals, DbError> {
        self.db.answered(self.store.totals(target, window_start)).await
    }

    async fn ids(&self, target: &TargetName, window_start: Timestamp) -> Result<Vec<u64>, DbError> {
        self.db.answered(self.store.ids(target, window_start)).await
    }

    async fn ids_since(&self, target: &TargetName, generation: i64) -> Result<Vec<IdChunk>, DbError> {
        self.db.answered(self.store.ids_since(target, generation)).await
    }

    async fn answer(&self, target: &TargetName, key: &str) -> Result<Option<PushAnswer>, DbError> {
        self.db.answered(self.store.answer(target, key)).await
    }

    async fn batch(&self, target: &TargetName, window_start: Timestamp) -> Result<Option<BatchRow>, DbError> {
        self.db.answered(self.store.batch(target, window_start)).await
    }

    async fn last_batch(&self, target: &TargetName) -> Result<Option<BatchRow>, DbError> {
        self.db.answered(self.store.last_batch(target)).await
    }

    async fn oldest_undelivered(
        &self,
        target: &TargetName,
        after: Timestamp,
    ) -> Result<Option<BatchRow>, DbError> {
        self.db.answered(self.store.oldest_undelivered(target, after)).await
    }

    async fn prune(&self, now: Timestamp, keep_batches: Option<Duration>) -> Result<(), DbError> {
        self.db.answered(self.store.prune(now, keep_batches)).await
    }
}
