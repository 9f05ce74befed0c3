//! Databases with few connections, and what is stored in them.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use phasegate_tests::postgres::TestDatabase;
use service_kit::causes::in_full;
use service_kit::db::{Db, DbError, DbSettings, Migration};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use tokio::time::Instant;

/// OP-2.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) const NOTES: &[Migration] = &[Migration {
    version: 100,
    name: "notes",
    postgres: "CREATE TABLE notes (id BIGINT PRIMARY KEY, body TEXT);",
    sqlite: "CREATE TABLE notes (id BIGINT PRIMARY KEY, body TEXT);",
}];

/// With so many connections.
pub(crate) async fn open(url: &str, connections: u32) -> Db {
    let connections = NonZeroU32::new(connections);
    let settings = DbSettings { connections, ..DbSettings::usual(url, "kit").unwrap() };
    Db::open(&settings, NOTES).await.unwrap()
}

pub(crate) async fn note(db: &Db, body: &str) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    // Two that write at once do not meet.
    static NEXT: AtomicI64 = AtomicI64::new(1);
    sqlx::query("INSERT INTO notes (id, body) VALUES ($1, $2)")
        .bind(NEXT.fetch_add(1, Ordering::SeqCst))
        .bind(body)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

pub(crate) async fn notes(db: &Db) -> Result<i64, sqlx::Error> {
    let (count,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM notes").fetch_one(db.pool()).await?;
    Ok(count)
}

/// Uses all connections at once, so that all are there.
pub(crate) async fn fill(db: &Db) {
    let mut held = Vec::new();
    for _ in 0..db.pool().most() {
        held.push(db.begin().await.unwrap());
    }
}

/// Waits until something is stored again, and not longer than is promised; how often it was tried in vain.
pub(crate) async fn stores_soon(db: &Db) -> usize {
    let since = Instant::now();
    for failed in 0.. {
        match note(db, "after").await {
            Ok(()) => {
                ready_soon(db, since).await;
                return failed;
            }
            Err(error) => assert!(since.elapsed() < SOON, "after {failed} tries: {}", in_full(&error)),
        }
    }
    unreachable!("it ends above")
}

async fn ready_soon(db: &Db, since: Instant) {
    while let Err(why) = db.stores().await {
        assert!(since.elapsed() < SOON, "{why}");
        tokio::task::yield_now().await;
    }
}

/// What `/readyz` says, once it says what is asked for.
pub(crate) async fn not_ready_for(db: &Db, words: &str) {
    let since = Instant::now();
    loop {
        let why = db.stores().await.expect_err("nothing can be stored");
        if why.contains(words) {
            return;
        }
        assert!(since.elapsed() < SOON, "{why}");
        tokio::task::yield_now().await;
    }
}

/// A person at the server.
pub(crate) struct Admin(AnyConnection);

impl Admin {
    pub(crate) async fn of(database: &TestDatabase) -> Self {
        Self::at(database.url()).await
    }

    pub(crate) async fn at(url: &str) -> Self {
        service_kit::db::install_drivers();
        Self(AnyConnection::connect(url).await.unwrap())
    }

    pub(crate) async fn counts(&mut self, table: &str) -> i64 {
        let count = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        sqlx::query_as::<_, (i64,)>(count).fetch_one(&mut self.0).await.unwrap().0
    }

    pub(crate) async fn does(&mut self, sql: impl Into<String>) {
        self.0.execute(AssertSqlSafe(sql.into())).await.unwrap();
    }

    /// Ends all other sessions at this database.
    pub(crate) async fn ends_sessions(&mut self) {
        self.does(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    }
}
