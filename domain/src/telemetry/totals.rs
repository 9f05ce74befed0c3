//! What was counted in one window, by name: mergeable, serialisable, and turned into a [`Batch`] at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::stored::{Document, Step, unchanged};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use shared_types::batch::{Distribution, Example, Intake, Query};
use shared_types::decision::UncountedReason;
use shared_types::{Batch, Buckets, Epoch, Histogram, PhaseId, TargetName, Timestamp, Window, batch};

use events::frequent::excess;
use events::records::{OTHER_CODE, Records};
use events::{EventSpecs, examples};
use serde_json::{Value, json};

pub use super::sessions::Sessions;

/// Counts per value of a field.
pub type Breakdown = BTreeMap<String, u64>;

/// Places for the values of a field while a window is counted; see [`events::frequent`].
const VALUE_PLACES: usize = 256;
/// Values of a field that a batch names; the rest are under [`OTHER_CODE`].
pub const VALUES_NAMED: usize = 64;
/// Unknown names that are told; the rest are under [`OTHER_CODE`].
pub const NAMES_SHOWN: usize = 16;
/// Lost files that a batch names; all are counted.
const LOST_NAMED: usize = 16;
/// The field of a breakdown that says how errors are spread over sessions (JU-10).
pub const SESSION_FIELD: &str = "session";

/// One window's counts, so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    pub counters: BTreeMap<String, u64>,
    pub distributions: BTreeMap<String, Durations>,
    /// Durations that a source knows only by bounds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub buckets: BTreeMap<String, Buckets>,
    /// By event name, then field, then value.
    pub breakdowns: BTreeMap<String, BTreeMap<String, Breakdown>>,
    /// By name of an error whose events name sessions.
    pub sessions: BTreeMap<String, Sessions>,
    /// Numbers that a source gives.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, f64>,
    /// What a source was asked for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<Query>,
    pub intake: Intake,
}

/// A histogram that is stored as its text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durations(pub Histogram);

impl Serialize for Durations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.encode())
    }
}

impl<'de> Deserialize<'de> for Durations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Histogram::decode(&text).map(Self).map_err(de::Error::custom)
    }
}

/// Everything about a batch that was not counted.
#[derive(Debug, Clone)]
pub struct BatchHead {
    pub target: TargetName,
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub window: Window,
    pub next_window: Option<Window>,
    pub attempts: u32,
    pub source: &'static str,
    pub collected_at: Timestamp,
    /// Since the window's end, so long it was not to be closed: that is nobody's latency (CO-10).
    pub paused: Duration,
    /// The version of the policy that the window was counted by.
    pub policy_version: Option<String>,
}

impl Document for Totals {
    const KIND: &'static str = "window counts";
    const STEPS: &'static [Step] = &[Step { name: "sessions are counted", up: sessionless, down: unchanged }];
}

/// Of what was counted before sessions were, none is known.
fn sessionless(mut counts: Value) -> Result<Value, String> {
    let fields = counts.as_object_mut().ok_or("not an object")?;
    fields.entry("sessions").or_insert_with(|| json!({}));
    Ok(counts)
}

impl Totals {
    /// Adds what was counted besides; of a number the later one stands. Rare values of a breakdown that has very many go under `other`.
    pub fn merge(&mut self, more: &Self) {
        for (name, count) in &more.counters {
            *self.counters.entry(name.clone()).or_default() += count;
        }
        for (name, durations) in &more.distributions {
            self.distributions.entry(name.clone()).or_default().0.merge(&durations.0);
        }
        for (name, buckets) in &more.buckets {
            self.buckets.entry(name.clone()).or_default().merge(buckets);
        }
        for (name, fields) in &more.breakdowns {
            let ours = self.breakdowns.entry(name.clone()).or_default();
            for (field, values) in fields {
                let ours = ours.entry(field.clone()).or_default();
                values.iter().for_each(|(value, count)| add_label(ours, value, *count));
            }
        }
        for (name, sessions) in &more.sessions {
            self.sessions.entry(name.clone()).or_default().merge(sessions);
        }
        self.values.extend(more.values.iter().map(|(name, value)| (name.clone(), *value)));
        add_queries(&mut self.queries, &more.queries);
        add_intake(&mut self.intake, &more.intake);
    }

    /// These, and what was counted after them.
    #[must_use]
    pub fn with(mut self, later: Self) -> Self {
        if self == Self::default() {
            return later;
        }
        self.merge(&later);
        self
    }

