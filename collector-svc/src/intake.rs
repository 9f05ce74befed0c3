//! Records to counts: the second half of the hot path, for one target. Pure: no I/O, no clock.
//!
//! It holds, per open window, what was counted since the last flush and the ids seen so far. The store
//! holds the totals. A flush takes the changes; if it fails, [`Intake::take_back`] forgets them and the
//! same records are applied again. Ids of windows that nobody writes to are dropped from memory and asked
//! for again when needed, so memory does not grow with the number of open windows.

use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::Duration;

use shared_types::batch::{Example, Intake as IntakeCounts, LostFile, Query};
use shared_types::decision::UncountedReason;
use shared_types::{Buckets, Histogram, Timestamp, Window};

use crate::schedule::Schedule;
use domain::telemetry::totals::{
    Breakdown, Durations, Sessions, Totals, add_intake, add_label, add_queries, add_uncounted,
};
use events::frequent::AlreadyHashed;
use events::records::{MALFORMED_KEPT, MalformedLine, Record, Records};
use events::{EventSpecs, Reason, examples};

/// Event ids kept in memory over all windows of a target before cold windows' ids are dropped.
const IDS_IN_MEMORY_MAX: usize = 1_000_000;
/// Windows that may be open at once; an event that would open another one counts as late.
const OPEN_WINDOWS_MAX: usize = 4096;

/// A set of event id hashes.
pub type IdSet = HashSet<u64, BuildHasherDefault<AlreadyHashed>>;

/// What became of some records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Counted in their window.
    pub accepted: u64,
    pub duplicates: u64,
    pub late: u64,
    pub unknown: u64,
    pub malformed: u64,
    /// Lines that the map ignores (TE-7).
    pub ignored: u64,
    /// The first malformed lines.
    pub kept: Vec<MalformedLine>,
    /// Of what could not be counted.
    pub examples: Vec<Example>,
}

impl Counts {
    /// Whether no event is counted.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let Self { accepted, duplicates, late, unknown, malformed, .. } = self;
        [accepted, duplicates, late, unknown, malformed].iter().all(|it| **it == 0)
    }

    /// Adds the numbers of what was counted besides.
    pub fn add(&mut self, more: &Self) {
        self.accepted += more.accepted;
        self.duplicates += more.duplicates;
        self.late += more.late;
        self.unknown += more.unknown;
        self.malformed += more.malformed;
        self.ignored += more.ignored;
    }
}

/// What a flush writes for one window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowChange {
    pub start: Timestamp,
    /// To be added to the stored totals.
    pub totals: Totals,
    /// Seen for the first time.
    pub new_ids: Vec<u64>,
}

/// How far [`Intake::apply`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    All,
    /// Give the ids of this window by [`Intake::give_ids`], then go on with record `at`.
    NeedsIds {
        start: Timestamp,
        at: usize,
    },
}

/// Counts of one target.
#[derive(Debug)]
pub struct Intake {
    specs: Arc<EventSpecs>,
    schedule: Schedule,
    closed_until: Timestamp,
    newest_event: Timestamp,
    open: BTreeMap<Timestamp, OpenWindow>,
    /// Grows with every piece; tells which windows were used last.
    round: u64,
}

#[derive(Debug)]
struct OpenWindow {
    /// `None`: in the store only.
    ids: Option<IdSet>,
    new_ids: Vec<u64>,
    delta: Option<Box<Delta>>,
    used_in_round: u64,
}

/// Counts by index of the specs.
#[derive(Debug)]
struct Delta {
    counters: Vec<u64>,
    durations: Vec<Histogram>,
    buckets: Vec<Buckets>,
    errors: Vec<Errors>,
    values: BTreeMap<String, f64>,
    queries: Vec<Query>,
    intake: IntakeCounts,
}

/// What is told apart of one error.
#[derive(Debug, Clone, Default)]
struct Errors {
    retryable: u64,
    not_retryable: u64,
    by_code: Breakdown,
    /// None while no event names one.
    sessions: Option<Sessions>,
}

impl Intake {
    /// With what the store knows: nothing but the starts of open windows.
    #[must_use]
    pub fn new(
        specs: Arc<EventSpecs>,
        schedule: Schedule,
        closed_until: Timestamp,
        newest_event: Timestamp,
    ) -> Self {
        Self { specs, schedule, closed_until, newest_event, open: BTreeMap::new(), round: 0 }
    }

