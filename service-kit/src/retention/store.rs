//! The statements by which rows are forgotten.

use shared_types::Timestamp;
use sqlx::{AssertSqlSafe, Row as _};

use crate::db::{Db, DbError};

/// Rows of a table that are past their time. Made of constants only: what stands here is put into statements.
#[derive(Debug, Clone, Copy)]
pub struct Past {
    table: &'static str,
    /// What a row is known by: its columns, with commas between them.
    key: &'static str,
    /// The column that says when it was; indexed, where the table can become long.
    time: &'static str,
    before: Timestamp,
    only: &'static str,
    /// The column that goes, where the row stays.
    column: Option<&'static str>,
}

/// What one piece took away.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) gone: u64,
    /// The newest time among them.
    pub(super) newest: Option<i64>,
}

impl Past {
    /// All rows whose `time` is before.
    #[must_use]
    pub const fn of(table: &'static str, key: &'static str, time: &'static str, before: Timestamp) -> Self {
        Self { table, key, time, before, only: "1 = 1", column: None }
    }

    /// Not the rows go, but what stands in a column that may be empty. `filled` is the condition that something does, as an index
    /// by the time has it.
    #[must_use]
    pub const fn column(self, column: &'static str, filled: &'static str) -> Self {
        Self { column: Some(column), only: filled, ..self }
    }

    /// Of those only what a condition holds for; what it keeps is passed over once a turn.
    #[must_use]
    pub const fn only(self, only: &'static str) -> Self {
        Self { only, ..self }
    }

    pub(super) fn table(&self) -> &'static str {
        self.table
    }

    /// When the oldest row was that is past its time, whether it has to stay or not: one look into the index. None: there is none.
    pub(super) async fn oldest(&self, db: &Db) -> Result<Option<i64>, DbError> {
        let Self { table, time, before, .. } = self;
        // Rows that stay are not to be found each time.
        let only = if self.column.is_some() { self.only } else { "1 = 1" };
        let sql = format!("SELECT {time} FROM {table} WHERE {time} < $1 AND {only} ORDER BY {time} LIMIT 1");
        let row: Option<(i64,)> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(before.as_millis()).fetch_optional(db.pool()).await?;
        Ok(row.map(|(at,)| at))
    }

    /// Takes away at most `limit` of them, the oldest that are not before `from`. What another replica takes away just now is
    /// passed over, so that the two never wait for each other.
    pub(super) async fn forget_some(&self, db: &Db, from: i64, limit: u32) -> Result<Piece, DbError> {
        let Self { table, key, time, before, only, column } = self;
        let takes = match column {
            Some(column) => format!("UPDATE {table} SET {column} = NULL"),
            None => format!("DELETE FROM {table}"),
        };
        let sql = format!(
            "{takes} WHERE ({key}) IN (SELECT {key} FROM {table} \
             WHERE {time} >= $1 AND {time} < $2 AND ({only}) ORDER BY {time} LIMIT $3{}) RETURNING {time} AS at",
            db.skip_locked()
        );
        let mut tx = db.begin().await?;
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(from)
            .bind(before.as_millis())
            .bind(i64::from(limit))
            .fetch_all(&mut *tx)
            .await?;
        tx.commit().await?;
        let times: Result<Vec<i64>, _> = rows.iter().map(|row| row.try_get("at")).collect();
        Ok(Piece { gone: u64::try_from(rows.len()).unwrap_or(u64::MAX), newest: times?.into_iter().max() })
    }
}