    /// The batch (CO-2); every name of the policy is there, with 0 if none came, unless nobody knows how many did. What was
    /// counted besides, for another version of the policy, is unknown to this one.
    #[must_use]
    pub fn into_batch(mut self, head: BatchHead, specs: &EventSpecs) -> Batch {
        self.keep_only(specs);
        let mut counters = self.counters;
        for spec in specs.all() {
            counters.entry(spec.name.clone()).or_default();
        }
        // A part of them would look like the whole.
        let is_known = |name: &String| !self.intake.is_missing(name);
        counters.retain(|name, _| is_known(name));
        self.distributions.retain(|name, _| is_known(name));
        self.buckets.retain(|name, buckets| is_known(name) && !buckets.is_empty());
        self.breakdowns.retain(|name, _| is_known(name));
        self.sessions.retain(|name, _| is_known(name));
        self.values.retain(|name, _| is_known(name));
        let mut breakdowns = self.breakdowns;
        breakdowns
            .values_mut()
            .flat_map(BTreeMap::values_mut)
            .for_each(|values| name_top(values, VALUES_NAMED));
        for (name, sessions) in self.sessions {
            let errors = counters.get(&name).copied().unwrap_or(0);
            if let Some(figures) = sessions.figures(errors) {
                breakdowns.entry(name).or_default().insert(SESSION_FIELD.to_owned(), figures);
            }
        }
        // One event's durations are judged in one piece.
        for (name, buckets) in &mut self.buckets {
            let exact = self.distributions.remove(name).unwrap_or_default();
            exact.0.values().for_each(|(ms, count)| buckets.add(ms, ms, count));
        }
        let distributions = self
            .distributions
            .into_iter()
            .filter_map(|(name, durations)| Some((name, distribution(&durations.0)?)))
            .collect();
        name_top(&mut self.intake.unknown_names, NAMES_SHOWN);
        for example in self.intake.examples.iter_mut().filter(|it| it.kind == UncountedReason::Unknown) {
            example.meant = specs.nearest(&example.what).map(str::to_owned);
        }
        let taken = head.collected_at.since(head.window.end).saturating_sub(head.paused);
        let latency = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX);
        Batch {
            schema: batch::SCHEMA.to_owned(),
            target: head.target,
            phase: head.phase,
            epoch: head.epoch,
            window: head.window,
            counters,
            distributions,
            buckets: self.buckets,
            breakdowns,
            values: self.values,
            queries: self.queries,
            intake: self.intake,
            collector_latency_ms: latency,
            attempts: head.attempts,
            source: head.source.to_owned(),
            collected_at: head.collected_at,
            next_window: head.next_window,
            policy_version: head.policy_version,
        }
    }

    /// A variant that is counted apart by another version of the policy only is an event like any other.
    fn keep_only(&mut self, specs: &EventSpecs) {
        let elsewhere = |name: &str| {
            let spec = specs.find_again(name).and_then(|index| specs.get(index))?;
            (spec.name != name).then(|| spec.name.clone())
        };
        let names: Vec<String> = self.counters.keys().cloned().collect();
        for (name, plain) in names.into_iter().filter_map(|name| Some((elsewhere(&name)?, name))) {
            self.rename(&plain, &name);
        }
        let of = |name: &String| specs.find(name).and_then(|index| specs.get(index));
        let intake = &mut self.intake;
        self.counters.retain(|name, count| {
            let known = of(name).is_some();
            if !known {
                intake.unknown += *count;
                add_label(&mut intake.unknown_names, name, *count);
            }
            known
        });
        let is_timed = |name: &String| of(name).is_some_and(|spec| spec.duration_field.is_some());
        self.distributions.retain(|name, _| is_timed(name));
        self.buckets.retain(|name, _| is_timed(name));
        self.breakdowns.retain(|name, _| of(name).is_some_and(|spec| spec.error));
        self.sessions.retain(|name, _| of(name).is_some_and(|spec| spec.error));
    }

    /// What is under one name is under the other.
    fn rename(&mut self, from: &str, to: &str) {
        let moved = Self {
            counters: taken(&mut self.counters, from, to),
            distributions: taken(&mut self.distributions, from, to),
            buckets: taken(&mut self.buckets, from, to),
            breakdowns: taken(&mut self.breakdowns, from, to),
            sessions: taken(&mut self.sessions, from, to),
            ..Self::default()
        };
        self.merge(&moved);
    }
}

