//! One window of a target, looked at without a service and without a store: by the seam that the worker reads by, with nothing
//! kept and nothing moved on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::policy::TargetPolicy;
use domain::telemetry::event_specs;
use domain::telemetry::totals::{BatchHead, Totals, add_uncounted};
use events::records::Record;
use events::{EventSpecs, TooManyFields};
use serde::Serialize;
use shared_types::{Batch, PhaseId, TargetName, Timestamp, Window, batch};

use crate::intake::{Applied, Counts, Intake};
use crate::schedule::Schedule;
use crate::sources::{
    Asked, AskedWindow, Contribution, LeftOut, Newest, Opening, Origin, Part, PassedOver, Reader, Source,
    SourceError, open,
};

/// Reads that a look takes at most: what is written faster than it is read has no end.
const READS_MAX: usize = 10_000;

/// What to look at.
#[derive(Debug)]
pub struct Look<'a> {
    pub target: &'a TargetName,
    pub policy: &'a TargetPolicy,
    /// One that is over.
    pub window: Window,
    /// Of files the newest so many are read.
    pub bytes: u64,
    /// Events that are not the source's: how often they came, or why nobody knows.
    pub elsewhere: BTreeMap<String, Result<u64, String>>,
}

/// What was seen.
#[derive(Debug)]
pub struct Looked {
    /// The window, in the policy's first phase. `intake` holds the window's own; what has no time is with what was read.
    pub batch: Batch,
    /// None where nothing is pulled.
    pub read: Option<ReadThrough>,
}

/// What was gone through for it.
#[derive(Debug, Default, Serialize)]
pub struct ReadThrough {
    /// Files, or places of another kind.
    pub places: u64,
    pub bytes: u64,
    pub lines: u64,
    /// Lines that were no events, whenever they were written: they have no time.
    pub uncounted: batch::Intake,
    /// The newest event that is not of the future.
    pub newest_event: Option<Timestamp>,
    pub left_out: Vec<LeftOut>,
    pub passed_over: Vec<PassedOver>,
    /// Whether all of the window was read, as far as it can be read.
    pub whole: bool,
}

/// Why nothing was seen.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("policy")]
    Policy(#[from] TooManyFields),
}

/// Looks at a window.
///
/// # Errors
/// The source cannot be read.
pub async fn look(readers: &[Reader], look: &Look<'_>, now: Timestamp) -> Result<Looked, LookError> {
    let Look { target, policy, window, bytes, elsewhere } = look;
    let specs = Arc::new(event_specs(policy)?);
    let phase = policy.phases.first().map_or_else(PhaseId::off, |phase| phase.id.clone());
    let mut counting = Counting::new(Arc::clone(&specs), *window, now);
    let source = open(readers, &Opening { target, policy, specs: &specs, threads: 1 });
    let read = match source {
        Some(mut source) => Some(counting.read(&mut *source, policy, &phase, *bytes).await?),
        None => None,
    };
    let mut totals = counting.totals();
    for (event, count) in elsewhere {
        match count {
            Ok(count) => _ = totals.counters.insert(event.clone(), *count),
            Err(why) => _ = totals.intake.missing.insert(event.clone(), why.clone()),
        }
    }
    let head = BatchHead {
        target: (*target).clone(),
        phase,
        epoch: 1,
        window: *window,
        next_window: None,
        attempts: 1,
        source: policy.collection.source.kind(),
        collected_at: window.end,
        paused: Duration::ZERO,
        policy_version: None,
    };
    Ok(Looked { batch: totals.into_batch(head, &specs), read })
}

/// After the last retry of all: a source then says what it lacks and waits for it no longer.
fn past_all_patience(policy: &TargetPolicy, now: Timestamp) -> Timestamp {
    let collection = &policy.collection;
    let retries: Duration = collection.retry.iter().sum();
    now.plus(collection.source.settle() + retries * 2)
}