    /// What records must have been read with.
    #[must_use]
    pub fn specs(&self) -> &Arc<EventSpecs> {
        &self.specs
    }

    /// Counts by other specs from now on. Call it when all changes have been taken: they are kept by index.
    pub fn use_specs(&mut self, specs: Arc<EventSpecs>) {
        debug_assert!(self.open.values().all(|window| window.delta.is_none()), "changes were taken");
        self.specs = specs;
    }

    /// Takes over what the store says now: another schedule, and the windows that are open there.
    pub fn synchronise(
        &mut self,
        schedule: Schedule,
        closed_until: Timestamp,
        newest_event: Timestamp,
        open: &[Timestamp],
    ) {
        (self.schedule, self.closed_until, self.newest_event) = (schedule, closed_until, newest_event);
        self.open.retain(|start, _| open.binary_search(start).is_ok());
        for start in open {
            self.open.entry(*start).or_insert_with(|| OpenWindow::new(None));
        }
    }

    /// Applies records from number `from` on. Malformed lines are not among them: see [`Self::malformed`].
    pub fn apply(&mut self, records: &Records, from: usize, now: Timestamp, counts: &mut Counts) -> Applied {
        let horizon = self.horizon(now);
        let mut at = from;
        while let Some(first) = records.events.get(at) {
            let ts = Timestamp::from_millis(first.ts_ms);
            if ts > horizon {
                self.future(first, now, counts);
                at += 1;
                continue;
            }
            let Some(cursor) = self.enter(ts) else {
                counts.late += 1;
                self.delta_at(now).intake.late += 1;
                at += 1;
                continue;
            };
            let Some(window) = self.open.get_mut(&cursor.start) else { break };
            window.used_in_round = self.round;
            // The next ones are mostly in the same window.
            for record in &records.events[at..] {
                let ts = Timestamp::from_millis(record.ts_ms);
                if ts > horizon || !cursor.contains(ts) {
                    break;
                }
                if !window.count(record, records, &self.specs, counts) {
                    return Applied::NeedsIds { start: cursor.start, at };
                }
                self.newest_event = self.newest_event.max(ts);
                at += 1;
            }
        }
        Applied::All
    }

    /// Counts the records' malformed lines on the batch that is open now, and tells examples there. Their first line is
    /// number `lines_before + 1` of where they come from.
    pub fn malformed(&mut self, records: &Records, lines_before: u64, now: Timestamp, counts: &mut Counts) {
        let nothing = records.examples.is_empty() && records.malformed == 0 && records.ignored == 0;
        if nothing && counts.examples.is_empty() {
            return;
        }
        let intake = &mut self.delta_at(now).intake;
        for future in &counts.examples {
            examples::keep(
                &mut intake.examples,
                Example { line: future.line + lines_before, ..future.clone() },
            );
        }
        add_uncounted(intake, records, lines_before);
        counts.malformed += records.malformed;
        counts.ignored += records.ignored;
        counts.kept.extend(records.kept.iter().cloned());
        counts.kept.sort_by_key(|kept| kept.line);
        counts.kept.truncate(MALFORMED_KEPT);
        counts.examples.extend(records.examples.iter().cloned());
        let specs = Arc::clone(&self.specs);
        for example in counts.examples.iter_mut().filter(|it| it.kind == UncountedReason::Unknown) {
            example.meant = specs.nearest(&example.what).map(str::to_owned);
        }
    }

    /// Counts a file that was not read to its end on the batch that is open now (CO-9).
    pub fn lost(&mut self, file: &LostFile, now: Timestamp) {
        let lost = IntakeCounts { lost: 1, lost_files: vec![file.clone()], ..IntakeCounts::default() };
        add_intake(&mut self.delta_at(now).intake, &lost);
    }

