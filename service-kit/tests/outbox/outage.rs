//! The database goes away and comes back.

use std::sync::Arc;
use std::time::Duration;

use phasegate_tests::postgres::{Cluster, TestDatabase};
use phasegate_tests::proxy::{Mode, Proxy};
use service_kit::db::Db;
use service_kit::outbox::WorkerOptions;

use crate::harness::*;
use crate::workers::{Recorder, Running};

/// A service that is down loses nothing (architecture, settled questions): nor does one whose database is.
#[tokio::test(flavor = "multi_thread")]
async fn the_worker_outlives_an_outage_of_postgresql() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let database = TestDatabase::create_in(&cluster).await;
    let db = Db::connect(database.url(), "kit", &[]).await.unwrap();
    let (clock, handler) = (Arc::new(clock()), Recorder::new());
    let running = Running::start(&db, &clock, &handler);
    put(&db, &message("slack/x", "before")).await;
    handler.until(1).await;

    cluster.crash();
    let error = db.ping().await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");

    cluster.restart();
    put(&db, &message("slack/x", "after")).await;
    assert_eq!(handler.until(2).await, ["before", "after"]);
    running.stop().await;
}

/// DE-5: found by chaos rounds. A path that was lost and closes nothing stopped the worker for good: no statement ended,
/// and each connection given up kept its place in the pool.
#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_connection_stops_the_worker_only_for_a_while() {
    let database = TestDatabase::create().await;
    let (before, name) = database.url().rsplit_once('/').expect("a database in its URL");
    let server = before.rsplit(['@', '/']).next().expect("a server in its URL");
    let proxy = Proxy::start(vec![server.parse().expect("an address")]).await;
    let through = before.replace(server, &proxy.address().to_string());
    let db = Db::connect(&format!("{through}/{name}"), "kit", &[]).await.unwrap();
    let db = db.answering_within(Duration::from_millis(300));
    let other = Db::connect(database.url(), "kit", &[]).await.unwrap();
    let (clock, handler) = (Arc::new(clock()), Recorder::new());
    let options = WorkerOptions { poll: Duration::from_millis(20), ..WorkerOptions::new("kit") };
    let running = Running::start_with(&db, &clock, &handler, options);
    put(&other, &message("slack/x", "before")).await;
    handler.until(1).await;

    proxy.set(Mode::HalfOpen);
    // Asked for while nothing answers: more often than there are connections.
    for _ in 0..20 {
        assert!(db.answered(db.ping()).await.is_err());
    }
    proxy.set(Mode::Pass);
    put(&other, &message("slack/x", "after")).await;
    assert_eq!(handler.until(2).await, ["before", "after"]);
    running.stop().await;
}
