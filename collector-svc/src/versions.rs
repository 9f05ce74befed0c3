//! Which version of the policy each window of a target goes by (PO-2). Pure.
//!
//! A window is counted and closed by the version that was in force when it began. While windows of two versions are
//! open side by side, events are read with all that one of the two wants; a batch then says what its own asked for.

use std::sync::Arc;

use domain::kinds::Chosen;
use domain::policy::TargetPolicy;
use domain::sources::SourceSettings;
use domain::telemetry::event_specs;
use service_kit::rules::Rules;
use shared_types::{TargetName, Timestamp};

use crate::schedule::Due;
use events::EventSpecs;

/// What one version says of the target.
#[derive(Debug, PartialEq)]
pub struct Version {
    /// The policy's, which batches name.
    pub id: String,
    pub policy: TargetPolicy,
    pub specs: EventSpecs,
}

/// The version of the oldest window that is not closed, and those after it; never empty.
#[derive(Debug, Clone)]
pub struct Versions {
    /// Each with the moment from which on windows that begin go by it; ascending.
    list: Vec<(Timestamp, Arc<Version>)>,
    /// All that one of them wants counted.
    specs: Arc<EventSpecs>,
}

impl Version {
    /// `None`: the target is not in these rules, or asks for more than can be counted.
    #[must_use]
    pub fn of(target: &TargetName, rules: &Rules) -> Option<Self> {
        let policy = rules.policy.targets.get(target)?.clone();
        let specs = event_specs(&policy).ok()?;
        Some(Self { id: rules.policy.version.clone(), policy, specs })
    }
}

impl Versions {
    /// One version for all windows.
    #[must_use]
    pub fn only(version: Version) -> Self {
        let specs = Arc::new(version.specs.clone());
        Self { list: vec![(Timestamp::from_millis(0), Arc::new(version))], specs }
    }

    /// As the log of the rules says; where it does not know the target, as before. What is the same as before is shared
    /// with it.
    #[must_use]
    pub fn follow(&self, target: &TargetName, log: &[(Timestamp, Arc<Rules>)]) -> Self {
        let known = |id: &str| self.list.iter().map(|(_, known)| known).find(|known| known.id == id);
        let version = |rules: &Rules| match known(&rules.policy.version) {
            Some(known) => Some(Arc::clone(known)),
            None => Version::of(target, rules).map(Arc::new),
        };
        let list: Vec<(Timestamp, Arc<Version>)> =
            log.iter().filter_map(|(from, rules)| Some((*from, version(rules)?))).collect();
        let Some((_, first)) = list.first() else { return self.clone() };
        let joined = list.iter().skip(1).try_fold(first.specs.clone(), |all, (_, it)| all.union(&it.specs));
        let specs = joined.unwrap_or_else(|_| self.newest_of(&list).specs.clone());
        let specs = if *self.specs == specs { Arc::clone(&self.specs) } else { Arc::new(specs) };
        Self { list, specs }
    }

    fn newest_of<'a>(&'a self, list: &'a [(Timestamp, Arc<Version>)]) -> &'a Version {
        list.last().or(self.list.last()).map_or(&self.list[0].1, |(_, version)| version)
    }

    /// The version that a window goes by.
    #[must_use]
    pub fn of(&self, window_start: Timestamp) -> &Arc<Version> {
        let after = self.list.partition_point(|(from, _)| *from <= window_start).max(1);
        &self.list[after - 1].1
    }

    /// The newest: what is planned goes by it.
    #[must_use]
    pub fn newest(&self) -> &Version {
        self.newest_of(&self.list)
    }

    /// What events are read with.
    #[must_use]
    pub fn specs(&self) -> &Arc<EventSpecs> {
        &self.specs
    }

