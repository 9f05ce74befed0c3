//! Who may run: exactly one task at a time, from one boundary to the next.
//!
//! Every activity of a replica and every request under way is a task. It stops at each boundary and waits to be granted
//! the next stretch; which of those that wait is next is drawn from the seed. So a seed reproduces a run, however the
//! machine schedules its threads. A task that holds the one connection of a database is never stopped, only killed.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use shared_types::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::boundary::{Kind, Verdict};
use crate::faults::Faults;
use crate::replica::ReplicaId;
use crate::trace::Trace;

/// A task's number, in the order of their beginnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId(u32);

tokio::task_local! {
    static CURRENT: (TaskId, Option<ReplicaId>);
}

enum State {
    Ready,
    /// Not before then.
    From(Timestamp),
    /// For the answer of another task.
    Called(TaskId),
    Running,
}

struct Task {
    owner: Option<ReplicaId>,
    label: String,
    state: State,
    gate: Arc<Notify>,
    /// Futures of it that wait at the gate: a call and the work that answers it may be one task.
    parked: u32,
    handle: Option<JoinHandle<()>>,
    /// Only one begun task of the replica may be so.
    exclusive: bool,
    begun: bool,
}

enum Event {
    Released,
    Died(ReplicaId),
}

struct Inner {
    now: Timestamp,
    next: u32,
    tasks: BTreeMap<TaskId, Task>,
    paused: BTreeMap<ReplicaId, Timestamp>,
    rng: SmallRng,
    faults: Faults,
    trace: Trace,
    boundaries: u64,
    dead: BTreeSet<ReplicaId>,
    panics: Vec<String>,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Scheduler {
    inner: Arc<Mutex<Inner>>,
    events: mpsc::UnboundedSender<Event>,
}

/// The end that grants.
pub struct Grants(mpsc::UnboundedReceiver<Event>);

impl Scheduler {
    /// At `now`, drawing from `seed`.
    #[must_use]
    pub fn new(seed: u64, now: Timestamp, faults: Faults, trace: Trace) -> (Self, Grants) {
        let (events, grants) = mpsc::unbounded_channel();
        let inner = Inner {
            now,
            next: 0,
            tasks: BTreeMap::new(),
            paused: BTreeMap::new(),
            rng: SmallRng::seed_from_u64(seed ^ 0x5eed),
            faults,
            trace,
            boundaries: 0,
            dead: BTreeSet::new(),
            panics: Vec::new(),
        };
        (Self { inner: Arc::new(Mutex::new(inner)), events }, Grants(grants))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time outside, which no replica's clock need show.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.lock().now
    }

    /// Moves the time on.
    pub fn set_now(&self, to: Timestamp) {
        self.lock().now = to;
    }

    /// What the faults plan decides, with the scheduler's own random numbers.
    pub fn draw<T>(&self, ask: impl FnOnce(&mut Faults, &mut SmallRng, Timestamp) -> T) -> T {
        let mut inner = self.lock();
        let Inner { faults, rng, now, .. } = &mut *inner;
        ask(faults, rng, *now)
    }

    /// Adds a line to the trace.
    pub fn note(&self, what: &str) {
        let mut inner = self.lock();
        let now = inner.now;
        inner.trace.line(now, what);
    }

    /// Counts something that was met.
    pub fn met(&self, what: &'static str) {
        self.lock().trace.met(what);
    }

    /// The trace so far.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.lock().trace.clone()
    }

    /// Boundaries passed so far.
    #[must_use]
    pub fn boundaries(&self) -> u64 {
        self.lock().boundaries
    }

    /// What tasks panicked with.
    #[must_use]
    pub fn panics(&self) -> Vec<String> {
        self.lock().panics.clone()
    }

    /// The owner of the task that runs.
    #[must_use]
    pub fn owner(&self) -> Option<ReplicaId> {
        CURRENT.try_with(|(_, owner)| *owner).ok().flatten()
    }

    /// Replicas killed since the last call.
    pub fn take_dead(&self) -> BTreeSet<ReplicaId> {
        std::mem::take(&mut self.lock().dead)
    }

