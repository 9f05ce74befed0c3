//! PostgreSQL.

use std::num::NonZeroU32;
use std::time::Duration;

use phasegate_tests::postgres::{Cluster, TestDatabase};
use phasegate_tests::proxy::{Mode, Proxy};
use service_kit::db::{Db, DbError, DbSettings};
use sqlx::Executor as _;

use crate::harness::*;

async fn backend(db: &Db) -> i32 {
    let mut tx = db.begin().await.unwrap();
    sqlx::query_as::<_, (i32,)>("SELECT pg_backend_pid()").fetch_one(&mut *tx).await.unwrap().0
}

/// OP-2: sessions that began while the primary was read-only stay so for ever; no statement was stored again in 700 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_was_read_only_for_a_while_is_written_to_again() {
    let database = TestDatabase::create().await;
    let db = open(database.url(), 8).await;
    note(&db, "before").await.unwrap();
    let mut admin = Admin::of(&database).await;
    let name = database.url().rsplit_once('/').unwrap().1.to_owned();
    admin.does(format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on")).await;
    admin.ends_sessions().await;
    fill(&db).await;
    let refused = note(&db, "meanwhile").await.unwrap_err();
    assert!(refused.is_unavailable(), "{refused:?}");
    not_ready_for(&db, "it takes no writes").await;
    assert_eq!(notes(&db).await.unwrap(), 1, "what is there can be read");
    fill(&db).await;

    admin.does(format!("ALTER DATABASE \"{name}\" RESET default_transaction_read_only")).await;
    assert!(stores_soon(&db).await <= 1, "one failure makes all of them suspect");
}

/// OP-2: also where each session is asked for reads only, which a broken one fails.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_an_administrator_ended_cost_one_failure_at_most() {
    let database = TestDatabase::create().await;
    let db = open(database.url(), 8).await;
    fill(&db).await;
    Admin::of(&database).await.ends_sessions().await;
    let mut failed = 0;
    while notes(&db).await.is_err() {
        failed += 1;
        assert!(failed <= 1, "the others were broken by the same");
    }
    fill(&db).await;
    Admin::of(&database).await.ends_sessions().await;
    assert_eq!(stores_soon(&db).await, 0, "BEGIN is said again on another one");
}

/// OP-2: a connection leaves for a statement that timed out or a transaction that failed, and for nothing less.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_leaves_for_what_makes_it_useless_and_not_for_any_error() {
    let database = TestDatabase::create().await;
    let db = open(database.url(), 1).await;
    let first = backend(&db).await;
    let refused = sqlx::query("INSERT INTO notes (id) VALUES (NULL)").execute(db.pool()).await;
    assert!(refused.is_err());
    assert!(sqlx::query("SELECT 1 / 0").execute(db.pool()).await.is_err());
    assert_eq!(backend(&db).await, first, "what was wrong was the statement");

    let mut tx = db.begin().await.unwrap();
    tx.execute("SET LOCAL statement_timeout = '50ms'").await.unwrap();
    let error = DbError::from(tx.execute("SELECT pg_sleep(30)").await.unwrap_err());
    assert!(error.is_unavailable(), "{error:?}");
    drop(tx);
    let second = backend(&db).await;
    assert_ne!(second, first);

    let mut tx = db.begin().await.unwrap();
    assert!(tx.execute("SELECT 1 / 0").await.is_err());
    assert!(tx.execute("SELECT 1").await.is_err(), "the transaction has failed");
    drop(tx);
    assert_ne!(backend(&db).await, second);
}

/// OP-2: what waits for a lock waits no longer than it may, and its connection is as good as before.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_another_holds_is_written_to_once_it_is_let_go() {
    let database = TestDatabase::create().await;
    let db = open(database.url(), 4).await;
    let mut admin = Admin::of(&database).await;
    admin.does("BEGIN; LOCK TABLE kit.notes, kit.write_probe IN ACCESS EXCLUSIVE MODE").await;
    not_ready_for(&db, "").await;
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { note(&db, "waits").await }
    });
    admin.does("ROLLBACK").await;
    assert_eq!(stores_soon(&db).await, 0);
    waiting.await.unwrap().unwrap();
}

