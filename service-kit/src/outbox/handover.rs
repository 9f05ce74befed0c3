//! What a database's commits and its worker share. A row that is due, heads its lane and finds a free worker in the process
//! that commits it is leased by that very commit and begun after it: no claim of its own, which would be another commit.
//!
//! All else is found by the worker's look at the store, as are rows that were leased here and whose process died.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared_types::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use super::lane::{Standing, receiver_of};
use super::lease::Lease;
use super::message::Claim;
use super::outgoing::Outgoing;
use super::precedence::Precedence;
use super::room::Room;
use crate::clock::Clock;
use crate::db::DbError;
use crate::moment::Moment;

/// See the module.
#[derive(Default)]
pub(crate) struct Handover {
    /// Rung when the worker has to look at the store.
    wake: Notify,
    crew: Mutex<Option<Arc<Crew>>>,
    precedence: Precedence,
}

/// A leased row and the slot it is worked in.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) claim: Claim,
    pub(super) slot: OwnedSemaphorePermit,
}

impl Handover {
    /// Who can begin rows here; nobody while no worker runs.
    pub(crate) fn crew(&self) -> Option<Arc<Crew>> {
        self.crew.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Until the guard is dropped.
    pub(super) fn enrol(self: &Arc<Self>, crew: Crew) -> Enrolled {
        let crew = Arc::new(crew);
        *self.crew.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&crew));
        Enrolled { at: Arc::clone(self), crew }
    }

    /// What cannot wait at this database.
    pub(crate) fn precedence(&self) -> &Precedence {
        &self.precedence
    }

    pub(crate) fn wake(&self) -> &Notify {
        &self.wake
    }

    /// Rows were committed in lanes of which the earliest wants a worker then.
    pub(crate) fn committed(&self, crew: Option<&Crew>, earliest: Option<Timestamp>) {
        if earliest.is_some_and(|at| crew.is_none_or(|crew| crew.misses(at))) {
            self.wake.notify_one();
        }
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").finish_non_exhaustive()
    }
}

/// A worker that commits hand rows to.
pub(super) struct Enrolled {
    at: Arc<Handover>,
    crew: Arc<Crew>,
}

impl Drop for Enrolled {
    fn drop(&mut self) {
        let mut crew = self.at.crew.lock().unwrap_or_else(PoisonError::into_inner);
        if crew.as_ref().is_some_and(|it| Arc::ptr_eq(it, &self.crew)) {
            *crew = None;
        }
    }
}

/// The worker as commits see it.
pub(crate) struct Crew {
    pub(super) name: Arc<str>,
    pub(super) clock: Arc<dyn Clock>,
    /// For how long rows of a kind are leased at first.
    pub(super) lease: LeaseOf,
    /// It looks at the store at least this often.
    pub(super) poll: Duration,
    pub(super) slots: Arc<Slots>,
    pub(super) begun: mpsc::UnboundedSender<Begun>,
}

/// See [`Crew::lease`].
pub(super) type LeaseOf = Arc<dyn Fn(&str) -> Duration + Send + Sync>;

impl Crew {
    pub(super) fn worker(&self) -> &str {
        &self.name
    }

    /// Whether nothing stands before a new row of the lane.
    pub(super) fn is_free(&self, lane: &Standing) -> bool {
        lane.next_at.is_none() && lane.rests_until.is_none_or(|until| until <= self.clock.now())
    }

    /// The claim of a new row, if it is due and has a slot.
    pub(super) fn take(&self, row: &Outgoing) -> Option<Result<Begun, DbError>> {
        let moment = Moment::now();
        let now = self.clock.now();
        if row.due_at > now {
            return None;
        }
        let slot = self.slots.free(receiver_of(&row.lane))?;
        let length = (self.lease)(row.kind);
        let claim = first_claim(row, now.plus(length), Lease::new(moment, length));
        Some(claim.map(|claim| Begun { claim, slot }))
    }

    /// Whether a row of that lane could be leased now. It may still have to wait, for its turn or where others are faster.
    pub(crate) fn has_room(&self, lane: &str) -> bool {
        self.slots.has_room(receiver_of(lane))
    }

    /// Whether what is wanted then would be seen too late by the worker's own looks.
    fn misses(&self, at: Timestamp) -> bool {
        at <= self.clock.now().plus(self.poll)
    }

    /// After the commit. Where the worker has gone meanwhile, the row is taken over when its lease is over.
    pub(crate) fn begin(&self, begun: Begun) {
        self.begun.send(begun).ok();
    }
}

