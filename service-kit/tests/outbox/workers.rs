//! The worker loop, with real tasks and bounded waits on conditions.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use service_kit::clock::{Clock, ManualClock};
use service_kit::db::{Company, Db, DbError};
use service_kit::outbox::{
    Claim, Handler, Outcome, Recorded, WorkerOptions, enqueue, record, run_worker, work_once,
};
use shared_types::Timestamp;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::harness::*;

/// Notes what it was given; lanes named `hangs` never answer, `panics` panics.
pub(crate) struct Recorder {
    seen: watch::Sender<Vec<String>>,
    hanging: AtomicUsize,
    release: Notify,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            seen: watch::Sender::new(Vec::new()),
            hanging: AtomicUsize::new(0),
            release: Notify::new(),
        })
    }

    /// Waits, at most 20 s, until so many were handled.
    pub(crate) async fn until(&self, count: usize) -> Vec<String> {
        let mut seen = self.seen.subscribe();
        let enough = tokio::time::timeout(Duration::from_secs(20), seen.wait_for(|seen| seen.len() >= count));
        enough.await.unwrap_or_else(|_| panic!("only {:?}", self.seen.borrow())).unwrap().clone()
    }
}

#[async_trait]
impl Handler for Recorder {
    async fn handle(&self, claim: &Claim) -> Outcome {
        if claim.lane.contains("hangs") {
            // From here on a release is not missed.
            let released = self.release.notified();
            self.hanging.fetch_add(1, Ordering::SeqCst);
            released.await;
        }
        assert!(!claim.lane.contains("panics"), "on purpose");
        self.seen.send_modify(|seen| seen.push(claim.dedup_key.clone()));
        done()
    }
}

pub(crate) struct Running {
    pub(crate) shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(db: &Db, clock: &Arc<ManualClock>, handler: &Arc<Recorder>) -> Self {
        Self::start_with(db, clock, handler, WorkerOptions::new("kit"))
    }

    pub(crate) fn start_with(
        db: &Db,
        clock: &Arc<ManualClock>,
        handler: &Arc<Recorder>,
        options: WorkerOptions,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let (handler, clock) = (Arc::clone(handler), Arc::clone(clock));
        let task = tokio::spawn(run_worker(db.clone(), clock, handler, options, shutdown.clone()));
        Self { shutdown, task }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(30), self.task).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_commit_wakes_the_worker_and_everything_is_done_once_in_lane_order() {
    everywhere(async |db| {
        let (clock, handler) = (Arc::new(clock()), Recorder::new());
        let first = Running::start(&db, &clock, &handler);
        let second = Running::start(&db, &clock, &handler);
        for row in 0..10 {
            for lane in ["slack/x", "slack/y", "pagerduty"] {
                put(&db, &message(lane, &format!("{lane} {row}"))).await;
            }
        }
        let mut seen = handler.until(30).await;
        first.stop().await;
        second.stop().await;
        let mut lanes: Vec<_> = seen.clone();
        lanes.sort_by_key(|key| key.rsplit_once(' ').unwrap().0.to_owned());
        for lane in lanes.chunks(10) {
            assert!(lane.is_sorted(), "{lane:?}");
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 30);
        assert_eq!(service_kit::outbox::stats(&db, start()).await.unwrap().ready, 0);
    })
    .await;
}

/// What is due and heads its lane is leased by the commit that brings it: no claim of its own, so two commits in all.
#[tokio::test]
async fn what_can_be_begun_at_once_costs_no_claim() {
    everywhere(async |db| {
        let (clock, handler) = (Arc::new(clock()), Recorder::new());
        let running = Running::start(&db, &clock, &handler);
        // The worker is there once it has done something; that may have cost it a claim.
        for row in 0..=10 {
            let key = format!("row {row}");
            put(&db, &message("slack/x", &key)).await;
            until_done(&db, key.clone()).await;
            assert_eq!(view(&db, &key).await.claims, 1);
        }
        running.stop().await;
        assert!(db.commits() <= 11 * 2 + 1, "{}", db.commits());
    })
    .await;
}

/// Also where a lane has been used before, and rests: the row waits in the store.
#[tokio::test]
async fn what_cannot_be_begun_at_once_waits_its_turn() {
    everywhere(async |db| {
        let (clock, handler) = (Arc::new(clock()), Recorder::new());
        let running = Running::start(&db, &clock, &handler);
        let paced = |key: &str| domain::effects::NewMessage { pace: seconds(60), ..message("slack/x", key) };
        put(&db, &paced("first")).await;
        until_done(&db, "first".to_owned()).await;
        put(&db, &paced("second")).await;
        let mut later = message("slack/y", "later");
        later.due_at = start().plus(seconds(60));
        put(&db, &later).await;
        put(&db, &message("slack/z", "last")).await;
        assert_eq!(handler.until(2).await, ["first", "last"]);
        for waits in ["second", "later"] {
            assert_eq!((view(&db, waits).await.state.as_str(), view(&db, waits).await.claims), ("ready", 0));
        }
        clock.advance(seconds(60));
        assert_eq!(handler.until(4).await.len(), 4);
        running.stop().await;
    })
    .await;
}

async fn until_done(db: &Db, key: String) {
    let done = async {
        while view(db, &key).await.state != "done" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), done).await.unwrap_or_else(|_| panic!("{key} is not done"));
}

