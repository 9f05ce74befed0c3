//! A target as it is loaded, and the one write of it.

use std::time::Duration;

use service_kit::db::{DbError, Done};
use service_kit::outbox;
use shared_types::{TargetName, Timestamp};

use super::answers::put_answer;
use super::batches::put_batch;
use super::places::put_place;
use super::windows::{add_to_window, delete_window};
use super::{Commit, Committed, Loaded, Store};
use crate::state::TargetState;

/// Generations are as old as that at most.
const LOOKED_AT_LEAST: Duration = Duration::from_millis(2500);

impl Store {
    /// The target, made with `initial` if it is not there.
    pub async fn load(&self, target: &TargetName, initial: &TargetState) -> Result<Loaded, DbError> {
        self.db
            .answered(async {
                let find = || async {
                    sqlx::query_as::<_, (i64, String, String)>(
                        "SELECT generation, commit_ids, state FROM targets WHERE target = $1",
                    )
                    .bind(target.as_str())
                    .fetch_optional(self.db.pool())
                    .await
                };
                let mut row = find().await?;
                if row.is_none() {
                    let mut tx = self.db.begin().await?;
                    sqlx::query(
                        "INSERT INTO targets (target, generation, commit_ids, state) VALUES ($1, 1, '', $2) \
                     ON CONFLICT (target) DO NOTHING",
                    )
                    .bind(target.as_str())
                    .bind(tx.forms().text(initial)?)
                    .execute(&mut *tx)
                    .await?;
                    tx.commit().await?;
                    row = find().await?;
                }
                let (generation, commit_ids, state) = row.ok_or(sqlx::Error::RowNotFound)?;
                // Read after the generation: whatever is newer than it shows as a conflict at the next commit.
                let open: Vec<(i64,)> = sqlx::query_as(
                "SELECT DISTINCT window_start_ms FROM partials WHERE target = $1 ORDER BY window_start_ms",
            )
            .bind(target.as_str())
            .fetch_all(self.db.pool())
            .await?;
                Ok(Loaded {
                    generation,
                    commit_ids,
                    state: self.db.forms().read(target.as_str(), &state)?,
                    open: open.into_iter().map(|(start,)| Timestamp::from_millis(start)).collect(),
                    places: self.places(target).await?,
                })
            })
            .await
    }

    /// Whether somebody else has written the target since it was loaded or committed here; as of a few seconds ago.
    pub async fn is_newer(
        &self,
        target: &TargetName,
        generation: i64,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let mut known = self.generations.lock().await;
        let fresh = known.looked_at.is_some_and(|at| now >= at && now.since(at) < LOOKED_AT_LEAST);
        if !fresh {
            let sql = "SELECT target, generation FROM targets";
            let all = async { Ok::<_, DbError>(sqlx::query_as(sql).fetch_all(self.db.pool()).await?) };
            let all: Vec<(String, i64)> = self.db.answered(all).await?;
            known.of = all.into_iter().collect();
            known.looked_at = Some(now);
        }
        Ok(known.of.get(target.as_str()).is_none_or(|newest| *newest > generation))
    }

    /// Writes, if nobody else has since.
    pub async fn commit(&self, commit: &Commit) -> Result<Committed, DbError> {
        let committed = self.db.together(commit.target.as_str(), |mut tx, _| async move {
            let generation = commit.generation + 1;
            let changed = sqlx::query(
                "UPDATE targets SET generation = $2, commit_ids = $3, state = $4 WHERE target = $1 AND generation = $5",
            )
            .bind(commit.target.as_str())
            .bind(generation)
            .bind(commit.ids.as_str())
            .bind(tx.forms().text(&commit.state)?)
            .bind(commit.generation)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if changed == 0 {
                return Ok((tx, Done::Nothing(Committed::Conflict)));
            }
            let closes = |start| commit.closed.iter().any(|closed| closed.batch.window.start == start);
            for window in commit.windows.iter().filter(|window| !closes(window.start)) {
                add_to_window(&mut tx, &commit.target, window, generation).await?;
            }
            for place in &commit.places {
                put_place(&mut tx, &commit.target, place, commit.now).await?;
            }
            for answer in &commit.answers {
                put_answer(&mut tx, &commit.target, answer, commit.now).await?;
            }
            for closed in &commit.closed {
                put_batch(&mut tx, &commit.target, closed);
                delete_window(&mut tx, &commit.target, closed.batch.window.start).await?;
            }
            for message in &commit.messages {
                outbox::enqueue(&mut tx, message, commit.now)?;
            }
            Ok((tx, Done::Written(Committed::Yes(generation))))
        });
        self.db.answered(committed).await?.ok_or(DbError::Busy)
    }
}