fn taken<T>(of: &mut BTreeMap<String, T>, from: &str, to: &str) -> BTreeMap<String, T> {
    of.remove(from).map(|it| (to.to_owned(), it)).into_iter().collect()
}

/// Adds those that are not there.
pub fn add_queries(ours: &mut Vec<Query>, more: &[Query]) {
    for query in more {
        if !ours.contains(query) {
            ours.push(query.clone());
        }
    }
}

/// Adds what else could not, or not simply, be counted.
pub fn add_intake(ours: &mut Intake, more: &Intake) {
    ours.malformed += more.malformed;
    ours.late += more.late;
    ours.duplicates += more.duplicates;
    ours.unknown += more.unknown;
    ours.ignored += more.ignored;
    more.malformed_reasons.iter().for_each(|(reason, n)| add_label(&mut ours.malformed_reasons, reason, *n));
    more.unknown_names.iter().for_each(|(name, n)| add_label(&mut ours.unknown_names, name, *n));
    more.examples.iter().cloned().for_each(|example| examples::keep(&mut ours.examples, example));
    ours.lost += more.lost;
    ours.missing.extend(more.missing.iter().map(|(event, why)| (event.clone(), why.clone())));
    ours.extrapolated.extend(more.extrapolated.iter().map(|(event, why)| (event.clone(), why.clone())));
    let room = LOST_NAMED.saturating_sub(ours.lost_files.len());
    ours.lost_files.extend(more.lost_files.iter().take(room).cloned());
}

/// Adds the malformed lines of some records, and the examples of what could not be counted, as lines further on.
pub fn add_uncounted(ours: &mut Intake, records: &Records, lines_before: u64) {
    let further = |example: &Example| Example { line: example.line + lines_before, ..example.clone() };
    add_intake(
        ours,
        &Intake {
            malformed: records.malformed,
            ignored: records.ignored,
            malformed_reasons: records.reasons.clone(),
            examples: records.examples.iter().map(further).collect(),
            ..Intake::default()
        },
    );
}

/// Counts under `value`; where there are too many values, the rare ones go under `other`.
pub fn add_label(values: &mut Breakdown, value: &str, count: u64) {
    if let Some(known) = values.get_mut(value) {
        *known += count;
        return;
    }
    values.insert(value.to_owned(), count);
    // `other` needs no place.
    if values.len() > 2 * VALUE_PLACES + 1 {
        prune(values);
    }
}

fn prune(values: &mut Breakdown) {
    let counts: Vec<u64> = named(values).map(|(_, count)| count).collect();
    let excess = excess(counts.into_iter(), VALUE_PLACES);
    let mut moved = 0;
    values.retain(|value, count| {
        let less = if value == OTHER_CODE { 0 } else { excess.min(*count) };
        moved += less;
        *count -= less;
        *count > 0
    });
    *values.entry(OTHER_CODE.to_owned()).or_default() += moved;
}

/// Leaves so many values, the most frequent ones; the others go under `other`.
pub fn name_top(values: &mut Breakdown, most: usize) {
    let mut ranked: Vec<(String, u64)> =
        named(values).map(|(value, count)| (value.to_owned(), count)).collect();
    ranked.sort_by(|(_, a), (_, b)| b.cmp(a));
    for (value, count) in ranked.into_iter().skip(most) {
        values.remove(&value);
        *values.entry(OTHER_CODE.to_owned()).or_default() += count;
    }
}

fn named(values: &Breakdown) -> impl Iterator<Item = (&str, u64)> {
    values.iter().filter(|(value, _)| *value != OTHER_CODE).map(|(value, count)| (value.as_str(), *count))
}