#[tokio::test]
async fn a_receiver_that_hangs_in_all_its_lanes_holds_up_nobody_else() {
    everywhere(async |db| {
        let (clock, handler) = (Arc::new(clock()), Recorder::new());
        for lane in 0..40 {
            put(&db, &message(&format!("analyzer/hangs-{lane}"), &format!("hangs {lane}"))).await;
        }
        put(&db, &message("slack/x", "through")).await;
        let running = Running::start(&db, &clock, &handler);
        assert_eq!(handler.until(1).await, ["through"]);
        put(&db, &message("slack/x", "through too")).await;
        assert_eq!(handler.until(2).await, ["through", "through too"]);
        assert_eq!(handler.hanging.load(Ordering::SeqCst), 8, "its own slots");

        // Shutdown finishes what is under way, and starts nothing new.
        running.shutdown.cancel();
        handler.release.notify_waiters();
        running.stop().await;
        assert_eq!(handler.seen.borrow().len(), 10);
        let left = service_kit::outbox::stats(&db, start()).await.unwrap();
        assert_eq!(left.ready, 32);
    })
    .await;
}

#[tokio::test]
async fn a_worker_renews_the_lease_of_what_takes_long() {
    everywhere(async |db| {
        let (clock, handler) = (Arc::new(clock()), Recorder::new());
        put(&db, &message("analyzer/hangs", "long")).await;
        let first_lease = Duration::from_secs(2);
        let options = WorkerOptions { first_lease, ..WorkerOptions::new("kit") };
        let running = Running::start_with(&db, &clock, &handler, options);
        let renewed = async {
            while handler.hanging.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            clock.advance(Duration::from_millis(100));
            while view(&db, "long").await.due_at <= start().plus(first_lease) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), renewed).await.unwrap();
        running.shutdown.cancel();
        handler.release.notify_waiters();
        running.stop().await;
        assert_eq!((view(&db, "long").await.claims, view(&db, "long").await.state.as_str()), (1, "done"));
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_panics_leaves_an_unknown_outcome_and_the_worker_goes_on() {
    everywhere(async |db| {
        let (clock, handler) = (Arc::new(clock()), Recorder::new());
        put(&db, &message("slack/panics", "bad")).await;
        put(&db, &message("slack/x", "good")).await;
        assert_eq!(work_once(&db, &*clock, &*handler).await.unwrap(), 2);
        let bad = view(&db, "bad").await;
        assert_eq!((bad.state.as_str(), bad.unknowns, bad.failures), ("ready", 1, 0));
        assert_eq!(view(&db, "good").await.state, "done");
    })
    .await;
}

/// Its outcome and what follows from it commit together, or neither does.
struct Chain {
    fail_first_settle: AtomicUsize,
    settled: Mutex<Vec<Recorded>>,
}

#[async_trait]
impl Handler for Chain {
    async fn handle(&self, _: &Claim) -> Outcome {
        done()
    }

    fn lease(&self, _: &str) -> Duration {
        Duration::from_secs(600)
    }

    async fn settle(
        &self,
        db: &Db,
        claim: &Claim,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<Recorded, DbError> {
        let mut tx = db.begin().await?;
        let recorded = record(&mut tx, claim, outcome, now, Company::None).await?;
        if claim.dedup_key == "first" {
            enqueue(&mut tx, &message("slack/follow-up", "second"), now)?;
        }
        if self.fail_first_settle.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(DbError::Busy);
        }
        tx.commit().await?;
        self.settled.lock().unwrap().push(recorded);
        Ok(recorded)
    }
}

#[tokio::test]
async fn recording_is_tried_again_when_the_database_fails_and_its_state_change_commits_with_it() {
    everywhere(async |db| {
        let clock = Arc::new(clock());
        let handler = Arc::new(Chain { fail_first_settle: AtomicUsize::new(0), settled: Mutex::default() });
        put(&db, &message("command/autosave", "first")).await;
        let shutdown = CancellationToken::new();
        let worker = run_worker(
            db.clone(),
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::clone(&handler) as Arc<dyn Handler>,
            WorkerOptions::new("kit"),
            shutdown.clone(),
        );
        let worker = tokio::spawn(worker);
        let both_done = async {
            while handler.settled.lock().unwrap().len() < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), both_done).await.unwrap();
        shutdown.cancel();
        worker.await.unwrap();
        let first = view(&db, "first").await;
        assert_eq!((first.state.as_str(), first.claims), ("done", 1), "it was done once");
        assert_eq!(view(&db, "second").await.state, "done");
    })
    .await;
}
