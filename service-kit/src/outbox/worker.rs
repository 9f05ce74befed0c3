//! The loop that does what is due: claims, hands each row to the service's [`Handler`], records the outcome.
//!
//! Level-triggered: it looks when something was committed, when something falls due, and now and then besides. Each
//! receiver has slots of its own, so one that hangs fills only its own. A database that is away is waited for.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use domain::story::figures::format_duration;
use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use super::claim::{Begun, claim_each};
use super::housekeeping::keep_house;
use super::lane::receiver_of;
use super::{Claim, Handler, Outcome, Recorded, WorkerOptions, claim, due_receivers, renew};
use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::moment::Moment;
use crate::{seldom, trace_context};

const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
const SHORTEST_BACKOFF: Duration = Duration::from_millis(50);
/// The label of work whose lease could not be held.
const LEASE_LOST: &str = "lease_lost";

/// Works until `shutdown`, then finishes what is under way.
pub async fn run_worker(
    db: Db,
    clock: Arc<dyn Clock>,
    handler: Arc<dyn Handler>,
    options: WorkerOptions,
    shutdown: CancellationToken,
) {
    let mut worker = Worker {
        name: format!("{}-{}", options.service, Uuid::now_v7().simple()),
        db,
        clock,
        handler,
        options,
        slots: HashMap::new(),
        running: JoinSet::new(),
        backoff: None,
    };
    let beside =
        keep_house(worker.db.clone(), Arc::clone(&worker.clock), worker.options.clone(), shutdown.clone());
    // One task: what breaks one of the two ends both.
    tokio::join!(worker.work(&shutdown), beside);
}

/// Does everything that is due, once, one after the other, and returns how many rows that were: for one-shot commands,
/// and for tests that move the clock by hand.
///
/// # Errors
/// The database's.
pub async fn work_once(db: &Db, clock: &dyn Clock, handler: &dyn Handler) -> Result<usize, DbError> {
    let mut done = 0;
    for due in due_receivers(db).await? {
        if due.next_at > clock.now() {
            continue;
        }
        let lease = |kind: &str| handler.lease(kind);
        for claim in claim(db, "once", &due.receiver, 1000, &lease, clock.now()).await? {
            let work = async {
                let outcome = attempt(handler, &claim).await;
                handler.settle(db, &claim, &outcome, clock.now()).await
            };
            work.instrument(effect_span(&claim)).await?;
            done += 1;
        }
    }
    Ok(done)
}

struct Worker {
    name: String,
    db: Db,
    clock: Arc<dyn Clock>,
    handler: Arc<dyn Handler>,
    options: WorkerOptions,
    slots: HashMap<String, Arc<Semaphore>>,
    running: JoinSet<()>,
    /// Grows while the database is away.
    backoff: Option<Duration>,
}

impl Worker {
    async fn work(&mut self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            let pause = self.start_due().await;
            let wake_db = self.db.clone();
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = wake_db.outbox_wake().notified(), if self.backoff.is_none() => {}
                Some(_) = self.running.join_next(), if !self.running.is_empty() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.finish().await;
    }

    /// Starts what is due and has a free slot; returns how long nothing else will be.
    async fn start_due(&mut self) -> Duration {
        while self.running.try_join_next().is_some() {}
        let db = self.db.clone();
        match db.answered(self.try_start_due()).await {
            Ok(pause) => {
                if self.backoff.take().is_some() {
                    tracing::info!("the outbox's database is back");
                }
                pause
            }
            Err(error) => {
                if self.backoff.is_none() {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the outbox cannot be read; trying on"
                    );
                }
                let next =
                    self.backoff.map_or(SHORTEST_BACKOFF, |backoff| (backoff * 2).min(LONGEST_BACKOFF));
                *self.backoff.insert(next)
            }
        }
    }

    async fn try_start_due(&mut self) -> Result<Duration, DbError> {
        let mut pause = self.options.poll;
        // In this order: what is held counts from before the time that the row says.
        let moment = Moment::now();
        let now = self.clock.now();
        let mut wanted = Vec::new();
        for due in due_receivers(&self.db).await? {
            if due.next_at > now {
                pause = pause.min(due.next_at.since(now));
                continue;
            }
            let free = self.slots(&due.receiver).available_permits();
            if free > 0 {
                wanted.push((due.receiver, u32::try_from(free).unwrap_or(u32::MAX)));
            }
        }
        if !wanted.is_empty() {
            let (handler, first) = (Arc::clone(&self.handler), self.options.first_lease);
            let lease = move |kind: &str| handler.lease(kind).min(first);
            for claim in claim_each(&self.db, &self.name, &wanted, &lease, Begun { now, moment }).await? {
                // Only this loop takes permits, so one is there.
                if let Ok(permit) = self.slots(receiver_of(&claim.lane)).try_acquire_owned() {
                    self.start(claim, permit);
                }
            }
        }
        Ok(pause.max(Duration::from_millis(1)))
    }

    fn slots(&mut self, receiver: &str) -> Arc<Semaphore> {
        let all = || Arc::new(Semaphore::new(usize::try_from(self.options.per_receiver.max(1)).unwrap_or(1)));
        Arc::clone(self.slots.entry(receiver.to_owned()).or_insert_with(all))
    }

    fn start(&mut self, claim: Claim, permit: OwnedSemaphorePermit) {
        let (db, clock, handler) = (self.db.clone(), Arc::clone(&self.clock), Arc::clone(&self.handler));
        let span = effect_span(&claim);
        let WorkerOptions { first_lease, service, .. } = self.options;
        let work = async move {
            // The lease first: what woke up too late begins nothing.
            let outcome = tokio::select! {
                biased;
                () = keep(&db, &*clock, &claim, first_lease) => None,
                outcome = attempt(&*handler, &claim) => Some(outcome),
            };
            match outcome {
                Some(outcome) => {
                    if let Some(recorded) = settle(&db, &*clock, &*handler, &claim, &outcome).await {
                        report(service, &claim, &outcome, recorded);
                    }
                }
                None => lost(service, &claim),
            }
            drop(permit);
        };
        self.running.spawn(work.instrument(span));
    }

    async fn finish(&mut self) {
        let deadline = Instant::now() + self.options.drain;
        while !self.running.is_empty() {
            if tokio::time::timeout_at(deadline, self.running.join_next()).await.is_err() {
                tracing::warn!(left = self.running.len(), "effects under way were given up at shutdown");
                self.running.shutdown().await;
            }
        }
    }
}