fn distribution(histogram: &Histogram) -> Option<Distribution> {
    let ordered = histogram.ordered();
    Some(Distribution {
        unit: "ms".to_owned(),
        count: histogram.count(),
        p50: ordered.quantile(0.50)?,
        p95: ordered.quantile(0.95)?,
        p99: ordered.quantile(0.99)?,
        max: histogram.max()?,
        histogram: ordered.encode(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CO-2: a million different codes: memory, what is stored and the batch are bounded, the frequent code is named though it
    /// came late, and nothing is lost from the sum.
    #[test]
    fn a_million_different_codes_are_bounded_and_do_not_hide_the_frequent_one() {
        let mut stored = Breakdown::new();
        let mut errors = 0;
        for flush in 0..20 {
            let mut values = Breakdown::new();
            for n in 0..50_000 {
                add_label(&mut values, &format!("E{flush}-{n}"), 1);
                errors += 1;
                if flush >= 15 && n % 5 == 0 {
                    add_label(&mut values, "E_LOCK", 1);
                    errors += 1;
                }
            }
            assert!(values.len() <= 2 * VALUE_PLACES + 1, "{}", values.len());
            let mut totals = of_codes(std::mem::take(&mut stored));
            totals.merge(&of_codes(values));
            stored = totals.breakdowns.remove("fail").unwrap().remove("code").unwrap();
            assert!(stored.len() <= 2 * VALUE_PLACES + 1, "{}", stored.len());
        }
        name_top(&mut stored, VALUES_NAMED);
        assert_eq!((stored.len(), stored.values().sum::<u64>()), (VALUES_NAMED + 1, errors));
        assert!((50_000 - errors / 256..=50_000).contains(&stored["E_LOCK"]), "{}", stored["E_LOCK"]);
    }

    #[test]
    fn a_batch_names_the_most_frequent_values() {
        let mut values: Breakdown = (1..=70).map(|n| (format!("E{n:02}"), n)).collect();
        values.insert(OTHER_CODE.to_owned(), 5);
        name_top(&mut values, VALUES_NAMED);
        assert_eq!((values.len(), values[OTHER_CODE], values.get("E06")), (65, 5 + 21, None));
        assert_eq!((values["E07"], values["E70"]), (7, 70));
    }

    fn of_codes(values: Breakdown) -> Totals {
        Totals {
            breakdowns: BTreeMap::from([("fail".into(), BTreeMap::from([("code".into(), values)]))]),
            ..Totals::default()
        }
    }

    /// TE-6: a batch names what could not be counted, with what was perhaps meant, also where only this version does not count it.
    #[test]
    fn a_batch_names_what_could_not_be_counted() {
        let specs = EventSpecs::new([events::EventSpec::counted("save.completed")]).unwrap();
        let text = "oops\n{\"ts\":\"2026-11-22T10:00:00Z\",\"name\":\"save.complete\"}\n";
        let records = Records::of_lines(text.as_bytes(), &specs);
        let mut totals = Totals::default();
        add_uncounted(&mut totals.intake, &records, 100);
        totals.counters.insert("drift".into(), 2);
        (0..20).for_each(|n| add_label(&mut totals.intake.unknown_names, &format!("n{n:02}"), 3 + n));
        let stored = serde_json::to_string(&totals).unwrap();
        let intake = serde_json::from_str::<Totals>(&stored).unwrap().into_batch(head(), &specs).intake;
        assert_eq!(
            (intake.malformed, intake.malformed_reasons["not JSON of an event"], intake.unknown),
            (1, 1, 2)
        );
        assert_eq!((intake.unknown_names.len(), intake.unknown_names[OTHER_CODE]), (17, 2 + 3 + 4 + 5 + 6));
        let shown: Vec<_> =
            intake.examples.iter().map(|it| (it.line, it.what.as_str(), it.meant.as_deref())).collect();
        let meant = Some("save.completed");
        assert_eq!(shown, [(101, "not JSON of an event", None), (102, "save.complete", meant)]);
    }

    /// OP-6: what was stored before sessions were counted is read.
    #[test]
    fn counts_without_sessions_are_read() {
        let old = r#"{"counters":{"save":2},"distributions":{},"breakdowns":{},"intake":{"malformed":0,"late":0,"duplicates":0,"unknown":0}}"#;
        let totals: Totals = crate::stored::read(old).unwrap();
        assert_eq!((totals.counters["save"], totals.sessions.len()), (2, 0));
    }

    /// JU-9: a batch of a version that names no variant has it among the others.
    #[test]
    fn a_variant_that_only_another_version_counts_apart_is_not_lost() {
        use events::EventSpec;
        let plain = || [EventSpec::timed("save", "ms"), EventSpec::failure("fail", &["save", "fail"])];
        let mut totals = of_codes(Breakdown::from([("E".into(), 1)]));
        totals.breakdowns.insert("fail@control".into(), totals.breakdowns["fail"].clone());
        for (name, count) in
            [("save", 3), ("save@control", 2), ("fail", 1), ("fail@control", 1), ("x@control", 4)]
        {
            totals.counters.insert(name.into(), count);
        }
        totals.sessions.entry("fail@control".into()).or_default().error(7);
        for (name, ms) in [("save", 1.0), ("save@control", 2.0)] {
            totals.distributions.entry(name.into()).or_default().0.record(ms);
            totals.buckets.entry(name.into()).or_default().add(ms, 5.0, 1);
        }
        let known_exactly = Totals { buckets: BTreeMap::new(), ..totals.clone() };
        let batch = totals.into_batch(head(), &EventSpecs::new(plain()).unwrap());
        assert_eq!((batch.buckets["save"].count(), batch.distributions.len()), (4, 0));
        let totals = known_exactly;
        let batch = totals.clone().into_batch(head(), &EventSpecs::new(plain()).unwrap());
        let counters =
            |names: &[(&str, u64)]| names.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        assert_eq!((batch.counters, batch.intake.unknown), (counters(&[("fail", 2), ("save", 5)]), 4));
        assert_eq!((batch.distributions["save"].count, batch.breakdowns["fail"]["code"]["E"]), (2, 2));
        assert_eq!(batch.breakdowns["fail"][SESSION_FIELD]["squares"], 2);
        let apart = EventSpecs::new(plain()).unwrap().with_variants(["control"]).unwrap();
        let batch = totals.into_batch(head(), &apart);
        let expected = [("fail", 1), ("fail@control", 1), ("save", 3), ("save@control", 2)];
        assert_eq!((batch.counters, batch.intake.unknown), (counters(&expected), 4));
        assert!(!batch.breakdowns["fail"].contains_key(SESSION_FIELD));
        assert_eq!(batch.breakdowns["fail@control"][SESSION_FIELD]["top"], 1);
    }

    fn head() -> BatchHead {
        let start = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
        BatchHead {
            target: TargetName::parse("autosave").unwrap(),
            phase: PhaseId::parse("A").unwrap(),
            epoch: 1,
            window: Window { start, end: start.plus(Duration::from_secs(900)) },
            next_window: None,
            attempts: 1,
            source: "http",
            paused: Duration::ZERO,
            collected_at: start.plus(Duration::from_secs(930)),
            policy_version: None,
        }
    }

    /// SLO-10: what the source was asked is in the batch, once, however its parts come together.
    #[test]
    fn a_batch_holds_what_its_source_was_asked() {
        let time = Timestamp::parse("2026-11-22T10:15:00Z").unwrap();
        let query = |name: &str, answer: &str| {
            let (name, query, answer) = (name.to_owned(), "saves_total[900s]".to_owned(), answer.to_owned());
            Query { name, query, time, answer }
        };
        let of = |queries: Vec<Query>| Totals { queries, ..Totals::default() };
        let mut totals = of(vec![query("save", "sha256:aa"), query("fail", "sha256:aa")]);
        totals.merge(&of(vec![query("fail", "sha256:aa"), query("save", "sha256:bb")]));
        let specs = EventSpecs::new([events::EventSpec::timed("save", "ms")]).unwrap();
        let batch = totals.into_batch(head(), &specs);
        let expected = [query("save", "sha256:aa"), query("fail", "sha256:aa"), query("save", "sha256:bb")];
        assert_eq!(batch.queries, expected);
        let silent = serde_json::to_value(Totals::default().into_batch(head(), &specs)).unwrap();
        assert!(silent.get("queries").is_none(), "{silent}");
    }

    /// CO-2: durations that are partly known by bounds only are told by bounds in one piece, those of an event that is missing
    /// not at all.
    #[test]
    fn durations_by_bounds_take_the_exact_ones_in() {
        let mut totals = Totals::default();
        totals.counters.insert("save".into(), 5);
        totals.distributions.entry("save".into()).or_default().0.record(640.0);
        totals.buckets.entry("save".into()).or_default().add(500.0, 1000.0, 4);
        let specs = EventSpecs::new([events::EventSpec::timed("save", "ms")]).unwrap();
        let batch = totals.clone().into_batch(head(), &specs);
        assert!(batch.distributions.is_empty());
        assert_eq!(
            serde_json::to_string(&batch.buckets["save"]).unwrap(),
            "[[500.0,1000.0,4],[639.375,640.0,1]]"
        );
        totals.intake.missing.insert("save".into(), "no answer".into());
        assert!(totals.into_batch(head(), &specs).buckets.is_empty());
    }

    #[test]
    fn totals_survive_being_stored() {
        let mut totals = Totals::default();
        totals.buckets.entry("save".into()).or_default().add(500.0, f64::INFINITY, 1);
        totals.counters.insert("save".into(), 2);
        totals.distributions.entry("save".into()).or_default().0.record(640.2);
        let stored = serde_json::to_string(&totals).unwrap();
        assert_eq!(serde_json::from_str::<Totals>(&stored).unwrap(), totals);
    }
}