    /// Adds what was counted elsewhere to a window; late, if that is closed. Of what no metric asks for only the number
    /// is kept.
    pub fn add(&mut self, window: Window, totals: &Totals, now: Timestamp, counts: &mut Counts) {
        let events: u64 = totals.counters.values().sum();
        let Some(entered) = self.enter(window.start) else {
            counts.late += events;
            self.delta_at(now).intake.late += events;
            return;
        };
        let (specs, round) = (Arc::clone(&self.specs), self.round);
        let Some(open) = self.open.get_mut(&entered.start) else { return };
        open.used_in_round = round;
        open.delta(&specs).add(totals, &specs, counts);
        if events > 0 {
            let newest = window.end.minus(Duration::from_millis(1)).min(now).max(window.start);
            self.newest_event = self.newest_event.max(newest);
        }
    }

    /// The ids of a window that the store has, asked for by [`Applied::NeedsIds`].
    pub fn give_ids(&mut self, start: Timestamp, mut ids: IdSet) {
        if let Some(window) = self.open.get_mut(&start) {
            ids.extend(&window.new_ids);
            window.ids = Some(ids);
        }
    }

    /// Ids that another replica has written since, for windows whose ids are in memory.
    pub fn add_foreign_ids(&mut self, start: Timestamp, ids: &[u64]) {
        if let Some(known) = self.open.get_mut(&start).and_then(|window| window.ids.as_mut()) {
            known.extend(ids);
        }
    }

    /// What has changed since the last call.
    pub fn take_changes(&mut self) -> Vec<WindowChange> {
        let specs = &self.specs;
        self.open
            .iter_mut()
            .filter_map(|(start, window)| {
                let totals = window.delta.take()?.into_totals(specs);
                Some(WindowChange { start: *start, totals, new_ids: std::mem::take(&mut window.new_ids) })
            })
            .collect()
    }

    /// Forgets changes whose flush did not happen. Call [`Self::synchronise`] next.
    pub fn take_back(&mut self, changes: &[WindowChange]) {
        for change in changes {
            if let Some(ids) = self.open.get_mut(&change.start).and_then(|window| window.ids.as_mut()) {
                change.new_ids.iter().for_each(|id| {
                    ids.remove(id);
                });
            }
        }
    }

    /// After each piece: drops the ids of the windows used longest ago while there are too many in memory.
    pub fn shed(&mut self) {
        self.round += 1;
        let held = |window: &OpenWindow| window.ids.as_ref().map_or(0, HashSet::len);
        let mut total: usize = self.open.values().map(held).sum();
        while total > IDS_IN_MEMORY_MAX {
            let round = self.round;
            let coldest = self
                .open
                .values_mut()
                .filter(|window| window.ids.is_some() && window.used_in_round + 1 < round)
                .min_by_key(|window| window.used_in_round);
            let Some(coldest) = coldest else { break };
            total -= held(coldest);
            coldest.ids = None;
        }
    }

    /// Starts of the windows that have been written to, ascending.
    #[must_use]
    pub fn open_windows(&self) -> Vec<Timestamp> {
        self.open.keys().copied().collect()
    }

    /// The newest `ts` counted.
    #[must_use]
    pub fn newest_event(&self) -> Timestamp {
        self.newest_event
    }

    /// The latest `ts` that is believed: one window ahead (TE-3).
    fn horizon(&self, now: Timestamp) -> Timestamp {
        now.plus(self.schedule.at(now).window.length().max(Duration::from_secs(1)))
    }

    /// Opens the window of `ts`, unless it is closed.
    fn enter(&mut self, ts: Timestamp) -> Option<Cursor> {
        if ts < self.closed_until {
            return None;
        }
        let window = self.schedule.at(ts).window;
        if !self.open.contains_key(&window.start) {
            if self.open.len() >= OPEN_WINDOWS_MAX {
                return None;
            }
            self.open.insert(window.start, OpenWindow::new(Some(IdSet::default())));
        }
        Some(Cursor { start: window.start, end: window.end })
    }

    /// Where things are counted that have no window of their own: the one that is open at `now`.
    fn delta_at(&mut self, now: Timestamp) -> &mut Delta {
        let start = self.schedule.at(now.max(self.closed_until)).window.start;
        let window = self.open.entry(start).or_insert_with(|| OpenWindow::new(Some(IdSet::default())));
        window.delta.get_or_insert_with(|| Delta::new(&self.specs))
    }

