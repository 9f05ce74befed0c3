//! One-shot collection (CO-8): batches from files or standard input, without a service and without a store.
//!
//! Which window: with [`Span::Newest`] the last window that was complete at `now`; if the source has nothing
//! in it but has older events, the window of its newest event, so that a recorded file can be looked at any
//! time. [`Span::At`] takes the window that holds a moment, [`Span::Last`] all complete windows of the time
//! before `now`. A one-shot batch counts as complete at its window's end: its collector latency is only what
//! is simulated, and the same input gives the same bytes.

use domain::telemetry::event_specs;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::policy::TargetPolicy;
use shared_types::{Batch, Epoch, PhaseId, TargetName, Timestamp, Window, batch};

use crate::intake::{Applied, Counts, Intake};
use crate::schedule::Schedule;
use crate::sources::{LeftOut, SourceError, expand_patterns};
use domain::telemetry::totals::{BatchHead, Totals, add_intake, add_uncounted};
use events::records::{LINE_LENGTH_MAX, MALFORMED_KEPT, MalformedLine, Record, Records, is_array};
use events::{EventSpecs, TooManyFields};

/// Bytes read at once.
const CHUNK: usize = 4 << 20;
/// A JSON array is read as a whole; what is larger than this should be lines.
const ARRAY_MAX: usize = 256 << 20;

/// What to collect.
#[derive(Debug, Clone)]
pub struct OneShot {
    pub target: TargetName,
    pub policy: Arc<TargetPolicy>,
    pub phase: PhaseId,
    pub epoch: Epoch,
    /// Window length.
    pub window: Duration,
    pub span: Span,
    pub source: OneShotSource,
    /// Added to the collector latency.
    pub simulate_latency: Duration,
}

/// Which windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// The last complete one; see the module.
    Newest,
    /// The one that holds this moment.
    At(Timestamp),
    /// All complete ones of so much time before `now`.
    Last(Duration),
}

/// Where from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneShotSource {
    /// Glob patterns or file names.
    Files(Vec<String>),
    /// Standard input. (All its windows are kept in memory until the end.)
    Stdin,
}

/// What was collected.
#[derive(Debug, Clone, PartialEq)]
pub struct Collected {
    /// In order; one, except with [`Span::Last`].
    pub batches: Vec<Batch>,
    /// The first 20 malformed lines, with the file where there is one. All are counted on the last batch.
    pub malformed: Vec<(String, MalformedLine)>,
}

impl Collected {
    /// Names that the policy does not use and that are near one of its own (TE-6): the name, the one that is perhaps meant,
    /// and how many such events there are.
    #[must_use]
    pub fn misspelt(&self) -> Vec<(&str, &str, u64)> {
        let intakes = || self.batches.iter().map(|batch| &batch.intake);
        let meant = intakes().flat_map(|intake| &intake.examples);
        let mut names: Vec<(&str, &str)> =
            meant.filter_map(|example| Some((example.what.as_str(), example.meant.as_deref()?))).collect();
        names.sort_unstable();
        names.dedup();
        let events = |name: &str| intakes().filter_map(|intake| intake.unknown_names.get(name)).sum();
        let counted = names.into_iter().map(|(name, meant)| (name, meant, events(name)));
        counted.filter(|(_, _, events)| *events > 0).collect()
    }
}

