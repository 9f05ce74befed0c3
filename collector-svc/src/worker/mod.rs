//! One target's loop: read, count, commit, close what is due, watch for what is late.
//!
//! Level-triggered: [`Worker::turn`] looks at what is there and does it; a test calls it with a clock of its
//! own. All writes of a target go through its worker, one after the other; what other replicas write shows as a
//! conflict, after which the worker loads again and starts over with nothing lost.

mod ahead;
mod close;
mod deliver;
mod flush;
mod gather;
mod late;
mod policy;
mod run;
mod undelivered;

use std::sync::Arc;
use std::time::Duration;

use domain::effects::NewMessage;
use domain::kinds::Chosen;
use domain::sources::SourceSettings;
use service_kit::clock::Clock as _;
use service_kit::db::DbError;
use service_kit::rules::{PolicyVersions, Rules};
use shared_types::{Actor, Directive, TargetName, Timestamp, Via};
use tokio::sync::watch;

use crate::effects::messages;
use crate::intake::Intake;
use crate::share::Share;
use crate::shared_time::SharedTime;
use crate::sources;
use crate::sources::{LeftOut, Places, PushSource, Reader, Source};
use crate::state::{Lost, TargetState};
use crate::store::Store;
use crate::versions::{Version, Versions};
use events::EventSpecs;

pub use run::{Attended, Command, WorkerHandle};

/// What another replica was told is known here at the latest after this.
const REFRESH: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// What a worker is made of.
pub struct WorkerParts {
    pub target: TargetName,
    /// What the policy says of the target at first; from then on `policies` say it.
    pub version: Version,
    pub policies: PolicyVersions,
    pub store: Store,
    pub clock: Arc<SharedTime>,
    pub reading: Reading,
    pub push: PushSource,
}

/// How sources are read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What reads each kind.
    pub readers: Arc<[Reader]>,
    /// Threads that parse one large piece of a file together.
    pub parse_threads: usize,
    /// The targets that are read here, where every collector could.
    pub share: Share,
}

impl Reading {
    /// By the only collector.
    #[must_use]
    pub fn alone(readers: impl Into<Arc<[Reader]>>, parse_threads: usize) -> Self {
        Self { readers: readers.into(), parse_threads, share: Share::all() }
    }
}

/// What pushes are to be read with.
#[derive(Debug, Clone)]
struct ReadWith {
    specs: Arc<EventSpecs>,
    /// Of the versions that windows go by which are not closed.
    sources: Vec<Chosen<dyn SourceSettings>>,
}

impl ReadWith {
    fn of(versions: &Versions) -> Self {
        Self { specs: Arc::clone(versions.specs()), sources: versions.sources() }
    }
}

/// One target's worker.
pub struct Worker {
    target: TargetName,
    versions: Versions,
    policies: PolicyVersions,
    changes: watch::Receiver<Arc<Rules>>,
    /// What pushes are to be read with.
    read_with: watch::Sender<ReadWith>,
    store: Store,
    clock: Arc<SharedTime>,
    reading: Reading,
    /// The source that is read, and the version that named it; pushes come besides.
    pull: Option<Box<dyn Source>>,
    pull_of: Option<Arc<Version>>,
    push: PushSource,
    /// What a batch says of its source.
    source: &'static str,
    state: TargetState,
    intake: Intake,
    places: Places,
    /// What the source could not read when it was read last.
    left_out: Vec<LeftOut>,
    generation: i64,
    commit_ids: String,
    /// The store may know more than this worker: load before anything else.
    stale: bool,
    /// When it was looked whether another replica has written.
    looked_at: Timestamp,
    /// When this one found that another had, at last.
    others_wrote_at: Timestamp,
    watched_at: Timestamp,
    undelivered: undelivered::Undelivered,
    /// Nothing is closed: our clock is ahead (OP-5).
    ahead_of_time: bool,
    in_flight: Option<flush::InFlight>,
    ahead: ahead::Ahead,
    /// When the last read began that found nothing more and is committed.
    caught_up_at: Option<Timestamp>,
}

/// What is wrong with a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceAils {
    /// It cannot be read.
    pub error: Option<String>,
    /// A part of it cannot be read.
    pub left_out: Vec<LeftOut>,
    /// What cannot be read any more: of the last day.
    pub lost: Vec<Lost>,
}

/// What a turn left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// There is more to do at once.
    pub more: bool,
}