    #[cold]
    fn future(&mut self, record: &Record, now: Timestamp, counts: &mut Counts) {
        counts.malformed += 1;
        if counts.kept.len() < MALFORMED_KEPT {
            let reason = Reason::Future.to_string();
            counts.kept.push(MalformedLine { line: u64::from(record.line), reason });
        }
        examples::keep(&mut counts.examples, examples::of_future(u64::from(record.line)));
        let intake = &mut self.delta_at(now).intake;
        intake.malformed += 1;
        add_label(&mut intake.malformed_reasons, &Reason::Future.sort(), 1);
    }
}

/// A window that was entered.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    start: Timestamp,
    end: Timestamp,
}

impl Cursor {
    #[inline]
    fn contains(&self, ts: Timestamp) -> bool {
        self.start <= ts && ts < self.end
    }
}

impl OpenWindow {
    fn new(ids: Option<IdSet>) -> Self {
        Self { ids, new_ids: Vec::new(), delta: None, used_in_round: 0 }
    }

    /// False: the ids are needed first.
    #[inline]
    fn count(&mut self, record: &Record, records: &Records, specs: &EventSpecs, counts: &mut Counts) -> bool {
        let Some(spec) = specs.all().get(usize::from(record.name)) else {
            counts.unknown += 1;
            let intake = &mut self.delta(specs).intake;
            intake.unknown += 1;
            add_label(&mut intake.unknown_names, records.names.get(record.code), 1);
            return true;
        };
        if record.has_id {
            let Some(ids) = &mut self.ids else { return false };
            if !ids.insert(record.id_hash) {
                counts.duplicates += 1;
                self.delta(specs).intake.duplicates += 1;
                return true;
            }
            self.new_ids.push(record.id_hash);
        }
        counts.accepted += 1;
        let name = usize::from(record.name);
        let delta = self.delta(specs);
        delta.counters[name] += 1;
        if spec.duration_field.is_some() {
            delta.durations[name].record(record.duration_ms);
        }
        if record.session != Record::SESSIONLESS {
            delta.count_session(name, record.session, specs);
        }
        if spec.error {
            let errors = &mut delta.errors[name];
            match record.retryable {
                Some(true) => errors.retryable += 1,
                Some(false) => errors.not_retryable += 1,
                None => {}
            }
            add_label(&mut errors.by_code, records.codes.get(record.code), 1);
        }
        true
    }

    #[inline]
    fn delta(&mut self, specs: &EventSpecs) -> &mut Delta {
        self.delta.get_or_insert_with(|| Delta::new(specs))
    }
}

impl Delta {
    fn new(specs: &EventSpecs) -> Box<Self> {
        let names = specs.all().len();
        Box::new(Self {
            counters: vec![0; names],
            durations: vec![Histogram::default(); names],
            buckets: vec![Buckets::default(); names],
            errors: vec![Errors::default(); names],
            values: BTreeMap::new(),
            queries: Vec::new(),
            intake: IntakeCounts::default(),
        })
    }

    fn count_session(&mut self, name: usize, session: u64, specs: &EventSpecs) {
        for error in specs.errors_of_attempt(name) {
            self.errors[*error].sessions.get_or_insert_default().attempt(session);
        }
        if specs.all()[name].error {
            self.errors[name].sessions.get_or_insert_default().error(session);
        }
    }

    fn add(&mut self, totals: &Totals, specs: &EventSpecs, counts: &mut Counts) {
        let of = |event: &str| specs.find_again(event).map(|at| (at, &specs.all()[at]));
        for (event, count) in &totals.counters {
            match of(event) {
                Some((at, _)) => {
                    self.counters[at] += count;
                    counts.accepted += count;
                }
                None => {
                    self.intake.unknown += count;
                    add_label(&mut self.intake.unknown_names, event, *count);
                    counts.unknown += count;
                }
            }
        }
        let timed =
            |event: &str| of(event).filter(|(_, spec)| spec.duration_field.is_some()).map(|(at, _)| at);
        let mut uncounted = |event: &str, at: usize, count: u64| {
            if !totals.counters.contains_key(event) {
                self.counters[at] += count;
                counts.accepted += count;
            }
        };
        for (event, durations) in &totals.distributions {
            let Some(at) = timed(event) else { continue };
            self.durations[at].merge(&durations.0);
            uncounted(event, at, durations.0.count());
        }
        for (event, buckets) in &totals.buckets {
            let Some(at) = timed(event) else { continue };
            self.buckets[at].merge(buckets);
            uncounted(event, at, buckets.count());
        }
        for (event, fields) in &totals.breakdowns {
            let Some((at, _)) = of(event).filter(|(_, spec)| spec.error) else { continue };
            let errors = &mut self.errors[at];
            let counted = |field: &str, value: &str| {
                fields.get(field).and_then(|values| values.get(value)).copied().unwrap_or(0)
            };
            errors.retryable += counted("retryable", "true");
            errors.not_retryable += counted("retryable", "false");
            let codes = fields.get("code").into_iter().flatten();
            codes.for_each(|(code, count)| add_label(&mut errors.by_code, code, *count));
        }
        for (event, sessions) in &totals.sessions {
            let Some((at, _)) = of(event).filter(|(_, spec)| spec.error) else { continue };
            self.errors[at].sessions.get_or_insert_default().merge(sessions);
        }
        self.values.extend(totals.values.iter().map(|(name, value)| (name.clone(), *value)));
        add_queries(&mut self.queries, &totals.queries);
        add_intake(&mut self.intake, &totals.intake);
    }

