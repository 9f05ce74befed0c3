//! What PostgreSQL has counted of a table's updates and an index's use, in a database that is used by one connection.

use service_kit::db::Db;
use sqlx::{AssertSqlSafe, Row as _};

/// Updates of rows, and those of them that were made in place: no index was written for them, and no vacuum is wanted after them.
#[derive(Debug, Clone, Copy)]
pub struct Updates {
    pub all: i64,
    pub in_place: i64,
}

/// What became of a table's rows.
///
/// # Panics
/// There is no such table, or the database does not answer.
pub async fn updates(db: &Db, table: &str) -> Updates {
    tell_now(db).await;
    let sql = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = $1";
    let row = sqlx::query(sql).bind(table.to_owned()).fetch_one(db.pool()).await.expect("a table");
    Updates { all: row.get("n_tup_upd"), in_place: row.get("n_tup_hot_upd") }
}

/// Clears away what a table's rows were before, as the server does by the way, unless a transaction of any other database is as old.
///
/// # Panics
/// There is no such table, or the database does not answer.
pub async fn clear_away(db: &Db, table: &'static str) {
    sqlx::query(AssertSqlSafe(format!("VACUUM {table}"))).execute(db.pool()).await.expect("a table");
}

/// How often an index was looked into.
///
/// # Panics
/// There is no such index, or the database does not answer.
pub async fn lookups(db: &Db, index: &str) -> i64 {
    tell_now(db).await;
    let sql = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = $1";
    let row = sqlx::query(sql).bind(index.to_owned()).fetch_one(db.pool()).await.expect("an index");
    row.get("idx_scan")
}

/// A session tells the server once in a while what it has done.
async fn tell_now(db: &Db) {
    let sql = "DO $$ BEGIN PERFORM pg_stat_force_next_flush(); END $$";
    sqlx::query(sql).execute(db.pool()).await.expect("PostgreSQL 15 or later");
}