    /// The sources of all of them, each once, the newest last.
    #[must_use]
    pub fn sources(&self) -> Vec<Chosen<dyn SourceSettings>> {
        let mut sources: Vec<Chosen<dyn SourceSettings>> = Vec::new();
        for (_, version) in &self.list {
            let source = &version.policy.collection.source;
            sources.retain(|known| known != source);
            sources.push(source.clone());
        }
        sources
    }

    /// Whether a version is kept that no window needs any more.
    #[must_use]
    pub fn has_spent(&self, closed_until: Timestamp) -> bool {
        self.list.get(1).is_some_and(|(from, _)| *from <= closed_until)
    }

    /// Leaves of what is due the windows that go by the version of the first: another may have another grace.
    #[must_use]
    pub fn of_one_version(&self, mut due: Due) -> Due {
        let Some(first) = due.windows.first() else { return due };
        let version = self.of(first.window.start);
        let other = |start: Timestamp| !Arc::ptr_eq(self.of(start), version);
        if let Some(at) = due.windows.iter().position(|planned| other(planned.window.start)) {
            due.closed_until = due.windows[at].window.start;
            due.windows.truncate(at);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use domain::policy::Policy;
    use shared_types::{PhaseId, Window};

    use super::*;
    use crate::schedule::Planned;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(1_795_341_600_000 + minute * 60_000)
    }

    fn rules(version: &str, change: impl FnMut(&mut TargetPolicy)) -> Arc<Rules> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../governance/policy.yaml");
        let mut policy = Policy::load(&path).unwrap();
        policy.version = version.to_owned();
        policy.targets.values_mut().for_each(change);
        Arc::new(Rules::without_texts(Arc::new(policy)))
    }

    fn autosave() -> TargetName {
        TargetName::parse("autosave").unwrap()
    }

    fn planned(from: i64, to: i64) -> Planned {
        let window = Window { start: at(from), end: at(to) };
        Planned { window, phase: PhaseId::parse("A").unwrap(), epoch: 1 }
    }

    /// PO-2: the window that is open when a version comes into force keeps the old one; so do its rules of closing.
    #[test]
    fn a_window_keeps_the_version_of_its_beginning() {
        let old = rules("v1", |_| {});
        let new = rules("v2", |it| it.collection.grace = Duration::from_secs(5));
        let versions = Versions::only(Version::of(&autosave(), &old).unwrap());
        let versions = versions.follow(&autosave(), &[(at(-900), old), (at(7), new)]);
        let ids: Vec<&str> =
            [0, 6, 7, 15].into_iter().map(|minute| versions.of(at(minute)).id.as_str()).collect();
        assert_eq!(ids, ["v1", "v1", "v2", "v2"]);
        let due = Due { windows: vec![planned(0, 15), planned(15, 30)], closed_until: at(30) };
        let due = versions.of_one_version(due);
        assert_eq!((due.windows, due.closed_until), (vec![planned(0, 15)], at(15)));
        let due = Due { windows: vec![planned(15, 30)], closed_until: at(30) };
        assert_eq!(versions.of_one_version(due.clone()), due);
        assert!(!versions.has_spent(at(0)) && versions.has_spent(at(15)));
    }

    /// PO-2: while windows of both are open, what either wants is counted; of an unknown target nothing changes.
    #[test]
    fn both_versions_are_counted_while_windows_of_both_are_open() {
        let old = rules("v1", |_| {});
        let new = rules("v2", |it| it.metrics.truncate(1));
        let first = Versions::only(Version::of(&autosave(), &new).unwrap());
        let both = first.follow(&autosave(), &[(at(-900), old), (at(7), Arc::clone(&new))]);
        assert!(both.specs().find("autosave.history.drift").is_some());
        assert!(both.of(at(15)).specs.find("autosave.history.drift").is_none());
        let after = both.follow(&autosave(), &[(at(7), new)]);
        assert!(after.specs().find("autosave.history.drift").is_none());
        let other = TargetName::parse("search").unwrap();
        assert_eq!(after.follow(&other, &[(at(9), rules("v3", |_| {}))]).of(at(15)).id, "v2");
    }
}
