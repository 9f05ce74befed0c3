//! The whole file: its version, its targets, and how long history is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use shared_types::TargetName;

use super::retention::{self, RawRetention, Retention};
use super::target::{self, RawTarget, TargetPolicy};
use crate::kinds::Kinds;
use crate::policy::at::{At, Entries};
use crate::policy::check::{Path, WrongPlaces};
use crate::policy::diff::changes::{Changes, Effect};
use crate::policy::forms::Whole;
use crate::policy::lint::Lint;

/// Every number, name, channel, role and command of Phasegate's rollouts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Phasegate policy")]
pub(crate) struct RawPolicy {
    /// Version of the format: 1.
    version: At<Whole>,
    /// The features under rollout, by name.
    pub(in crate::policy) targets: At<Entries<RawTarget>>,
    /// How long history is kept.
    pub(in crate::policy) retention: RawRetention,
}

/// A file with every key in it, put together from the sections' examples.
pub(crate) fn example() -> String {
    let mut text = "version: 1\ntargets:\n  checkout:\n".to_owned();
    for line in target::EXAMPLES.iter().flat_map(|section| section.lines()) {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
    text + retention::EXAMPLE
}

/// A whole policy file.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What it was read by; other versions of it are read by the same.
    pub kinds: Arc<Kinds>,
    /// The file's text as it was read.
    pub text: Arc<str>,
    /// `sha256:<hex>` over the file's bytes; the version that decisions name.
    pub version: String,
    /// What the lint found.
    pub lint: Arc<Lint>,
    pub targets: BTreeMap<TargetName, TargetPolicy>,
    pub retention: Retention,
}

/// By what they say.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        let Self { kinds: _, text, version, lint: _, targets, retention } = self;
        (text, version, targets, retention) == (&other.text, &other.version, &other.targets, &other.retention)
    }
}

/// What a file says of targets, and of all of them.
pub(crate) type Sections = (BTreeMap<TargetName, TargetPolicy>, Retention);

/// A file as far as it is in order.
pub(crate) struct Parts<'a> {
    pub(in crate::policy) targets: Vec<target::Parts<'a>>,
    names: Vec<Option<TargetName>>,
    pub(in crate::policy) retention: Option<Retention>,
}

/// What is wrong is noted, and the rest looked at all the same.
pub(crate) fn check<'a>(raw: &'a RawPolicy, kinds: &'a Kinds, wrong: &mut WrongPlaces) -> Parts<'a> {
    let root = Path::root();
    if raw.version.value.0 != "1" {
        let message = format!("expected 1, the only version of the format, found `{}`", raw.version.value.0);
        wrong.add(raw.version.wrong(&root.key("version"), message));
    }
    let path = root.key("targets");
    if raw.targets.value.0.is_empty() {
        wrong.add(raw.targets.wrong(&path, "expected at least one target"));
    }
    let (mut targets, mut names) = (Vec::new(), Vec::new());
    for (name, raw) in &raw.targets.value.0 {
        let path = path.key(name);
        let id = TargetName::parse(name).map_err(|error| raw.wrong(&path, error.to_string()));
        names.push(wrong.note(id));
        targets.push(target::check(&raw.value, kinds, &path, wrong));
    }
    let retention = retention::check(&raw.retention, &root.key("retention"), wrong);
    Parts { targets, names, retention }
}

impl Parts<'_> {
    /// The whole; none only if something was noted.
    pub(crate) fn whole(self) -> Option<Sections> {
        let named = std::iter::zip(self.names, self.targets);
        let targets: Option<_> = named.map(|(name, parts)| name.zip(parts.whole())).collect();
        Some((targets?, self.retention?))
    }
}

pub(crate) fn diff(old: &Policy, new: &Policy, list: &mut Changes) {
    for (name, target) in &new.targets {
        match old.targets.get(name) {
            Some(old) => target::diff(name.as_str(), old, target, list),
            None => list.add(name, "the target is new", Effect::Other),
        }
    }
    for name in old.targets.keys().filter(|name| !new.targets.contains_key(*name)) {
        list.add(name, "the target is left out: it is not collected or guarded any more", Effect::Looser);
    }
    retention::diff("retention", old.retention, new.retention, list);
}
