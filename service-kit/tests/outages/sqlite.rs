//! SQLite in a file.

use service_kit::db::{Db, DbError};
use sqlx::{AnyConnection, Connection as _, Executor as _};

use crate::harness::*;

/// OP-2: SQLite takes a transaction back by itself when there is no room, and the driver then counts one that is none: "begin at
/// non-zero transaction depth", until a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_that_has_room_again_is_written_to_again() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&Db::embedded_url(folder.path(), "kit"), 1).await;
    note(&db, "before").await.unwrap();
    let (pages,): (i64,) = sqlx::query_as("PRAGMA page_count").fetch_one(db.pool()).await.unwrap();
    // The limit is the connection's own: a new one has room again.
    let limit = format!("PRAGMA max_page_count = {pages}");
    sqlx::query(sqlx::AssertSqlSafe(limit)).execute(db.pool()).await.unwrap();
    let full = note(&db, &"x".repeat(1 << 20)).await.unwrap_err();
    assert!(full.is_unavailable(), "{full:?}");
    assert_eq!(stores_soon(&db).await, 0);
    assert_eq!(notes(&db).await.unwrap(), 2);
}

/// OP-2: whatever left a connection within a transaction.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_left_in_a_transaction_is_not_given_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&Db::embedded_url(folder.path(), "kit"), 1).await;
    let mut tx = db.begin().await.unwrap();
    // Behind the driver's back, as SQLite itself does it.
    tx.execute("ROLLBACK").await.unwrap();
    drop(tx);
    assert_eq!(stores_soon(&db).await, 0);
}

/// OP-1, OP-2: another process holds the file for longer than is waited for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_locks_is_written_to_once_it_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let url = Db::embedded_url(folder.path(), "kit");
    let db = open(&url, 4).await;
    note(&db, "before").await.unwrap();
    let mut other = AnyConnection::connect(&url).await.unwrap();
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    not_ready_for(&db, "").await;
    let refused = note(&db, "meanwhile").await.unwrap_err();
    assert!(refused.is_unavailable() && !matches!(refused, DbError::Unanswered), "{refused:?}");
    not_ready_for(&db, "it is locked by another").await;
    other.execute("ROLLBACK").await.unwrap();
    stores_soon(&db).await;
}

/// OP-1: a database that answers may take no writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_can_only_be_read_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&Db::embedded_url(folder.path(), "kit"), 1).await;
    db.stores().await.unwrap();
    sqlx::query("PRAGMA query_only = ON").execute(db.pool()).await.unwrap();
    assert!(note(&db, "meanwhile").await.unwrap_err().is_unavailable());
    // The failure of work is enough for it to be looked at anew, and the connection has gone.
    stores_soon(&db).await;
}