    fn into_totals(self, specs: &EventSpecs) -> Totals {
        let Self { values, queries, intake, .. } = self;
        let mut totals = Totals { values, queries, intake, ..Totals::default() };
        let durations = self.durations.into_iter().zip(self.buckets);
        for (((spec, count), (durations, buckets)), errors) in
            specs.all().iter().zip(self.counters).zip(durations).zip(self.errors)
        {
            // Attempts of an error's sessions come with other events than the error itself.
            if let Some(sessions) = errors.sessions {
                totals.sessions.insert(spec.name.clone(), sessions);
            }
            if count == 0 {
                continue;
            }
            totals.counters.insert(spec.name.clone(), count);
            if spec.duration_field.is_some() {
                totals.distributions.insert(spec.name.clone(), Durations(durations));
            }
            if !buckets.is_empty() {
                totals.buckets.insert(spec.name.clone(), buckets);
            }
            if spec.error {
                let by_retryable = [("true", errors.retryable), ("false", errors.not_retryable)];
                let by_retryable: Breakdown = by_retryable
                    .into_iter()
                    .filter(|(_, n)| *n > 0)
                    .map(|(v, n)| (v.to_owned(), n))
                    .collect();
                let fields = [("retryable".to_owned(), by_retryable), ("code".to_owned(), errors.by_code)];
                let said = fields.into_iter().filter(|(_, values)| !values.is_empty());
                totals.breakdowns.insert(spec.name.clone(), said.collect());
            }
        }
        totals
    }
}

#[cfg(test)]
#[path = "intake_properties.rs"]
mod properties;
#[cfg(test)]
mod tests {
    use super::*;
    use events::EventSpec;

    fn specs() -> Arc<EventSpecs> {
        Arc::new(
            EventSpecs::new([EventSpec::timed("save", "ms"), EventSpec::failure("fail", &["save", "fail"])])
                .unwrap(),
        )
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(&format!("2026-11-22T{text}Z")).unwrap()
    }

    fn intake(closed_until: Timestamp) -> Intake {
        let schedule = Schedule::initial(Duration::from_secs(900));
        Intake::new(specs(), schedule, closed_until, Timestamp::from_millis(0))
    }

    fn saved(ts: &str, id: &str) -> String {
        format!("{{\"ts\":\"2026-11-22T{ts}Z\",\"name\":\"save\",\"event_id\":\"{id}\",\"ms\":5}}\n")
    }

    fn apply(intake: &mut Intake, text: &str, now: Timestamp) -> Counts {
        let records = Records::of_lines(text.as_bytes(), &specs());
        let mut counts = Counts::default();
        assert_eq!(intake.apply(&records, 0, now, &mut counts), Applied::All);
        intake.malformed(&records, 0, now, &mut counts);
        counts
    }

