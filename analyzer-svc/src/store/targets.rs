//! Targets as they stand.

use std::collections::BTreeMap;

use domain::gate::GateState;
use service_kit::db::{Company, Db, DbError, Done, Tx, places};
use shared_types::{TargetName, Timestamp};
use sqlx::AssertSqlSafe;

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
                names
                    .iter()
                    .map(|it| heard.get(it).cloned().unwrap_or_else(|| GateState::unheard(it.clone()))),
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
        let committed = self.db.together(state.target.as_str(), |mut tx, company| async move {
            Ok(match write_target(&self.db, &mut tx, state, company).await? {
                Committed::Done => (tx, Done::Written(Committed::Done)),
                Committed::Outdated => (tx, Done::Nothing(Committed::Outdated)),
            })
        });
        Ok(committed.await?.unwrap_or(Committed::Outdated))
    }
}

/// Writes a target's row if it is still the one that was read. In company that is found out by the commit, which fails then.
pub(super) async fn write_target(
    db: &Db,
    tx: &mut Tx<'_>,
    state: &GateState,
    company: Company,
) -> Result<Committed, DbError> {
    if company == Company::None {
        // Whoever else decides about this target waits here, and then is outdated.
        let sql = format!("SELECT version FROM targets WHERE target = $1{}", db.for_update());
        let row = sqlx::query_as(AssertSqlSafe(sql)).bind(state.target.as_str().to_owned());
        let row: Option<(i64,)> = row.fetch_optional(&mut **tx).await?;
        if row.map_or(0, |(version,)| version) != state.version {
            return Ok(Committed::Outdated);
        }
    }
    let (phase, run) = match &state.run {
        Some((phase, run)) => (Some(phase.to_string()), Some(tx.forms().text(run)?)),
        None => (None, None),
    };
    let row = vec![
        state.target.as_str().into(),
        (state.version + 1).into(),
        phase.into(),
        run.into(),
        state.watch.as_ref().map(|watch| tx.forms().text(watch)).transpose()?.into(),
        state.watch.as_ref().map(|watch| watch.deadline.as_millis()).into(),
    ];
    tx.upsert("targets", &["target", "version", "phase", "run", "watch", "watch_deadline_ms"], row, WRITTEN);
    Ok(Committed::Done)
}

const WRITTEN: &str = "ON CONFLICT (target) DO UPDATE SET version = excluded.version, phase = excluded.phase, \
         run = excluded.run, watch = excluded.watch, watch_deadline_ms = excluded.watch_deadline_ms \
     WHERE targets.version = excluded.version - 1";