/// OP-1, OP-2: a server that is killed and started again.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_used_again() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let database = TestDatabase::create_in(&cluster).await;
    let db = open(database.url(), 4).await;
    fill(&db).await;
    cluster.kill();
    not_ready_for(&db, "it cannot be reached").await;
    cluster.restart();
    stores_soon(&db).await;
}

/// OP-1, OP-2: a path that was lost and closes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_was_lost_is_found_out_by_one_connection_for_all() {
    let database = TestDatabase::create().await;
    let (before, name) = database.url().rsplit_once('/').unwrap();
    let server = before.rsplit(['@', '/']).next().unwrap();
    let proxy = Proxy::start(vec![server.parse().unwrap()]).await;
    let through = format!("{}/{name}", before.replace(server, &proxy.address().to_string()));
    let db = open(&through, 8).await;
    fill(&db).await;
    proxy.set(Mode::HalfOpen);
    // Under way as the path is lost: it would be waited for until its bound.
    let under_way = tokio::spawn({
        let db = db.clone();
        async move { db.answered(note(&db, "never arrives")).await }
    });
    not_ready_for(&db, "").await;
    proxy.set(Mode::Pass);
    stores_soon(&db).await;
    let lost = tokio::time::timeout(SOON, under_way).await.expect("given up in time");
    assert!(lost.unwrap().is_err());
}

/// What the server, or this process, is short of is told by its name, and not as a wait that was in vain.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_gives_no_more_connections_is_the_cause_that_is_told() {
    let database = TestDatabase::create().await;
    let mut admin = Admin::of(&database).await;
    let role = format!("few_{}", database.url().rsplit_once('/').unwrap().1);
    admin.does(format!("CREATE ROLE \"{role}\" LOGIN SUPERUSER PASSWORD 'few'")).await;
    let (scheme, rest) = database.url().split_once("://").unwrap();
    let at = rest.split_once('@').map_or(rest, |(_, at)| at);
    let url = format!("{scheme}://{role}:few@{at}");
    let db = open(&url, 4).await;
    let held = db.begin().await.unwrap();
    // Superusers are not limited: from now on it is none.
    admin
        .does(format!(
            "GRANT ALL ON SCHEMA kit TO \"{role}\"; ALTER ROLE \"{role}\" NOSUPERUSER CONNECTION LIMIT 1"
        ))
        .await;
    not_ready_for(&db, "too many connections for role").await;
    admin.does(format!("ALTER ROLE \"{role}\" CONNECTION LIMIT -1")).await;
    drop(held);
    stores_soon(&db).await;
    db.close().await;
    admin.does(format!("DROP OWNED BY \"{role}\" CASCADE; DROP ROLE \"{role}\"")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_starves_is_the_cause_that_is_told() {
    let database = TestDatabase::create().await;
    let db = open(database.url(), 2).await;
    let held = [db.begin().await.unwrap(), db.begin().await.unwrap()];
    not_ready_for(&db, "all connections of the pool are in use").await;
    drop(held);
    assert_eq!(stores_soon(&db).await, 0);
}

/// A pool's size is a setting.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_are_made_than_are_set() {
    let database = TestDatabase::create().await;
    let settings = DbSettings::usual(database.url(), "kit").unwrap();
    let db = Db::open(&DbSettings { connections: NonZeroU32::new(3), ..settings }, NOTES).await.unwrap();
    let work = (0..20).map(|_| notes(&db));
    futures_util::future::try_join_all(work).await.unwrap();
    let (open,): (i64,) =
        sqlx::query_as("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()")
            .fetch_one(db.pool())
            .await
            .unwrap();
    assert!(open <= 3, "{open}");
    assert!(tokio::time::timeout(Duration::from_secs(5), db.close()).await.is_ok());
}
