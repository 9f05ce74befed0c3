//! The whole policy: its version, its templates and targets, and how long history is kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, Schema};
use shared_types::TargetName;

use super::raw_target::{self, RawTarget};
use super::retention::{self, RawRetention, Retention};
use super::target::{self, TargetPolicy};
use crate::kinds::Kinds;
use crate::policy::at::{At, Entries};
use crate::policy::check::{Path, WrongPlaces};
use crate::policy::common::Common;
use crate::policy::contents::Contents;
use crate::policy::diff::changes::{Changes, Effect};
use crate::policy::forms::Whole;
use crate::policy::lint::{self, Findings, Lint, whole};
use crate::policy::stream;

/// Every number, name, channel, role and command of Phasegate's rollouts.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Phasegate policy")]
#[schemars(extend("anyOf" = [{ "required": ["targets"] }, { "required": ["targets_from"] }]))]
#[allow(dead_code, reason = "the shape of the file, for its schema; `contents` reads it")]
pub(crate) struct RawPolicy {
    /// Version of the format: 1.
    version: At<Whole>,
    /// Shapes of targets, by name: any keys of a target. What a target says that names one goes before it.
    templates: Option<Entries<RawTemplate>>,
    /// Files of targets, relative to this one, such as `teams/*.yaml`; a list, or one. Each holds `targets` and nothing else.
    targets_from: Option<RawPatterns>,
    /// The features under rollout, by name.
    targets: Option<Entries<RawTarget>>,
    /// How long history is kept.
    retention: RawRetention,
}

/// Filled in by `schema`.
pub(crate) struct RawTemplate;

impl JsonSchema for RawTemplate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RawTemplate".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
        schemars::json_schema!({ "description": "A shape of targets: any of their keys." })
    }
}

struct RawPatterns;

impl JsonSchema for RawPatterns {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RawPatterns".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }]
        })
    }
}

/// A policy with every key in it, put together from the sections' examples; its second file is of a target that has a template.
pub(crate) fn example() -> String {
    let mut text = "\
version: 1
templates:
  usual:
"
    .to_owned();
    indented(&mut text, &target::EXAMPLES[1..]);
    text.push_str("targets_from: [teams/*.yaml]\ntargets:\n  checkout:\n    template: usual\n");
    indented(&mut text, &target::EXAMPLES[..1]);
    text.push_str(retention::EXAMPLE);
    stream::add(&mut text, "teams/search.yaml", EXAMPLE_OF_A_TEAM);
    text
}

const EXAMPLE_OF_A_TEAM: &str = r##"targets:
  search:
    template: usual
    title: Search
    collection: { source: { jsonl: { paths: ["telemetry/search/*.jsonl"] } }, window: 5m, grace: 20s }
    notifications: { incident: { channel: "#incident-search" }, daily_report: null }   # null: none, though the template has one
"##;

fn indented(text: &mut String, sections: &[&str]) {
    for line in sections.iter().flat_map(|section| section.lines()) {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
}

/// A whole policy file.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What it was read by; other versions of it are read by the same.
    pub kinds: Arc<Kinds>,
    /// The text as it was read, that of all its files.
    pub text: Arc<str>,
    /// `sha256:<hex>` over the text's bytes; the version that decisions name.
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

/// What a policy says of targets, and of all of them.
pub(crate) type Sections = (BTreeMap<TargetName, TargetPolicy>, Retention);

/// What is wrong is noted, and the rest looked at all the same; none only if something was.
pub(in crate::policy) fn check(
    contents: &Contents<'_>,
    kinds: &Kinds,
    wrong: &mut WrongPlaces,
    findings: &mut Findings,
) -> Option<Sections> {
    let root = Path::root();
    if let Some(version) = contents.version.as_ref().filter(|version| version.value.0 != "1") {
        let message = format!("expected 1, the only version of the format, found `{}`", version.value.0);
        wrong.add(version.wrong(&root.key("version"), message));
    }
    let path = root.key("targets");
    if contents.targets.is_empty() && wrong.is_empty() {
        let place = At { value: (), line: contents.targets_at.0, column: contents.targets_at.1 };
        wrong.add(place.wrong(&path, "expected at least one target"));
    }
    let mut common = Common::new(kinds);
    let mut targets = BTreeMap::new();
    let mut needed: Option<(Duration, String)> = None;
    for (name, own) in &contents.targets {
        let path = path.key(&name.value);
        let id = wrong.note(TargetName::parse(&name.value).map_err(|it| name.wrong(&path, it.to_string())));
        let Some(laid) = contents.overlaid(own, &path, wrong) else { continue };
        let Some(raw) = raw_target::read(&laid, &path, &mut common.raw, wrong) else { continue };
        let parts = target::check(&raw, &mut common, &path, wrong);
        lint::check(&parts, &mut common, findings);
        let looked_back_on = whole::longest(&parts, &mut common);
        if looked_back_on.as_ref().map(|it| it.0) > needed.as_ref().map(|it| it.0) {
            needed = looked_back_on;
        }
        targets.extend(id.zip(parts.whole()));
    }
    whole::names(&contents.targets, findings);
    let raw = contents.retention.as_ref()?;
    let retention = retention::check(raw, &root.key("retention"), wrong)?;
    whole::looked_back_on(raw, retention, needed, findings);
    Some((targets, retention))
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
