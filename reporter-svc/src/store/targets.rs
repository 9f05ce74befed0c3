//! Targets, and what is due.

use domain::rollout::TargetState;
use service_kit::db::{Db, DbError, Tx, places};
use service_kit::forms::Forms;
use shared_types::{PhaseId, TargetName, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Due, Store, StoredTarget, rows};

impl Store {
    /// Makes the rows of targets that are new in the policy.
    pub async fn ensure_targets(&self, targets: &[TargetName], now: Timestamp) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        for target in targets {
            sqlx::query(
                "INSERT INTO targets (target, version, phase, epoch, state, due_at, updated_at) \
                 VALUES ($1, 0, $2, 0, $3, NULL, $4) ON CONFLICT (target) DO NOTHING",
            )
            .bind(target.as_str())
            .bind(PhaseId::off().as_str())
            .bind(tx.forms().text(&TargetState::new(target.clone()))?)
            .bind(now.as_millis())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await
    }

    pub async fn target(&self, target: &TargetName) -> Result<Option<StoredTarget>, DbError> {
        let row = sqlx::query("SELECT target, version, state FROM targets WHERE target = $1")
            .bind(target.as_str())
            .fetch_optional(self.db.pool())
            .await?;
        row.as_ref().map(|row| read(self.db.forms(), row)).transpose()
    }

    /// In the order of their names, after `after`.
    pub async fn targets(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredTarget>, DbError> {
        let found = sqlx::query(
            "SELECT target, version, state FROM targets WHERE target > $1 ORDER BY target LIMIT $2",
        )
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(self.db.pool())
        .await?;
        found.iter().map(|row| read(self.db.forms(), row)).collect()
    }

    /// The first target whose store is behind what a neighbour was told (OP-3), and how many there are.
    pub async fn behind(&self) -> Result<Option<(TargetState, u64)>, DbError> {
        let row = sqlx::query(
            "SELECT target, version, state FROM targets WHERE behind = 1 ORDER BY target LIMIT 1",
        )
        .fetch_optional(self.db.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (count,): (i64,) =
            sqlx::query_as("SELECT COUNT(*) FROM targets WHERE behind = 1").fetch_one(self.db.pool()).await?;
        Ok(Some((read(self.db.forms(), &row)?.state, u64::try_from(count).unwrap_or(1))))
    }

    /// Those of the named that are known, in the order of their names.
    pub async fn targets_of(&self, names: &[TargetName]) -> Result<Vec<StoredTarget>, DbError> {
        const AT_ONCE: usize = 500;
        let mut all = Vec::with_capacity(names.len());
        for names in names.chunks(AT_ONCE) {
            let sql = format!(
                "SELECT target, version, state FROM targets WHERE target IN ({}) ORDER BY target",
                places(names.len())
            );
            let query =
                names.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, it| query.bind(it.as_str()));
            let found = query.fetch_all(self.db.pool()).await?;
            for row in &found {
                all.push(read(self.db.forms(), row)?);
            }
        }
        Ok(all)
    }

    /// Which targets were changed at that time or later, and their versions.
    pub async fn versions_since(&self, since: Timestamp) -> Result<Vec<(TargetName, u64)>, DbError> {
        let found =
            sqlx::query("SELECT target, version FROM targets WHERE updated_at >= $1 AND updated_at <= $2")
                .bind(since.as_millis())
                // With an open end PostgreSQL would plan for half the table.
                .bind(i64::MAX)
                .fetch_all(self.db.pool())
                .await?;
        let version = |row: &AnyRow| {
            Ok((rows::name("target", &row.try_get::<String, _>("target")?)?, rows::count(row, "version")?))
        };
        found.iter().map(version).collect()
    }

    /// Whatever is due, the longest overdue first.
    pub async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Due>, DbError> {
        let found = sqlx::query(
            // Of each table no more than are asked for: in a storm all is due.
            "SELECT target, incident, due_at FROM ( \
                 SELECT * FROM (SELECT target, NULL AS incident, due_at FROM targets \
                     WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2) AS of_targets \
                 UNION ALL \
                 SELECT * FROM (SELECT target, id AS incident, due_at FROM incidents \
                     WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2) AS of_incidents) AS everything \
             ORDER BY due_at LIMIT $2",
        )
        .bind(now.as_millis())
        .bind(i64::from(limit))
        .fetch_all(self.db.pool())
        .await?;
        let due = |row: &AnyRow| {
            let incident: Option<String> = row.try_get("incident")?;
            Ok(Due {
                target: rows::name("target", &row.try_get::<String, _>("target")?)?,
                incident: incident.as_deref().map(|it| rows::name("incident id", it)).transpose()?,
            })
        };
        found.iter().map(due).collect()
    }

    /// When something will be due next.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, DbError> {
        let row: (Option<i64>,) = sqlx::query_as(
            "SELECT MIN(due_at) FROM (SELECT MIN(due_at) AS due_at FROM targets WHERE due_at IS NOT NULL \
             UNION ALL SELECT MIN(due_at) AS due_at FROM incidents WHERE due_at IS NOT NULL) AS everything",
        )
        .fetch_one(self.db.pool())
        .await?;
        Ok(row.0.map(Timestamp::from_millis))
    }
}

/// As [`Store::target`] says it, of a row that the caller has asked for.
pub(super) fn read(forms: &Forms, row: &AnyRow) -> Result<StoredTarget, DbError> {
    let (name, state): (String, String) = (row.try_get("target")?, row.try_get("state")?);
    Ok(StoredTarget { state: forms.read(&name, &state)?, version: rows::count(row, "version")? })
}

/// Waits for the row, and holds it. False: it is not there.
pub(super) async fn lock(db: &Db, tx: &mut Tx<'_>, target: &TargetName) -> Result<bool, DbError> {
    let sql = format!("SELECT target FROM targets WHERE target = $1{}", db.for_update());
    let found = sqlx::query(AssertSqlSafe(sql)).bind(target.as_str()).fetch_optional(&mut **tx).await?;
    Ok(found.is_some())
}

const COLUMNS: &[&str] = &["target", "version", "phase", "epoch", "state", "due_at", "updated_at", "behind"];

/// The row is locked and is there, so that it is as it was read; were it not, nothing would be committed.
const SAVED: &str = "ON CONFLICT (target) DO UPDATE SET version = excluded.version, phase = excluded.phase, \
         epoch = excluded.epoch, state = excluded.state, due_at = excluded.due_at, updated_at = excluded.updated_at, \
         behind = excluded.behind \
     WHERE targets.version = excluded.version - 1";

/// The caller holds the row; it is written by the commit.
pub(super) fn save(
    tx: &mut Tx<'_>,
    state: &TargetState,
    version: u64,
    now: Timestamp,
) -> Result<(), DbError> {
    let row = vec![
        state.target.as_str().into(),
        i64::try_from(version).unwrap_or(i64::MAX).into(),
        state.phase.as_str().into(),
        i64::try_from(state.epoch).unwrap_or(i64::MAX).into(),
        tx.forms().text(state)?.into(),
        state.next_due().map(Timestamp::as_millis).into(),
        now.as_millis().into(),
        i64::from(state.behind.is_some()).into(),
    ];
    tx.upsert("targets", COLUMNS, row, SAVED);
    Ok(())
}