    /// Whether the replica stands still now.
    #[must_use]
    pub fn is_paused(&self, replica: ReplicaId) -> bool {
        let inner = self.lock();
        inner.paused.get(&replica).is_some_and(|until| *until > inner.now)
    }

    /// When the next thing that waits for its time may go on.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let inner = self.lock();
        let pauses = inner.paused.values().copied();
        let waiting = inner.tasks.values().filter_map(|task| match task.state {
            State::From(at) => Some(at),
            _ => None,
        });
        pauses.chain(waiting).filter(|at| *at > inner.now).min()
    }

    /// Whether a task of that name of the replica is under way.
    #[must_use]
    pub fn is_busy(&self, owner: Option<ReplicaId>, label: &str) -> bool {
        self.lock().tasks.values().any(|task| task.owner == owner && task.label == label)
    }

    /// Begins a task; it first runs when it is granted to.
    pub fn spawn(
        &self,
        owner: Option<ReplicaId>,
        label: &str,
        from: Option<Timestamp>,
        exclusive: bool,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> TaskId {
        let mut inner = self.lock();
        let id = TaskId(inner.next);
        inner.next += 1;
        let gate = Arc::new(Notify::new());
        let state = from.map_or(State::Ready, State::From);
        let label = label.to_owned();
        let (this, first) = (self.clone(), Arc::clone(&gate));
        let task = async move {
            first.notified().await;
            let ended = AssertUnwindSafe(work).catch_unwind().await;
            this.finish(id, ended.is_err());
        };
        let handle = Some(tokio::spawn(CURRENT.scope((id, owner), task)));
        inner
            .tasks
            .insert(id, Task { owner, label, state, gate, handle, exclusive, begun: false, parked: 0 });
        id
    }

    fn finish(&self, id: TaskId, panicked: bool) {
        let mut inner = self.lock();
        if let Some(task) = inner.tasks.remove(&id)
            && panicked
        {
            inner.panics.push(task.label);
        }
        inner.answered(id);
        drop(inner);
        self.events.send(Event::Released).ok();
    }

    /// Waits until the other task has ended, however it did, or until its replica stands still.
    pub async fn wait_for(&self, callee: TaskId) {
        let waiting = {
            let inner = self.lock();
            match inner.tasks.get(&callee) {
                Some(task) if !task.owner.is_some_and(|owner| inner.is_paused(owner)) => {
                    State::Called(callee)
                }
                _ => State::Ready,
            }
        };
        self.park(waiting).await;
    }

    /// Comes to a boundary. An error is what the caller is to be told.
    ///
    /// # Errors
    /// The plan lets this fail.
    pub async fn boundary(&self, kind: Kind, what: &str) -> Result<(), ()> {
        let Ok((_, owner)) = CURRENT.try_with(|current| *current) else { return Ok(()) };
        let verdict = {
            let mut inner = self.lock();
            inner.boundaries += 1;
            let (number, now) = (inner.boundaries, inner.now);
            let Inner { faults, rng, trace, .. } = &mut *inner;
            let verdict = faults.at(kind, owner, number, now, rng);
            trace.boundary(now, number, owner, kind, what, verdict);
            if let (Verdict::Pause(time), Some(owner)) = (verdict, owner) {
                inner.pause(owner, time);
            }
            verdict
        };
        match (verdict, owner) {
            (Verdict::Kill, Some(owner)) => {
                self.events.send(Event::Died(owner)).ok();
                std::future::pending::<()>().await;
            }
            (Verdict::Fail, _) => return Err(()),
            _ => {}
        }
        if kind.may_stop() {
            self.park(State::Ready).await;
        }
        Ok(())
    }

    async fn park(&self, state: State) {
        let Ok((id, _)) = CURRENT.try_with(|current| *current) else { return };
        let (gate, first) = {
            let mut inner = self.lock();
            let Some(task) = inner.tasks.get_mut(&id) else { return };
            let first = matches!(task.state, State::Running);
            task.state = state;
            task.parked += 1;
            (Arc::clone(&task.gate), first)
        };
        // A stretch ends once, however many of its task's futures come to wait in it.
        if first {
            self.events.send(Event::Released).ok();
        }
        let _parked = Parked(self, id);
        gate.notified().await;
    }

    /// Lets tasks run, one stretch after the other, until none may.
    pub async fn settle(&self, grants: &mut Grants) -> u64 {
        let mut granted = 0;
        loop {
            let picked = self.lock().pick();
            let Some((gate, parked)) = picked else { break };
            granted += 1;
            if parked > 1 {
                gate.notify_waiters();
            } else {
                gate.notify_one();
            }
            match grants.0.recv().await {
                Some(Event::Released) => {}
                Some(Event::Died(replica)) => self.kill(replica).await,
                None => break,
            }
        }
        granted
    }

    /// Ends all tasks of everybody.
    pub async fn end(&self) {
        let tasks = std::mem::take(&mut self.lock().tasks);
        for handle in tasks.into_values().filter_map(|task| task.handle) {
            handle.abort();
            handle.await.ok();
        }
    }

    /// Ends all tasks of a replica where they stand.
    pub async fn kill(&self, replica: ReplicaId) {
        let mut handles = Vec::new();
        {
            let mut inner = self.lock();
            let now = inner.now;
            inner.trace.line(now, &format!("{replica} killed"));
            inner.trace.met("kills");
            let ids: Vec<TaskId> = inner
                .tasks
                .iter()
                .filter(|(_, task)| task.owner == Some(replica))
                .map(|(id, _)| *id)
                .collect();
            for id in ids {
                if let Some(mut task) = inner.tasks.remove(&id) {
                    handles.extend(task.handle.take());
                }
                inner.answered(id);
            }
            inner.paused.remove(&replica);
            inner.dead.insert(replica);
        }
        for handle in handles {
            handle.abort();
            handle.await.ok();
        }
    }
}