/// The window's counts so far.
struct Counting {
    intake: Intake,
    window: Window,
    now: Timestamp,
    through: ReadThrough,
    /// The first event that was read of a place whose beginning was passed over.
    first_of: HashMap<String, Timestamp>,
}

impl Counting {
    fn new(specs: Arc<EventSpecs>, window: Window, now: Timestamp) -> Self {
        let beginning = Timestamp::from_millis(0);
        let intake = Intake::new(specs, Schedule::initial(window.length()), beginning, beginning);
        Self { intake, window, now, through: ReadThrough::default(), first_of: HashMap::new() }
    }

    async fn read(
        &mut self,
        source: &mut dyn Source,
        policy: &TargetPolicy,
        phase: &PhaseId,
        bytes: u64,
    ) -> Result<ReadThrough, SourceError> {
        let Newest { cursor, passed_over } = source.newest(bytes).await?;
        self.through.passed_over = passed_over;
        let windows = vec![AskedWindow { window: self.window, phase: phase.clone(), begins_stay: false }];
        let now = past_all_patience(policy, self.now);
        let mut asked = Asked { cursor: Arc::new(cursor), now, windows };
        let (mut read_all, mut places) = (false, HashSet::new());
        for _ in 0..READS_MAX {
            let input = source.read(&asked).await?;
            self.through.bytes += input.bytes as u64;
            self.through.left_out = input.left_out;
            let cursor = Arc::make_mut(&mut asked.cursor);
            for moved in input.moved {
                places.insert(moved.place.clone());
                cursor.insert(moved.place, moved.cursor);
            }
            for contribution in input.contributions {
                match contribution {
                    Contribution::Records(part) => self.add(part),
                    Contribution::Totals(it) => {
                        self.intake.add(it.window, &it.totals, self.now, &mut Counts::default());
                    }
                    // Between two reads of a look: nothing of it was to be counted. And nobody sends anything to a look.
                    Contribution::Lost(_) | Contribution::Delivery(_) => {}
                }
            }
            // What was written meanwhile is of a later window.
            read_all = input.caught_up || self.through.bytes > bytes;
            if read_all {
                break;
            }
        }
        let mut through = std::mem::take(&mut self.through);
        through.places = places.len() as u64;
        through.whole = read_all && through.passed_over.iter().all(|it| self.reaches_back(it));
        Ok(through)
    }

    /// Whether nothing of the window can stand in what was passed over.
    fn reaches_back(&self, passed_over: &PassedOver) -> bool {
        let first = self.first_of.get(&passed_over.place).copied();
        first.is_some_and(|first| first < self.window.start) || passed_over.written < self.window.start
    }

    fn add(&mut self, part: Part) {
        let Part { mut records, origin, .. } = part;
        let ts = |event: &Record| Timestamp::from_millis(event.ts_ms);
        let lines_before = match origin {
            Origin::Place { name, line } => {
                let first = records.events.first().filter(|_| self.is_cut(&name)).map(ts);
                if let Some(first) = first {
                    self.first_of.entry(name).or_insert(first);
                }
                line
            }
            Origin::Push(_) => 0,
        };
        let newest = records.events.iter().map(ts).filter(|ts| *ts <= self.now).max();
        self.through.newest_event = self.through.newest_event.max(newest);
        self.through.lines += records.lines;
        add_uncounted(&mut self.through.uncounted, &records, lines_before);
        records.events.retain(|event| self.window.contains(ts(event)));
        // All ids of the window are here: none are ever asked for.
        let applied = self.intake.apply(&records, 0, self.now, &mut Counts::default());
        debug_assert_eq!(applied, Applied::All);
    }

    fn is_cut(&self, place: &str) -> bool {
        self.through.passed_over.iter().any(|it| it.place == place)
    }

    fn totals(mut self) -> Totals {
        let change = self.intake.take_changes().into_iter().find(|it| it.start == self.window.start);
        change.map(|it| it.totals).unwrap_or_default()
    }
}
