//! That something can be stored, seen by storing something (OP-1): a database that answers may take no writes.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Db, DbError};

/// Looked at once for all who ask meanwhile.
const AS_OLD_AS: Duration = Duration::from_secs(1);
const WITHIN: Duration = Duration::from_millis(1_500);

/// What was seen last.
#[derive(Debug, Default)]
pub(super) struct Proof(Mutex<Option<(Instant, Result<(), String>)>>);

impl Proof {
    /// Stores something unless that was just done. A row is brought and taken away in one transaction, which is committed: only that
    /// reaches the disk on SQLite, and the standbys that PostgreSQL waits for.
    pub(super) async fn of(&self, db: &Db) -> Result<(), String> {
        let mut last = self.0.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < AS_OLD_AS
            && (found.is_err() || db.vitals.trouble().is_none())
        {
            return found.clone();
        }
        let found = match tokio::time::timeout(WITHIN, store(db)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(db.vitals.trouble().unwrap_or_else(|| error.in_full())),
            Err(_) => {
                db.pool.ask_why();
                let unanswered = || format!("nothing was stored within {WITHIN:?}");
                Err(db.vitals.trouble().unwrap_or_else(unanswered))
            }
        };
        *last = Some((Instant::now(), found.clone()));
        found
    }
}

async fn store(db: &Db) -> Result<(), DbError> {
    let id = Uuid::now_v7().to_string();
    let mut tx = db.begin().await?;
    sqlx::query("INSERT INTO write_probe (id) VALUES ($1)").bind(id.clone()).execute(&mut *tx).await?;
    sqlx::query("DELETE FROM write_probe WHERE id = $1").bind(id).execute(&mut *tx).await?;
    tx.commit().await
}
