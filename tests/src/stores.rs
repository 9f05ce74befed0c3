//! Runs a conformance suite on every kind of database a service can have.

use std::future::Future;

use service_kit::db::{Db, Migration};

use crate::postgres::TestDatabase;

/// Runs `suite` on SQLite in memory, on an SQLite file and on PostgreSQL, each time on an empty database of `service`
/// with its migrations applied. A failing test's output names the one it failed on.
///
/// # Panics
/// When the suite does, or when a database cannot be had.
pub async fn both_engines<F, S>(service: &str, migrations: &[Migration], suite: S)
where
    S: Fn(Db) -> F,
    F: Future<Output = ()>,
{
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    let database = TestDatabase::create().await;
    let urls = [
        ("SQLite in memory", "sqlite::memory:".to_owned()),
        ("SQLite in a file", Db::embedded_url(folder.path(), service)),
        ("PostgreSQL", database.url().to_owned()),
    ];
    for (name, url) in urls {
        println!("on {name}:");
        let db = Db::connect(&url, service, migrations).await;
        let db = db.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
        suite(db.clone()).await;
        db.close().await;
    }
}
