//! A target as it stands in the file, section by section; what its template says stands where it says nothing itself.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::collection::RawCollection;
use super::evidence::RawEvidence;
use super::gate::RawGate;
use super::metric_kind::RawMetric;
use super::notifications::RawNotifications;
use super::paging::RawPaging;
use super::phases::RawPhase;
use super::rca::RawRca;
use super::transitions::RawTransitions;
use crate::policy::at::{At, Entries};
use crate::policy::check::{Path, Wrong, WrongPlaces, one_of};
use crate::policy::common::Raw;
use crate::policy::kind_section::Section;
use crate::policy::lint::Rule;
use crate::policy::overlay::Overlaid;
use crate::policy::tree::Tree;

/// One feature under rollout.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTarget {
    /// Its name for people.
    pub(super) title: Raw<At<String>>,
    /// Rules of the lint that do not hold here, such as `PL-1`.
    #[serde(default)]
    #[schemars(with = "Vec<At<Rule>>")]
    pub(in crate::policy) allow: Raw<Vec<At<Rule>>>,
    /// Where its events come from and how they are cut into batches.
    pub(in crate::policy) collection: Raw<RawCollection>,
    /// What the gate looks at, by name, made from what the collector counted.
    pub(in crate::policy) metrics: Raw<At<Entries<RawMetric>>>,
    /// How metrics are judged.
    pub(in crate::policy) gate: Raw<RawGate>,
    /// The steps of the rollout, lowest first; `off` below and `completed` above them are implicit.
    pub(in crate::policy) phases: Raw<At<Vec<At<RawPhase>>>>,
    /// How a phase is changed.
    pub(in crate::policy) transitions: Raw<At<RawTransitions>>,
    /// Which message goes where.
    pub(in crate::policy) notifications: Raw<RawNotifications>,
    /// How people are paged.
    pub(super) paging: Raw<RawPaging>,
    /// What is asked for after an incident.
    pub(in crate::policy) rca: Raw<RawRca>,
    /// The checklist of each incident; no phase moves up while it is incomplete.
    #[serde(default)]
    #[schemars(with = "Vec<At<RawEvidence>>")]
    pub(in crate::policy) evidence: Raw<Vec<At<RawEvidence>>>,
}

/// Names the template of a target.
pub(crate) const TEMPLATE: &str = "template";

/// The keys of a target.
const KEYS: [&str; 12] = [
    TEMPLATE,
    "title",
    "allow",
    "collection",
    "metrics",
    "gate",
    "phases",
    "transitions",
    "notifications",
    "paging",
    "rca",
    "evidence",
];
/// Those that may be missing.
const OPTIONAL: [&str; 3] = [TEMPLATE, "allow", "evidence"];

impl<T: JsonSchema> JsonSchema for Raw<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// Sections of templates that were read, by which value they are.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    title: Read<At<String>>,
    allow: Read<Vec<At<Rule>>>,
    collection: Read<RawCollection>,
    metrics: Read<At<Entries<RawMetric>>>,
    gate: Read<RawGate>,
    phases: Read<At<Vec<At<RawPhase>>>>,
    transitions: Read<At<RawTransitions>>,
    notifications: Read<RawNotifications>,
    paging: Read<RawPaging>,
    rca: Read<RawRca>,
    evidence: Read<Vec<At<RawEvidence>>>,
}

type Read<T> = HashMap<usize, Option<Arc<T>>>;

