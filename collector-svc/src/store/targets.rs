//! A target as it is loaded, and the one write of it.

use std::time::Duration;

use service_kit::db::{Company, DbError, Done, Tx, places};
use service_kit::outbox;
use shared_types::{TargetName, Timestamp};
use sqlx::AssertSqlSafe;

use super::answers::put_answer;
use super::batches::put_batch;
use super::places::{forget_place, put_place};
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

    /// Those of some targets that are there.
    pub async fn states(&self, names: &[TargetName]) -> Result<Vec<(TargetName, TargetState)>, DbError> {
        const AT_ONCE: usize = 500;
        let mut states = Vec::with_capacity(names.len());
        for names in names.chunks(AT_ONCE) {
            let sql = format!("SELECT target, state FROM targets WHERE target IN ({})", places(names.len()));
            let query = sqlx::query_as(AssertSqlSafe(sql));
            let query = names.iter().fold(query, |query, name| query.bind(name.as_str().to_owned()));
            let rows = async { Ok::<_, DbError>(query.fetch_all(self.db.pool()).await?) };
            let rows: Vec<(String, String)> = self.db.answered(rows).await?;
            for (name, state) in rows {
                let state = self.db.forms().read(&name, &state)?;
                let name = TargetName::parse(&name).map_err(|error| DbError::decode("target", error))?;
                states.push((name, state));
            }
        }
        Ok(states)
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
        let committed = self.db.together(commit.target.as_str(), |mut tx, company| async move {
            let generation = commit.generation + 1;
            // In company a conflict is found out by the commit, and then by each alone.
            if company == Company::None && !is_at(&mut tx, self.db.for_update(), commit).await? {
                return Ok((tx, Done::Nothing(Committed::Conflict)));
            }
            let row = vec![
                commit.target.as_str().into(),
                commit.generation.into(),
                commit.ids.as_str().into(),
                tx.forms().text(&commit.state)?.into(),
            ];
            tx.update(WRITTEN, row);
            let closes = |start| commit.closed.iter().any(|closed| closed.batch.window.start == start);
            for window in commit.windows.iter().filter(|window| !closes(window.start)) {
                add_to_window(&mut tx, &commit.target, window, generation)?;
            }
            for place in &commit.places {
                put_place(&mut tx, &commit.target, place, commit.now)?;
            }
            for (source, name) in &commit.forgotten {
                forget_place(&mut tx, &commit.target, source, name);
            }
            for answer in &commit.answers {
                put_answer(&mut tx, &commit.target, answer, commit.now);
            }
            for closed in &commit.closed {
                put_batch(&mut tx, &commit.target, closed);
                delete_window(&mut tx, &commit.target, closed.batch.window.start);
            }
            for message in &commit.messages {
                outbox::enqueue(&mut tx, message, commit.now)?;
            }
            Ok((tx, Done::Written(Committed::Yes(generation))))
        });
        self.db.answered(committed).await?.ok_or(DbError::Busy)
    }
}

const WRITTEN: &str = "UPDATE targets SET generation = generation + 1, commit_ids = v.column3, state = v.column4 \
     FROM (VALUES {rows}) AS v WHERE targets.target = v.column1 AND targets.generation = v.column2";

/// Whether nobody has written the target since; nobody does from here on.
async fn is_at(tx: &mut Tx<'_>, for_update: &str, commit: &Commit) -> Result<bool, DbError> {
    let sql = format!("SELECT generation FROM targets WHERE target = $1{for_update}");
    let found = sqlx::query_as(AssertSqlSafe(sql)).bind(commit.target.as_str().to_owned());
    let found: Option<(i64,)> = found.fetch_optional(&mut **tx).await?;
    Ok(found.is_some_and(|(generation,)| generation == commit.generation))
}