/// Renews the lease. Ends when the work has to be given up: another worker has the row, or soon may have it (RB-10).
async fn keep(db: &Db, clock: &dyn Clock, claim: &Claim, lease: Duration) {
    tokio::select! {
        biased;
        () = claim.lease.given_up() => {}
        () = renew_until_taken(db, clock, claim, lease) => {}
    }
}

async fn renew_until_taken(db: &Db, clock: &dyn Clock, claim: &Claim, lease: Duration) {
    let mut pause = lease / 4;
    loop {
        tokio::time::sleep(pause).await;
        let begun = Moment::now();
        let renewal = db.answered(renew(db, claim, clock.now().plus(lease)));
        match tokio::time::timeout(lease / 5, renewal).await.unwrap_or(Err(DbError::Unanswered)) {
            Ok(true) => {
                claim.lease.renewed(begun, lease);
                pause = lease / 4;
            }
            Ok(false) => return,
            Err(error) => {
                seldom!(warn, "the lease was not renewed; trying on", &error);
                pause = lease / 20;
            }
        }
    }
}

/// Nothing is recorded: what came of it nobody knows, and whoever claims the row next counts it so.
fn lost(service: &'static str, claim: &Claim) {
    tracing::Span::current().record("outcome", LEASE_LOST);
    count_effect(service, claim, LEASE_LOST);
    tracing::warn!(
        "the lease could not be held, so the work was given up; it is done again when the lease is over"
    );
}

/// The span an effect is done in: a child of the one that enqueued it.
fn effect_span(claim: &Claim) -> tracing::Span {
    let span = tracing::info_span!(
        "effect",
        kind = %claim.kind, lane = %claim.lane, subject = %claim.subject, id = %claim.id,
        attempt = claim.fence, outcome = tracing::field::Empty, trace_id = tracing::field::Empty,
    );
    trace_context::set_parent(&span, claim.trace_parent.as_deref());
    span
}

/// The handler's outcome; a panic and an overrun are unknown outcomes too.
async fn attempt(handler: &dyn Handler, claim: &Claim) -> Outcome {
    let limit = handler.lease(&claim.kind).mul_f64(0.9);
    let caught = AssertUnwindSafe(handler.handle(claim)).catch_unwind();
    match tokio::time::timeout(limit, caught).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Outcome::Unknown { reason: "the handler panicked".into() },
        Err(_) => Outcome::Unknown { reason: format!("not finished within {}", format_duration(limit)) },
    }
}

/// Records the outcome, again and again while the database is away: for as long as the work itself might have taken. A
/// worker that took over meanwhile fences it off. None: it could not be recorded.
async fn settle(
    db: &Db,
    clock: &dyn Clock,
    handler: &dyn Handler,
    claim: &Claim,
    outcome: &Outcome,
) -> Option<Recorded> {
    // The moment it ended: retries are counted from here, however long recording takes.
    let ended = clock.now();
    let patience = Instant::now() + handler.lease(&claim.kind);
    tracing::Span::current().record("outcome", outcome.label());
    let mut backoff = SHORTEST_BACKOFF;
    loop {
        match db.answered(handler.settle(db, claim, outcome, ended)).await {
            Ok(recorded) => return Some(recorded),
            Err(error) if Instant::now() < patience => {
                seldom!(warn, "an outcome was not recorded; trying on", &error);
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    outcome = outcome.label(),
                    "an outcome could not be recorded in time; it counts as unknown"
                );
                return None;
            }
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

fn report(service: &'static str, claim: &Claim, outcome: &Outcome, recorded: Recorded) {
    count_effect(service, claim, outcome.label());
    let reason = outcome.reason().unwrap_or_default();
    match recorded {
        Recorded::Done if claim.unknowns > 0 => {
            tracing::warn!(unknowns = claim.unknowns, "done; the receiver may have it twice");
        }
        Recorded::Done => tracing::info!("done"),
        Recorded::Retrying(at) => {
            let kind = claim.kind.clone();
            metrics::counter!("phasegate_outbox_retries_total", "service" => service, "kind" => kind)
                .increment(1);
            tracing::warn!(%reason, next = %at, outcome = outcome.label(), "not done; it will be tried again");
        }
        Recorded::Dead => tracing::error!(%reason, "given up: a person must retry it"),
        Recorded::Fenced => tracing::warn!("another worker has taken over; this outcome was not recorded"),
    }
}

fn count_effect(service: &'static str, claim: &Claim, outcome: &'static str) {
    let kind = claim.kind.clone();
    metrics::counter!("phasegate_effects_total", "service" => service, "kind" => kind, "outcome" => outcome)
        .increment(1);
}
