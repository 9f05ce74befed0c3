//! Targets as they stand.

use std::collections::BTreeMap;

use domain::gate::GateState;
use service_kit::db::{DbError, Tx, places};
use shared_types::{TargetName, Timestamp};
use sqlx::{AssertSqlSafe, Executor as _};

use super::{Committed, Store, rows};

const TARGET: &str = "SELECT target, version, phase, run, watch FROM targets";

impl Store {
    /// A target as it stands; a fresh one if nothing was heard of it yet.
    pub async fn target(&self, target: &TargetName) -> Result<GateState, DbError> {
        let row = sqlx::query(AssertSqlSafe(format!("{TARGET} WHERE target = $1")))
            .bind(target.as_str().to_owned())
            .fetch_optional(self.db.pool())
            .await?;
        match &row {
            Some(row) => rows::target_state(self.db.forms(), row),
            None => Ok(GateState::unheard(target.clone())),
        }
    }

    /// As [`Self::target`], of many.
    pub async fn targets(&self, names: &[TargetName]) -> Result<Vec<GateState>, DbError> {
        const AT_ONCE: usize = 500;
        let mut states = Vec::with_capacity(names.len());
        for names in names.chunks(AT_ONCE) {
            let sql = format!("{TARGET} WHERE target IN ({})", places(names.len()));
            let query = names
                .iter()
                .fold(sqlx::query(AssertSqlSafe(sql)), |query, it| query.bind(it.as_str().to_owned()));
            let rows = query.fetch_all(self.db.pool()).await?;
            let mut heard = BTreeMap::new();
            for row in &rows {
                let state = rows::target_state(self.db.forms(), row)?;
                heard.insert(state.target.clone(), state);
            }
            states.extend(
                names.iter().map(|it| heard.remove(it).unwrap_or_else(|| GateState::unheard(it.clone()))),
            );
        }
        Ok(states)
    }

    /// Targets whose watch's deadline is not after `now`, the longest overdue first.
    pub async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<GateState>, DbError> {
        let sql =
            format!("{TARGET} WHERE watch_deadline_ms <= $1 ORDER BY watch_deadline_ms, target LIMIT $2");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(now.as_millis())
            .bind(i64::from(limit))
            .fetch_all(self.db.pool())
            .await?;
        rows.iter().map(|row| rows::target_state(self.db.forms(), row)).collect()
    }

    /// Commits a target's state alone.
    pub async fn save_target(&self, state: &GateState) -> Result<Committed, DbError> {
        let mut tx = self.db.begin().await?;
        let committed = write_target(&mut tx, state).await?;
        match committed {
            Committed::Done => tx.commit().await?,
            Committed::Outdated => tx.rollback().await?,
        }
        Ok(committed)
    }
}

/// Writes a target's row if it is still the one that was read.
pub(super) async fn write_target(tx: &mut Tx<'_>, state: &GateState) -> Result<Committed, DbError> {
    let sql = if state.version == 0 {
        "INSERT INTO targets (version, phase, run, watch, watch_deadline_ms, target) \
         VALUES ($1 + 1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE targets SET version = $1 + 1, phase = $2, run = $3, watch = $4, watch_deadline_ms = $5 \
         WHERE target = $6 AND version = $1"
    };
    let (phase, run) = match &state.run {
        Some((phase, run)) => (Some(phase.to_string()), Some(tx.forms().text(run)?)),
        None => (None, None),
    };
    let watch = state.watch.as_ref().map(|watch| tx.forms().text(watch)).transpose()?;
    let write = sqlx::query(sql)
        .bind(state.version)
        .bind(phase)
        .bind(run)
        .bind(watch)
        .bind(state.watch.as_ref().map(|watch| watch.deadline.as_millis()))
        .bind(state.target.as_str().to_owned());
    let written = tx.execute(write).await?.rows_affected();
    Ok(if written == 1 { Committed::Done } else { Committed::Outdated })
}