/// What has not the shape of a target is noted.
pub(crate) fn read(
    target: &Overlaid,
    path: &Path,
    known: &mut Sections,
    wrong: &mut WrongPlaces,
) -> Option<RawTarget> {
    keys(target.keys(), path, wrong);
    let missing: Vec<&str> =
        KEYS.into_iter().filter(|key| !OPTIONAL.contains(key) && target.get(key).is_none()).collect();
    if !missing.is_empty() {
        let are = if missing.len() == 1 { "the key" } else { "the keys" };
        let is = if missing.len() == 1 { "is" } else { "are" };
        let named = missing.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        wrong.add(Wrong::new(target.place, path.text(), format!("{are} {named} {is} missing")));
    }
    let mut reading = Reading { target, path, wrong };
    let title = reading.section("title", &mut known.title);
    let allow = reading.optional("allow", &mut known.allow);
    let collection = reading.section("collection", &mut known.collection);
    let metrics = reading.section("metrics", &mut known.metrics);
    let gate = reading.section("gate", &mut known.gate);
    let phases = reading.section("phases", &mut known.phases);
    let transitions = reading.section("transitions", &mut known.transitions);
    let notifications = reading.section("notifications", &mut known.notifications);
    let paging = reading.section("paging", &mut known.paging);
    let rca = reading.section("rca", &mut known.rca);
    let evidence = reading.optional("evidence", &mut known.evidence);
    Some(RawTarget {
        title: title?,
        allow: allow?,
        collection: collection?,
        metrics: metrics?,
        gate: gate?,
        phases: phases?,
        transitions: transitions?,
        notifications: notifications?,
        paging: paging?,
        rca: rca?,
        evidence: evidence?,
    })
}

/// Notes keys that no target has.
fn keys<'a>(keys: impl Iterator<Item = &'a At<String>>, path: &Path, wrong: &mut WrongPlaces) {
    for key in keys.filter(|key| !KEYS.contains(&key.value.as_str())) {
        let message = format!("unknown key `{}`; expected {}", key.value, one_of(&KEYS));
        wrong.add(key.wrong(&path.key(&key.value), message));
    }
}

struct Reading<'a> {
    target: &'a Overlaid,
    path: &'a Path,
    wrong: &'a mut WrongPlaces,
}

impl Reading<'_> {
    fn section<T: DeserializeOwned>(&mut self, key: &str, known: &mut Read<T>) -> Option<Raw<T>> {
        let (value, of_template) = self.target.get(key)?;
        let common = value.value.identity().filter(|_| of_template);
        let path = self.path.key(key);
        let noted = self.wrong.len();
        let wrong = &mut *self.wrong;
        let mut read = || wrong.note(Section::of_policy(value, &path.text()).read::<T>()).map(Arc::new);
        let held = match common {
            None => read(),
            Some(common) => known.entry(common).or_insert_with(read).clone(),
        };
        if of_template {
            self.wrong.common_from(noted);
        }
        Some(Raw { held: held?, common })
    }

    fn optional<T: DeserializeOwned + Default>(&mut self, key: &str, known: &mut Read<T>) -> Option<Raw<T>> {
        match self.target.get(key) {
            None => Some(Raw::own(T::default())),
            Some(_) => self.section(key, known),
        }
    }
}

/// Notes what in a template could not be a part of any target. That keys are missing is nothing: targets may have them.
pub(crate) fn check_template(template: &At<Tree>, path: &Path, wrong: &mut WrongPlaces) {
    let entries = template.value.entries();
    keys(entries.iter().map(|(key, _)| key), path, wrong);
    for (key, value) in entries {
        let path = path.key(&key.value);
        let section = Section::of_policy(value, &path.text());
        let read = match key.value.as_str() {
            TEMPLATE => Err((key.wrong(&path, "a template cannot name another one"), false)),
            "title" => section.shape::<At<String>>().map(|_| ()),
            "allow" => section.shape::<Vec<At<Rule>>>().map(|_| ()),
            "collection" => section.shape::<RawCollection>().map(|_| ()),
            "metrics" => section.shape::<At<Entries<RawMetric>>>().map(|_| ()),
            "gate" => section.shape::<RawGate>().map(|_| ()),
            "phases" => section.shape::<At<Vec<At<RawPhase>>>>().map(|_| ()),
            "transitions" => section.shape::<At<RawTransitions>>().map(|_| ()),
            "notifications" => section.shape::<RawNotifications>().map(|_| ()),
            "paging" => section.shape::<RawPaging>().map(|_| ()),
            "rca" => section.shape::<RawRca>().map(|_| ()),
            "evidence" => section.shape::<Vec<At<RawEvidence>>>().map(|_| ()),
            _ => Ok(()),
        };
        if let Err((found, incomplete)) = read
            && !incomplete
        {
            wrong.add(found);
        }
    }
}