/// Why nothing was collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error("`{0}` matches no file")]
    NoFile(String),
    #[error("{0}")]
    Source(#[from] SourceError),
    #[error("{what}")]
    Read { what: String, source: io::Error },
    #[error("{what} begins as a JSON array, and is none")]
    Array { what: String, source: serde_json::Error },
    #[error("{what} is a JSON array of more than 256 MiB")]
    ArrayTooLarge { what: String },
    #[error("policy")]
    Policy(#[from] TooManyFields),
}

/// One batch.
///
/// # Errors
/// The source cannot be read.
pub fn collect_once(request: &OneShot, now: Timestamp) -> Result<Batch, CollectError> {
    let span = match request.span {
        Span::Last(_) => Span::Newest,
        span => span,
    };
    let mut collected = collect_windows(&OneShot { span, ..request.clone() }, now)?;
    // There is always one: a window without events gives a batch of zeros.
    collected.batches.pop().ok_or_else(|| CollectError::NoFile(request.target.to_string()))
}

/// The batches of all windows that are asked for, empty ones included.
///
/// # Errors
/// The source cannot be read.
pub fn collect_windows(request: &OneShot, now: Timestamp) -> Result<Collected, CollectError> {
    let specs = Arc::new(event_specs(&request.policy)?);
    let range = range_of(request, now);
    let paths = match &request.source {
        OneShotSource::Files(patterns) => Some(files(patterns)?),
        OneShotSource::Stdin => None,
    };
    // Standard input cannot be read twice, so nothing of it may be left out the first time.
    let keep = if paths.is_some() { Some(range) } else { None };
    let mut counted = count(request, &specs, paths.as_deref(), keep, now)?;
    let mut range = range;
    if let (Span::Newest, Some(newest)) = (request.span, counted.newest)
        && newest < range.start
        && !counted.touches(range)
    {
        range = window_of(newest, request.window);
        if paths.is_some() {
            counted = count(request, &specs, paths.as_deref(), Some(range), now)?;
        }
    }
    Ok(counted.into_collected(request, &specs, range))
}

fn range_of(request: &OneShot, now: Timestamp) -> Window {
    let end = now.align_down(request.window);
    match request.span {
        Span::Newest => Window { start: end.minus(request.window), end },
        Span::At(moment) => window_of(moment, request.window),
        Span::Last(time) => {
            let start = end.minus(time).align_up(request.window);
            Window { start: start.min(end.minus(request.window)), end }
        }
    }
}

fn window_of(moment: Timestamp, window: Duration) -> Window {
    let start = moment.align_down(window);
    Window { start, end: start.plus(window) }
}

fn files(patterns: &[String]) -> Result<Vec<PathBuf>, CollectError> {
    let mut paths = Vec::new();
    for pattern in patterns {
        let found = expand_patterns(std::slice::from_ref(pattern))?;
        // Nobody would learn later that a part was left out.
        if let Some(LeftOut { path, reason }) = found.unreadable.into_iter().next() {
            return Err(SourceError::Io { what: path, reason }.into());
        }
        if found.paths.is_empty() {
            return Err(CollectError::NoFile(pattern.clone()));
        }
        paths.extend(found.paths);
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}

struct Counted {
    intake: Intake,
    /// Malformed lines, and examples of what could not be counted.
    uncounted: batch::Intake,
    told: Vec<(String, MalformedLine)>,
    /// The newest `ts` of all, in the range or not.
    newest: Option<Timestamp>,
}

fn count(
    request: &OneShot,
    specs: &Arc<EventSpecs>,
    paths: Option<&[PathBuf]>,
    keep: Option<Window>,
    now: Timestamp,
) -> Result<Counted, CollectError> {
    let beginning = Timestamp::from_millis(0);
    let schedule = Schedule::initial(request.window);
    let mut counted = Counted {
        intake: Intake::new(Arc::clone(specs), schedule, beginning, beginning),
        uncounted: batch::Intake::default(),
        told: Vec::new(),
        newest: None,
    };
    match paths {
        None => counted.read(&mut io::stdin().lock(), "standard input", specs, keep, now)?,
        Some(paths) => {
            for path in paths {
                let name = path.display().to_string();
                let mut file =
                    File::open(path).map_err(|source| CollectError::Read { what: name.clone(), source })?;
                counted.read(&mut file, &name, specs, keep, now)?;
            }
        }
    }
    Ok(counted)
}

impl Counted {
    fn read(
        &mut self,
        input: &mut impl Read,
        name: &str,
        specs: &EventSpecs,
        keep: Option<Window>,
        now: Timestamp,
    ) -> Result<(), CollectError> {
        let mut lines = 0;
        let mut buffer = Vec::new();
        loop {
            let room = u64::try_from(CHUNK).unwrap_or(u64::MAX);
            let read = input
                .by_ref()
                .take(room)
                .read_to_end(&mut buffer)
                .map_err(|source| CollectError::Read { what: name.to_owned(), source })?;
            let ended = read == 0;
            let hole = buffer.iter().take_while(|byte| **byte == 0).count();
            buffer.drain(..hole);
            if lines == 0 && is_array(&buffer) {
                if buffer.len() > ARRAY_MAX {
                    return Err(CollectError::ArrayTooLarge { what: name.to_owned() });
                }
                if !ended {
                    continue;
                }
                let records = Records::of_body(&buffer, specs)
                    .map_err(|source| CollectError::Array { what: name.to_owned(), source })?;
                self.add(records, name, 0, keep, now);
                return Ok(());
            }
            // At the end a line without its break is a line too: nobody will finish it.
            let lines_end = memchr::memrchr(b'\n', &buffer).map_or(0, |at| at + 1);
            let whole = if ended { buffer.len() } else { specs.settled(&buffer[..lines_end]) };
            let records = Records::of_lines(&buffer[..whole], specs);
            // What is too long already need not be kept until its end comes.
            buffer.truncate(lines_end.max(whole) + LINE_LENGTH_MAX + 1);
            buffer.drain(..whole);
            let lines_before = lines;
            lines += records.lines;
            self.add(records, name, lines_before, keep, now);
            if ended {
                return Ok(());
            }
        }
    }

    fn add(
        &mut self,
        mut records: Records,
        name: &str,
        lines_before: u64,
        keep: Option<Window>,
        now: Timestamp,
    ) {
        let ts = |event: &Record| Timestamp::from_millis(event.ts_ms);
        let newest = records.events.iter().map(ts).filter(|ts| *ts <= now).max();
        self.newest = self.newest.max(newest);
        if let Some(keep) = keep {
            records.events.retain(|event| keep.contains(ts(event)));
        }
        let mut counts = Counts::default();
        // Without a store every open window's ids are here: none are ever asked for.
        let applied = self.intake.apply(&records, 0, now, &mut counts);
        debug_assert_eq!(applied, Applied::All);
        add_uncounted(&mut self.uncounted, &records, lines_before);
        let room = MALFORMED_KEPT.saturating_sub(self.told.len());
        self.told.extend(records.kept.into_iter().take(room).map(|kept| {
            (name.to_owned(), MalformedLine { line: kept.line + lines_before, reason: kept.reason })
        }));
    }

    fn touches(&self, range: Window) -> bool {
        self.intake.open_windows().iter().any(|start| range.contains(*start))
    }

    fn into_collected(mut self, request: &OneShot, specs: &EventSpecs, range: Window) -> Collected {
        let mut by_start: std::collections::BTreeMap<Timestamp, Totals> =
            self.intake.take_changes().into_iter().map(|change| (change.start, change.totals)).collect();
        let mut batches = Vec::new();
        let mut start = range.start;
        while start < range.end {
            let window = window_of(start, request.window);
            let mut totals = by_start.remove(&start).unwrap_or_default();
            if window.end >= range.end {
                add_intake(&mut totals.intake, &self.uncounted);
            }
            batches.push(totals.into_batch(head(request, window), specs));
            start = window.end;
        }
        Collected { batches, malformed: self.told }
    }
}

fn head(request: &OneShot, window: Window) -> BatchHead {
    BatchHead {
        target: request.target.clone(),
        phase: request.phase.clone(),
        epoch: request.epoch,
        window,
        next_window: None,
        attempts: 1,
        source: match request.source {
            OneShotSource::Files(_) => "jsonl",
            OneShotSource::Stdin => "stdin",
        },
        collected_at: window.end.plus(request.simulate_latency),
        paused: Duration::ZERO,
        policy_version: None,
    }
}
