//! The loop that does what is due: hands each claimed row to the service's [`Handler`], records the outcome. Rows come from commits
//! of this process, which lease what can be done at once ([`super::handover`]), and from looks at the store.
//!
//! Level-triggered: it looks when something was committed that nobody has begun, when something falls due, and now and then
//! besides. Each receiver has slots of its own, so one that hangs fills only its own. A database that is away is waited for.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use domain::story::figures::format_duration;
use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use super::claim::{Begun as Claiming, claim_each};
use super::handover::{Begun, Crew, Enrolled, LeaseOf, Slots};
use super::housekeeping::keep_house;
use super::lane::receiver_of;
use super::manage::give_back;
use super::{Claim, First, Handler, Outcome, Recorded, WorkerOptions, claim, due_receivers, renew};
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
    let name: Arc<str> = format!("{}-{}", options.service, Uuid::now_v7().simple()).into();
    let of_handler = Arc::clone(&handler);
    let slots = Arc::new(Slots::new(Box::new(move |receiver| of_handler.room(receiver))));
    let (begin, begun) = mpsc::unbounded_channel();
    let work = Work { db: db.clone(), clock: Arc::clone(&clock), handler, options: options.clone(), slots };
    let crew = Crew {
        name: Arc::clone(&name),
        clock: Arc::clone(&clock),
        lease: work.first_lease(),
        poll: options.poll,
        slots: Arc::clone(&work.slots),
        begun: begin.clone(),
    };
    let enrolled = db.handover().enrol(crew);
    let looking = Looking { name, work: work.clone(), begin, backoff: None, behind: None };
    let beside = keep_house(db, clock, options, shutdown.clone());
    // One task: what breaks one of them ends all.
    tokio::join!(looking.run(&shutdown), work.run(begun, enrolled, &shutdown), beside);
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

/// Looks for rows in the store.
struct Looking {
    name: Arc<str>,
    work: Work,
    begin: mpsc::UnboundedSender<Begun>,
    /// Grows while the database is away.
    backoff: Option<Duration>,
    /// While there is more of what cannot wait than there are slots for it.
    behind: Option<First>,
}

impl Looking {
    async fn run(mut self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            let pause = self.start_due().await;
            let wake = self.work.db.handover();
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = wake.wake().notified(), if self.backoff.is_none() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Starts what is due and has a free slot; returns how long nothing else will be.
    async fn start_due(&mut self) -> Duration {
        match self.work.db.clone().answered(self.try_start_due()).await {
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
        let Work { db, clock, handler, options, slots } = &self.work;
        let mut pause = options.poll;
        // In this order: what is held counts from before the time that the row says.
        let moment = Moment::now();
        let now = clock.now();
        slots.wait_for(true);
        let (mut wanted, mut free, mut waits, mut first_waits) = (Vec::new(), HashMap::new(), false, false);
        for due in due_receivers(db).await? {
            if due.next_at > now {
                pause = pause.min(due.next_at.since(now));
                continue;
            }
            let of_it = slots.all_free(&due.receiver);
            waits |= of_it.is_empty();
            first_waits |= of_it.is_empty() && handler.room(&due.receiver).first;
            if !of_it.is_empty() {
                wanted.push((due.receiver.clone(), u32::try_from(of_it.len()).unwrap_or(u32::MAX)));
                free.insert(due.receiver, of_it);
            }
        }
        if !wanted.is_empty() {
            let claiming = Claiming { now, moment };
            for claim in claim_each(db, &self.name, &wanted, &*self.work.first_lease(), claiming).await? {
                // No more are claimed than there are slots.
                let slot = free.get_mut(receiver_of(&claim.lane)).and_then(Vec::pop);
                if let Some(slot) = slot {
                    self.begin.send(Begun { claim, slot }).ok();
                }
            }
            // There may be more where all slots were of use.
            waits |= free.values().any(Vec::is_empty);
        }
        slots.wait_for(waits);
        self.behind = first_waits.then(|| db.precedence().first());
        Ok(pause.max(Duration::from_millis(1)))
    }
}

/// What rows are worked with.
#[derive(Clone)]
struct Work {
    db: Db,
    clock: Arc<dyn Clock>,
    handler: Arc<dyn Handler>,
    options: WorkerOptions,
    slots: Arc<Slots>,
}

impl Work {
    fn first_lease(&self) -> LeaseOf {
        let (handler, first) = (Arc::clone(&self.handler), self.options.first_lease);
        Arc::new(move |kind| handler.lease(kind).min(first))
    }

    /// Begins what is claimed. After `shutdown` that is given back, and what is under way is finished.
    async fn run(
        self,
        mut begun: mpsc::UnboundedReceiver<Begun>,
        enrolled: Enrolled,
        shutdown: &CancellationToken,
    ) {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(Begun { claim, slot }) = begun.recv() => {
                    let span = effect_span(&claim);
                    let (work, shutdown) = (self.clone(), shutdown.clone());
                    running.spawn(async move {
                        work.one(&claim, &shutdown).await;
                        drop(slot);
                        if work.slots.is_waited_for(receiver_of(&claim.lane)) {
                            work.db.handover().wake().notify_one();
                        }
                    }.instrument(span));
                }
                Some(_) = running.join_next(), if !running.is_empty() => {}
            }
        }
        drop(enrolled);
        let deadline = Instant::now() + self.options.drain;
        let ended = async {
            // Ends with the last commit that was to hand something over.
            while let Some(Begun { claim, .. }) = begun.recv().await {
                self.give_back(&claim).await;
            }
            while running.join_next().await.is_some() {}
        };
        if tokio::time::timeout_at(deadline, ended).await.is_err() {
            tracing::warn!(left = running.len(), "effects under way were given up at shutdown");
            running.shutdown().await;
        }
    }