impl Worker {
    /// A worker that loads its state at its first turn.
    #[must_use]
    pub fn new(parts: WorkerParts) -> Self {
        let WorkerParts { target, version, policies, store, clock, reading, push } = parts;
        let versions = Versions::only(version);
        let specs = Arc::clone(versions.specs());
        let state = TargetState::initial(versions.newest().policy.collection.window);
        let intake =
            Intake::new(Arc::clone(&specs), state.schedule.clone(), state.closed_until, state.newest_event);
        let read_with = watch::Sender::new(ReadWith::of(&versions));
        Self {
            target,
            versions,
            changes: policies.changes(),
            policies,
            read_with,
            store,
            clock,
            reading,
            pull: None,
            pull_of: None,
            push,
            source: sources::http::READER.key,
            state,
            intake,
            places: Places::default(),
            left_out: Vec::new(),
            generation: 0,
            commit_ids: String::new(),
            stale: true,
            looked_at: Timestamp::from_millis(0),
            others_wrote_at: Timestamp::from_millis(0),
            watched_at: Timestamp::from_millis(0),
            undelivered: undelivered::Undelivered::Unknown,
            ahead_of_time: false,
            in_flight: None,
            ahead: ahead::Ahead::default(),
            caught_up_at: None,
        }
    }

    /// Looks at everything that is due, once.
    ///
    /// # Errors
    /// The store's; nothing that was accepted is lost by it, the next turn starts over.
    pub async fn turn(&mut self) -> Result<Turn, DbError> {
        let now = self.clock.now();
        if self.changes.has_changed().unwrap_or(false) {
            self.changes.borrow_and_update();
            self.stale = true;
        }
        if self.stale || self.is_behind(now).await? {
            self.reload().await?;
        }
        let resumed = self.resume_if_due(now);
        let more = self.take_in(now, resumed).await?;
        if !self.stale {
            self.watch(now).await?;
        }
        Ok(Turn { more: more || self.stale })
    }

    /// Whether another replica has written since.
    async fn is_behind(&mut self, now: Timestamp) -> Result<bool, DbError> {
        // Before what was: the clock was put back.
        if now < self.looked_at {
            return Ok(true);
        }
        if now.since(self.looked_at) < REFRESH {
            return Ok(false);
        }
        self.looked_at = now;
        self.store.is_newer(&self.target, self.generation, now).await
    }

    /// Takes over a directive (CO-6) and says which one is in force then.
    ///
    /// # Errors
    /// The store's.
    pub async fn direct(&mut self, directive: &Directive) -> Result<Directive, DbError> {
        loop {
            if self.stale {
                self.reload().await?;
            }
            let now = self.clock.now();
            if !self.state.direct(directive, self.versions.newest().policy.collection.window, now)
                || self.write_state(Vec::new(), now).await?
            {
                self.tell_intake(&self.intake.open_windows());
                return Ok(self.state.directive.clone().unwrap_or_else(|| directive.clone()));
            }
        }
    }

    /// Closes no windows for so many seconds, 300 at most (CO-7); 0 resumes. Says until when. What that changes is
    /// told as an act of `actor`, in the same commit (GO-4).
    ///
    /// # Errors
    /// The store's.
    pub async fn pause(&mut self, seconds: u64, actor: &Actor) -> Result<Timestamp, DbError> {
        loop {
            if self.stale {
                self.reload().await?;
            }
            let now = self.clock.now();
            let mut told = Vec::from_iter(self.resume_if_due(now));
            let before = self.state.paused_until;
            let until = self.state.pause(seconds, now);
            if self.state.paused_until != before {
                told.push(messages::act(&self.target, self.state.paused_until, actor.clone(), now));
            }
            if self.write_state(told, now).await? {
                return Ok(until);
            }
        }
    }

    /// Lifts a pause that is over; the act to be told.
    fn resume_if_due(&mut self, now: Timestamp) -> Option<NewMessage> {
        self.state.resume_if_due(now)?;
        let collector = Actor::service("collector", Via::Collector);
        Some(messages::act(&self.target, None, collector, now))
    }

    /// What went wrong with the source last, while it does.
    #[must_use]
    pub fn source_error(&self) -> Option<&str> {
        self.state.source.last_error.as_deref()
    }

    /// What is to be said of the source.
    #[must_use]
    pub fn source_ails(&self) -> SourceAils {
        let now = self.clock.now();
        SourceAils {
            error: self.source_error().map(str::to_owned),
            left_out: self.left_out.clone(),
            lost: self.state.lost.iter().filter(|lost| lost.is_told(now)).cloned().collect(),
        }
    }

    /// How long to wait before looking again when nothing wakes the worker: until a window is due, where all is pushed, and seldom
    /// where windows are far; a source that is read is looked at often.
    #[must_use]
    pub fn rest(&self) -> Duration {
        let now = self.clock.now();
        let collection = &self.versions.newest().policy.collection;
        let often = (collection.window / 10).clamp(SHORTEST_PAUSE, Duration::from_secs(1));
        if self.pull.is_some() || self.ahead_of_time {
            return often;
        }
        let next = self.state.schedule.at(self.state.closed_until).window.end.plus(collection.grace);
        // What is due and not closed waits for something.
        if next <= now { often } else { next.since(now).clamp(SHORTEST_PAUSE, REFRESH) }
    }
}