fn first_claim(row: &Outgoing, lease_until: Timestamp, lease: Lease) -> Result<Claim, DbError> {
    Ok(Claim {
        id: row.id.clone(),
        dedup_key: row.dedup_key.clone(),
        lane: row.lane.clone(),
        kind: row.kind.to_owned(),
        subject: row.subject.clone(),
        payload: serde_json::from_str(&row.payload)
            .map_err(|error| DbError::decode("outbox payload", error))?,
        fence: 1,
        retry: row.retry.clone(),
        step: 0,
        failures: 0,
        unknowns: 0,
        kind_unknown_since: None,
        enqueued_at: row.enqueued_at,
        lease_until,
        lease,
        pace: row.pace,
        trace_parent: row.trace_parent.clone(),
    })
}

/// See [`super::Handler::room`].
pub(super) type RoomOf = Box<dyn Fn(&str) -> Room + Send + Sync>;

/// How many lanes of each receiver are leased, and worked, at the same time.
pub(super) struct Slots {
    room: RoomOf,
    of_receivers: Mutex<HashMap<String, Arc<OfReceiver>>>,
    /// Whether rows wait for a slot: then the worker looks again when there are some.
    waited_for: AtomicBool,
}

struct OfReceiver {
    most: usize,
    leased: Arc<Semaphore>,
    worked: Arc<Semaphore>,
}

impl Slots {
    pub(super) fn new(room: RoomOf) -> Self {
        Self { room, of_receivers: Mutex::default(), waited_for: AtomicBool::new(false) }
    }

    fn of(&self, receiver: &str) -> Arc<OfReceiver> {
        let mut known = self.of_receivers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slots) = known.get(receiver) {
            return Arc::clone(slots);
        }
        let Room { lanes, ahead, .. } = (self.room)(receiver);
        let lanes = lanes.max(1);
        let [worked, most] =
            [lanes, lanes.saturating_mul(ahead.max(1))].map(|it| usize::try_from(it).unwrap_or(1));
        let (leased, worked) = (Arc::new(Semaphore::new(most)), Arc::new(Semaphore::new(worked)));
        let slots = Arc::new(OfReceiver { most, leased, worked });
        known.insert(receiver.to_owned(), Arc::clone(&slots));
        slots
    }

    fn free(&self, receiver: &str) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.of(receiver).leased).try_acquire_owned().ok()
    }

    fn has_room(&self, receiver: &str) -> bool {
        self.of(receiver).leased.available_permits() > 0
    }

    /// All that may be leased now.
    pub(super) fn all_free(&self, receiver: &str) -> Vec<OwnedSemaphorePermit> {
        let slots = self.of(receiver);
        std::iter::from_fn(|| Arc::clone(&slots.leased).try_acquire_owned().ok()).collect()
    }

    /// The turn of a row that is leased.
    pub(super) async fn turn(&self, receiver: &str) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.of(receiver).worked).acquire_owned().await.ok()
    }

    /// Said before it is looked for free slots, and corrected afterwards: one that is freed meanwhile is not missed.
    pub(super) fn wait_for(&self, waited_for: bool) {
        self.waited_for.store(waited_for, Ordering::SeqCst);
    }

    /// Whether it is worth a look, now that a row of that receiver is done.
    pub(super) fn is_waited_for(&self, receiver: &str) -> bool {
        let slots = self.of(receiver);
        self.waited_for.load(Ordering::SeqCst) && slots.leased.available_permits() * 2 >= slots.most
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn each_receiver_has_slots_of_its_own() {
        let slots = Slots::new(Box::new(|_| Room { lanes: 2, ahead: 8, first: false }));
        let held = slots.all_free("slack");
        assert_eq!((held.len(), slots.has_room("slack"), slots.has_room("command")), (16, false, true));
        assert!(slots.free("slack").is_none());
        drop(held);
        assert!(slots.free("slack").is_some());
    }

    /// A look at the store is worth its commit when there are many slots.
    #[test]
    fn more_is_leased_than_worked_and_looked_for_when_half_of_it_is_done() {
        let slots = Slots::new(Box::new(|_| Room { lanes: 2, ahead: 8, first: false }));
        let (mut leased, turns) =
            (slots.all_free("slack"), [(); 2].map(|()| slots.turn("slack").now_or_never().flatten()));
        assert!(turns.iter().all(Option::is_some) && slots.turn("slack").now_or_never().is_none());
        slots.wait_for(true);
        leased.truncate(9);
        assert!(!slots.is_waited_for("slack"));
        leased.truncate(8);
        assert!(slots.is_waited_for("slack"));
    }
}