    async fn give_back(&self, claim: &Claim) {
        if let Err(error) = self.db.answered(give_back(&self.db, claim)).await {
            seldom!(warn, "a row was not given back; it waits for the end of its lease", &error);
        }
    }

    /// When it is the row's turn: after what cannot wait, and with a slot of its receiver. None: the service stops before.
    async fn turn(&self, claim: &Claim, shutdown: &CancellationToken) -> Option<OwnedSemaphorePermit> {
        let receiver = receiver_of(&claim.lane);
        let turn = async {
            if !self.handler.room(receiver).first {
                self.db.precedence().give_way().await;
            }
            self.slots.turn(receiver).await
        };
        tokio::select! {
            biased;
            turn = turn => turn,
            () = shutdown.cancelled() => None,
        }
    }

    async fn one(&self, claim: &Claim, shutdown: &CancellationToken) {
        let Self { db, clock, handler, options, .. } = self;
        let in_turn = async {
            let _turn = self.turn(claim, shutdown).await?;
            Some(attempt(&**handler, claim).await)
        };
        // The lease first: what woke up too late begins nothing.
        let outcome = tokio::select! {
            biased;
            () = keep(db, &**clock, claim, options.first_lease) => return lost(options.service, claim),
            outcome = in_turn => outcome,
        };
        let Some(outcome) = outcome else { return self.give_back(claim).await };
        if let Some(recorded) = settle(db, &**clock, &**handler, claim, &outcome).await {
            report(options.service, claim, &outcome, recorded);
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

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use domain::effects::{NewMessage, RetrySchedule};
    use domain::stored::Form;
    use shared_types::Timestamp;

    use super::super::{Room, enqueue, get};
    use super::*;
    use crate::clock::ManualClock;

    struct Never;

    #[async_trait]
    impl Handler for Never {
        async fn handle(&self, _: &Claim) -> Outcome {
            unreachable!("the worker has stopped")
        }
    }

    /// Replicas go on with it at once, and do not wait for the end of a lease.
    #[tokio::test]
    async fn what_was_handed_over_as_the_worker_stopped_is_given_back() {
        let db = Db::connect("sqlite::memory:", "kit", &[]).await.unwrap();
        let now = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(now));
        let (options, handler) = (WorkerOptions::new("kit"), Arc::new(Never) as Arc<dyn Handler>);
        let slots = Arc::new(Slots::new(Box::new(|_| Room { lanes: 1, ahead: 1, first: false })));
        let (begin, begun) = mpsc::unbounded_channel();
        let work = Work { db: db.clone(), clock, handler, options, slots };
        let crew = Crew {
            name: "gone".into(),
            clock: Arc::clone(&work.clock),
            lease: work.first_lease(),
            poll: work.options.poll,
            slots: Arc::clone(&work.slots),
            begun: begin,
        };
        let enrolled = db.handover().enrol(crew);
        let mut tx = db.begin().await.unwrap();
        let message = NewMessage {
            dedup_key: "a".into(),
            lane: "slack/x".into(),
            kind: "PostMessage",
            subject: "s".into(),
            payload: serde_json::json!({}),
            form: Form { kind: "PostMessage", steps: &[] },
            due_at: now,
            retry: RetrySchedule::then_dead([]),
            pace: Duration::ZERO,
        };
        enqueue(&mut tx, &message, now).unwrap();
        tx.commit().await.unwrap();
        assert_eq!(get(&db, "a").await.unwrap().unwrap().state, "leased");

        let stopped = CancellationToken::new();
        stopped.cancel();
        work.run(begun, enrolled, &stopped).await;
        let row = get(&db, "a").await.unwrap().unwrap();
        assert_eq!((row.state.as_str(), row.unknowns, row.claims), ("ready", 0, 1));
        assert!(db.handover().crew().is_none());
    }
}
