//! The database goes away and comes back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use phasegate_tests::postgres::{Cluster, TestDatabase};
use phasegate_tests::proxy::{Mode, Proxy};
use service_kit::clock::{Clock as _, SystemClock};
use service_kit::db::Db;
use service_kit::outbox::{Claim, Handler, Outcome, WorkerOptions, run_worker};
use shared_types::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

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
    let error = db.begin().await.unwrap_err();
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
    let (proxy, through) = behind_a_proxy(&database).await;
    let db = through.answering_within(Duration::from_millis(300));
    let other = Db::connect(database.url(), "kit", &[]).await.unwrap();
    let (clock, handler) = (Arc::new(clock()), Recorder::new());
    let options = WorkerOptions { poll: Duration::from_millis(20), ..WorkerOptions::new("kit") };
    let running = Running::start_with(&db, &clock, &handler, options);
    put(&other, &message("slack/x", "before")).await;
    handler.until(1).await;

    proxy.set(Mode::HalfOpen);
    // Asked for while nothing answers: more often than there are connections.
    for _ in 0..20 {
        assert!(db.answered(db.begin()).await.is_err());
    }
    proxy.set(Mode::Pass);
    put(&other, &message("slack/x", "after")).await;
    assert_eq!(handler.until(2).await, ["before", "after"]);
    running.stop().await;
}

/// The same database, by a line that can be cut.
async fn behind_a_proxy(database: &TestDatabase) -> (Proxy, Db) {
    let (before, name) = database.url().rsplit_once('/').expect("a database in its URL");
    let server = before.rsplit(['@', '/']).next().expect("a server in its URL");
    let proxy = Proxy::start(vec![server.parse().expect("an address")]).await;
    let through = before.replace(server, &proxy.address().to_string());
    let db = Db::connect(&format!("{through}/{name}"), "kit", &[]).await.unwrap();
    (proxy, db)
}

/// Never comes to an end by itself; notes when it began and when it was given up.
struct Endless(watch::Sender<Vec<(&'static str, Timestamp)>>);

impl Endless {
    async fn until(&self, what: &'static str) -> Timestamp {
        let mut noted = self.0.subscribe();
        let is_there = noted.wait_for(|noted| noted.iter().any(|(it, _)| *it == what));
        let noted = tokio::time::timeout(Duration::from_secs(20), is_there).await.expect(what).unwrap();
        noted.iter().find(|(it, _)| *it == what).unwrap().1
    }
}

struct Underway<'a>(&'a Endless);

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|noted| noted.push(("given up", SystemClock.now())));
    }
}

#[async_trait]
impl Handler for Endless {
    async fn handle(&self, _: &Claim) -> Outcome {
        let _underway = Underway(self);
        self.0.send_modify(|noted| noted.push(("begun", SystemClock.now())));
        std::future::pending().await
    }
}

/// RB-10: work whose lease cannot be renewed, as the line to the database is cut or leads nowhere, is given up while the lease
/// still holds, and another worker begins it after that. Nothing is recorded of it but that nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn work_that_cannot_renew_its_lease_is_over_before_another_begins_it() {
    for broken in [Mode::Cut, Mode::HalfOpen] {
        let database = TestDatabase::create().await;
        let (proxy, through) = behind_a_proxy(&database).await;
        let direct = Db::connect(database.url(), "kit", &[]).await.unwrap();
        let first_lease = Duration::from_secs(3);
        let options = WorkerOptions { first_lease, ..WorkerOptions::new("kit") };
        let stop = CancellationToken::new();
        let start = |db: &Db| {
            let handler = Arc::new(Endless(watch::Sender::new(Vec::new())));
            let (clock, options, stop) = (Arc::new(SystemClock), options.clone(), stop.clone());
            drop(tokio::spawn(run_worker(
                db.clone(),
                clock,
                Arc::clone(&handler) as Arc<dyn Handler>,
                options,
                stop,
            )));
            handler
        };
        put(&direct, &message("slack/x", "a")).await;
        let first = start(&through);
        let begun = first.until("begun").await;
        while view(&direct, "a").await.due_at <= begun.plus(first_lease) {
            tokio::time::sleep(Duration::from_millis(5)).await; // until the lease was renewed once
        }
        let second = start(&direct);
        proxy.set(broken);
        let given_up = first.until("given up").await;
        let leased = view(&direct, "a").await;
        assert_eq!((leased.state.as_str(), leased.claims), ("leased", 1), "{broken:?}");
        assert!(given_up < leased.due_at.minus(first_lease / 5), "{broken:?}: {given_up} {}", leased.due_at);
        let taken = second.until("begun").await;
        assert!(taken >= leased.due_at, "{broken:?}: {taken} {}", leased.due_at);
        let again = view(&direct, "a").await;
        assert_eq!((again.claims, again.unknowns, again.failures), (2, 1, 0), "{broken:?}");
        stop.cancel();
    }
}
