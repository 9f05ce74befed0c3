//! What targets have in common that name one template: read and checked once, and held once.
//!
//! A section that a target leaves to its template is the template's own value, so it is known by where that value is in memory.
//! What follows from such sections alone is looked up by them; whatever a target says of its own is looked at for itself.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::check::WrongPlaces;
use super::lint::{Findings, Rule};
use super::section::collection::Collection;
use super::section::evidence::EvidenceItem;
use super::section::gate::GatePolicy;
use super::section::metrics::MetricPolicy;
use super::section::notifications::Notifications;
use super::section::paging::Paging;
use super::section::phases::PhasePolicy;
use super::section::raw_target::Sections;
use super::section::rca::RcaPolicy;
use super::section::transitions::{ChosenExecutor, Transitions};
use super::shared::Shared;
use crate::kinds::Kinds;

/// A section of a target as it stands in the file.
#[derive(Debug, Clone)]
pub(crate) struct Raw<T> {
    pub(super) held: Arc<T>,
    /// Which of a template's values it is; none of a target's own.
    pub(super) common: Option<usize>,
}

impl<T> Raw<T> {
    pub(super) fn own(value: T) -> Self {
        Self { held: Arc::new(value), common: None }
    }

    /// For a [`Key`].
    pub(super) fn part(&self) -> Option<u64> {
        self.common.map(|it| it as u64)
    }
}

impl<T: Default> Default for Raw<T> {
    fn default() -> Self {
        Self::own(T::default())
    }
}

impl<T> Deref for Raw<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.held
    }
}

/// All that something follows from.
pub(super) type Key = [u64; 6];

/// None where a part of it is a target's own.
pub(super) fn key<const N: usize>(parts: [Option<u64>; N]) -> Option<Key> {
    let mut key = [0; 6];
    for (place, part) in key.iter_mut().zip(parts) {
        *place = part?;
    }
    Some(key)
}

/// A duration in a [`Key`].
pub(super) fn in_key(duration: Option<Duration>) -> Option<u64> {
    Some(duration.map_or(u64::MAX, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX - 1)))
}

/// What is known by its key.
#[derive(Debug)]
pub(super) struct Known<T>(HashMap<Key, T>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone> Known<T> {
    /// What is known, or made now; made each time where there is no key.
    pub(super) fn or_make(&mut self, key: Option<Key>, make: impl FnOnce() -> T) -> T {
        match key {
            None => make(),
            Some(key) => self.0.entry(key).or_insert_with(make).clone(),
        }
    }
}

impl<T: Clone> Known<Option<T>> {
    /// As [`Known::or_make`]; what is wrong is noted once.
    pub(super) fn or_check(
        &mut self,
        key: Option<Key>,
        wrong: &mut WrongPlaces,
        check: impl FnOnce(&mut WrongPlaces) -> Option<T>,
    ) -> Option<T> {
        let noted = wrong.len();
        let made = self.or_make(key, || check(wrong));
        if key.is_some() {
            wrong.common_from(noted);
        }
        made
    }
}

/// See the module.
pub(crate) struct Common<'k> {
    pub(super) kinds: &'k Kinds,
    pub(super) raw: Sections,
    pub(super) collections: Known<Option<Shared<Collection>>>,
    pub(super) metrics: Known<Option<Shared<Vec<MetricPolicy>>>>,
    /// Whether two sections fit each other: the events of the map those of the metrics, the shares of the phases what moves them.
    pub(super) named: Known<Option<()>>,
    pub(super) gates: Known<Option<Shared<GatePolicy>>>,
    pub(super) phases: Known<Option<Shared<Vec<PhasePolicy>>>>,
    pub(super) executors: Known<Option<Arc<ChosenExecutor<'k>>>>,
    pub(super) transitions: Known<Option<Shared<Transitions>>>,
    pub(super) notifications: Known<Option<Shared<Notifications>>>,
    pub(super) pagings: Known<Option<Shared<Paging>>>,
    pub(super) rcas: Known<Option<Shared<RcaPolicy>>>,
    pub(super) evidence: Known<Option<Shared<Vec<EvidenceItem>>>>,
    /// By the rules' family.
    pub(super) findings: [Known<Arc<Findings>>; 3],
    /// Findings that were told already to targets with the same opt-outs.
    pub(super) told: HashSet<(usize, Vec<Rule>)>,
    pub(super) looked_back_on: Known<Option<(Duration, String)>>,
}

impl<'k> Common<'k> {
    pub(super) fn new(kinds: &'k Kinds) -> Self {
        Self {
            kinds,
            raw: Sections::default(),
            collections: Known::default(),
            metrics: Known::default(),
            named: Known::default(),
            gates: Known::default(),
            phases: Known::default(),
            executors: Known::default(),
            transitions: Known::default(),
            notifications: Known::default(),
            pagings: Known::default(),
            rcas: Known::default(),
            evidence: Known::default(),
            findings: Default::default(),
            told: HashSet::new(),
            looked_back_on: Known::default(),
        }
    }
}