/// A future that waits at its task's gate, until it goes on or is given up.
struct Parked<'s>(&'s Scheduler, TaskId);

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        if let Some(task) = self.0.lock().tasks.get_mut(&self.1) {
            task.parked -= 1;
        }
    }
}

impl Inner {
    fn is_paused(&self, owner: ReplicaId) -> bool {
        self.paused.get(&owner).is_some_and(|until| *until > self.now)
    }

    /// Callers of a replica that stands still do not wait for it.
    fn pause(&mut self, owner: ReplicaId, time: Duration) {
        self.paused.insert(owner, self.now.plus(time));
        let stuck: Vec<TaskId> =
            self.tasks.iter().filter(|(_, task)| task.owner == Some(owner)).map(|(id, _)| *id).collect();
        stuck.into_iter().for_each(|id| self.answered(id));
    }

    fn answered(&mut self, callee: TaskId) {
        for task in self.tasks.values_mut() {
            if matches!(task.state, State::Called(id) if id == callee) {
                task.state = State::Ready;
            }
        }
    }

    fn pick(&mut self) -> Option<(Arc<Notify>, u32)> {
        let held: BTreeSet<ReplicaId> = self
            .tasks
            .values()
            .filter(|task| task.exclusive && task.begun)
            .filter_map(|task| task.owner)
            .collect();
        let may = |task: &Task| {
            let due = match task.state {
                State::Ready => true,
                State::From(at) => at <= self.now,
                State::Called(_) | State::Running => false,
            };
            let free = !task.exclusive || task.begun || task.owner.is_none_or(|owner| !held.contains(&owner));
            due && free && task.owner.is_none_or(|owner| !self.is_paused(owner))
        };
        let ready: Vec<TaskId> = self.tasks.iter().filter(|(_, task)| may(task)).map(|(id, _)| *id).collect();
        let choice = match ready.len() {
            0 => return None,
            1 => 0,
            _ if self.faults.takes_turns() => 0,
            some => self.rng.random_range(0..some),
        };
        let task = self.tasks.get_mut(&ready[choice])?;
        task.state = State::Running;
        task.begun = true;
        Some((Arc::clone(&task.gate), task.parked))
    }
}