    /// TE-3: an event belongs to the window of its own ts; one of a closed window is late on the open batch;
    /// one too far ahead is malformed.
    #[test]
    fn an_event_is_counted_where_its_ts_says() {
        let mut intake = intake(at("10:00:00"));
        let now = at("10:20:00");
        let text = [
            saved("10:14:59.999", "a"),
            saved("10:15:00", "b"),
            saved("09:59:59", "c"),
            saved("10:35:01", "d"),
        ];
        let counts = apply(&mut intake, &text.concat(), now);
        assert_eq!((counts.accepted, counts.late, counts.malformed), (2, 1, 1));
        assert_eq!((counts.kept[0].line, counts.kept[0].reason.contains("future")), (4, true));
        let changes = intake.take_changes();
        assert_eq!(changes.len(), 2);
        assert_eq!((changes[0].start, changes[0].totals.counters["save"]), (at("10:00:00"), 1));
        let malformed_reasons = [(Reason::Future.to_string(), 1)].into();
        let examples = vec![examples::of_future(4)];
        let expected =
            IntakeCounts { late: 1, malformed: 1, malformed_reasons, examples, ..Default::default() };
        assert_eq!(changes[1].totals.intake, expected);
    }

    /// TE-4: an id counts once in its window, and again in another.
    #[test]
    fn a_second_event_with_the_same_id_is_a_duplicate_in_its_window_only() {
        let mut intake = intake(at("10:00:00"));
        let text = [saved("10:01:00", "a"), saved("10:02:00", "a"), saved("10:16:00", "a")].concat();
        let counts = apply(&mut intake, &text, at("10:16:00"));
        assert_eq!((counts.accepted, counts.duplicates), (2, 1));
    }

    /// TE-5: what could not be flushed is counted again as if for the first time.
    #[test]
    fn a_flush_that_failed_is_taken_back_and_counted_again() {
        let mut intake = intake(at("10:00:00"));
        let now = at("10:05:00");
        apply(&mut intake, &saved("10:01:00", "kept"), now);
        intake.take_changes();
        let lost = [saved("10:01:00", "a"), saved("10:01:00", "kept")].concat();
        let first = apply(&mut intake, &lost, now);
        let changes = intake.take_changes();
        intake.take_back(&changes);
        intake.synchronise(
            Schedule::initial(Duration::from_secs(900)),
            at("10:00:00"),
            at("10:01:00"),
            &[at("10:00:00")],
        );
        assert_eq!(apply(&mut intake, &lost, now), first);
        assert_eq!(intake.take_changes(), changes);
    }

    #[test]
    fn ids_of_a_window_that_is_only_in_the_store_are_asked_for() {
        let mut intake = intake(at("10:00:00"));
        let schedule = Schedule::initial(Duration::from_secs(900));
        intake.synchronise(schedule, at("10:00:00"), at("10:00:00"), &[at("10:00:00")]);
        let text = saved("10:15:00", "first") + &saved("10:01:00", "a");
        let records = Records::of_lines(text.as_bytes(), &specs());
        let mut counts = Counts::default();
        let applied = intake.apply(&records, 0, at("10:15:00"), &mut counts);
        assert_eq!(applied, Applied::NeedsIds { start: at("10:00:00"), at: 1 });
        let mut ids = IdSet::default();
        ids.insert(records.events[1].id_hash);
        intake.give_ids(at("10:00:00"), ids);
        assert_eq!(intake.apply(&records, 1, at("10:15:00"), &mut counts), Applied::All);
        assert_eq!((counts.accepted, counts.duplicates), (1, 1));
    }

    /// TE-4: ids that are dropped to save memory before they are stored are not forgotten.
    #[test]
    fn ids_that_are_dropped_before_their_commit_are_still_known() {
        let mut intake = intake(at("10:00:00"));
        let text = saved("10:01:00", "a") + &saved("10:01:00", "b");
        apply(&mut intake, &text, at("10:05:00"));
        let records = Records::of_lines(saved("10:01:00", "a").as_bytes(), &specs());
        let mut counts = Counts::default();
        intake.open.get_mut(&at("10:00:00")).unwrap().ids = None;
        let applied = intake.apply(&records, 0, at("10:05:00"), &mut counts);
        assert_eq!(applied, Applied::NeedsIds { start: at("10:00:00"), at: 0 });
        intake.give_ids(at("10:00:00"), IdSet::default());
        assert_eq!(intake.apply(&records, 0, at("10:05:00"), &mut counts), Applied::All);
        assert_eq!((counts.accepted, counts.duplicates), (0, 1));
    }

    #[test]
    fn unknown_names_and_breakdowns_are_counted() {
        let mut intake = intake(at("10:00:00"));
        let text = r#"{"ts":"2026-11-22T10:01:00Z","name":"opened"}
{"ts":"2026-11-22T10:01:00Z","name":"fail","code":"E_LOCK","retryable":true}
{"ts":"2026-11-22T10:01:00Z","name":"fail","code":"E_IO","retryable":false}"#;
        let counts = apply(&mut intake, text, at("10:05:00"));
        assert_eq!((counts.accepted, counts.unknown), (2, 1));
        let totals = intake.take_changes().remove(0).totals;
        assert_eq!((totals.intake.unknown, totals.intake.unknown_names["opened"]), (1, 1));
        let json = serde_json::to_value(&totals.breakdowns).unwrap();
        let expected =
            serde_json::json!({"fail":{"code":{"E_IO":1,"E_LOCK":1},"retryable":{"false":1,"true":1}}});
        assert_eq!(json, expected);
    }

    fn tried(name: &str, rest: &str) -> String {
        format!(
            "{{\"ts\":\"2026-11-22T10:01:00Z\",\"name\":\"{name}\",\"ms\":5,\"code\":\"E\",\"retryable\":true{rest}}}\n"
        )
    }

    /// JU-10: attempts and errors by session over any number of flushes; nothing is there without sessions.
    #[test]
    fn sessions_are_counted_where_events_name_them() {
        let mut intake = intake(at("10:00:00"));
        let session = |name: &str, session: &str| tried(name, &format!(",\"session\":{session}"));
        let text = [session("save", "\"a\""), session("fail", "\"a\""), session("fail", "7")].concat();
        apply(&mut intake, &text, at("10:05:00"));
        let mut totals = intake.take_changes().remove(0).totals;
        let text = [session("save", "\"a\""), session("fail", "\"a\""), tried("fail", "")].concat();
        apply(&mut intake, &text, at("10:05:00"));
        totals.merge(&intake.take_changes().remove(0).totals);
        let figures = totals.sessions["fail"].figures(totals.counters["fail"]).unwrap();
        let expected = [("distinct", 2), ("squares", 6), ("top", 2), ("top_attempts", 4)];
        assert_eq!(figures, expected.map(|(figure, value)| (figure.to_owned(), value)).into());

        apply(&mut intake, &(tried("save", "") + &tried("fail", "")), at("10:05:00"));
        assert!(intake.take_changes().remove(0).totals.sessions.is_empty());
    }

    /// JU-9: a variant that the specs name is counted apart; without, it is an event like any other.
    #[test]
    fn a_variant_is_counted_apart_where_it_is_named() {
        let apart = Arc::new(EventSpecs::clone(&specs()).with_variants(["control"]).unwrap());
        let schedule = || Schedule::initial(Duration::from_secs(900));
        let text = [
            tried("save", ",\"variant\":\"control\""),
            tried("fail", ",\"variant\":\"control\",\"session\":\"a\""),
            tried("fail", ",\"variant\":\"b\""),
            tried("save", ""),
            tried("save", ""),
        ]
        .concat();
        let count = |specs: &Arc<EventSpecs>, read_with: &EventSpecs| {
            let beginning = Timestamp::from_millis(0);
            let mut intake = Intake::new(Arc::clone(specs), schedule(), at("10:00:00"), beginning);
            let records = Records::of_lines(text.as_bytes(), read_with).translated(read_with, specs);
            let mut counts = Counts::default();
            assert_eq!(intake.apply(&records, 0, at("10:05:00"), &mut counts), Applied::All);
            intake.take_changes().remove(0).totals
        };
        let counters = |totals: &Totals| {
            totals.counters.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>()
        };
        let totals = count(&apart, &apart);
        assert_eq!(counters(&totals), ["fail 1", "fail@control 1", "save 2", "save@control 1"]);
        assert_eq!(totals.breakdowns["fail@control"]["code"]["E"], 1);
        assert_eq!(totals.distributions["save@control"].0.count(), 1);
        assert_eq!(totals.sessions.keys().collect::<Vec<_>>(), ["fail@control"]);
        for read_with in [&apart, &specs()] {
            assert_eq!(counters(&count(&specs(), read_with)), ["fail 2", "save 3"]);
        }
    }
}
