//! `evidence`: the checklist of each incident.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::at::At;
use crate::policy::check::{Path, WrongPlaces};
use crate::policy::diff::changes::Changes;
use crate::policy::forms::{name, names};

/// One item of an incident's checklist.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawEvidence {
    /// Unique name.
    item: At<String>,
    /// The role that signs it.
    pub(in crate::policy) owner: At<String>,
    /// Whether the system fills it in by itself.
    #[serde(default)]
    auto: bool,
    /// Items, listed before this one, that must be done first.
    #[serde(default)]
    after: Vec<At<String>>,
}

pub(crate) const EXAMPLE: &str = "\
evidence:
  - { item: rca, owner: governance, auto: true }
  - { item: release, owner: release-ops, after: [rca] }
";

#[derive(Debug, Clone, PartialEq)]
pub struct EvidenceItem {
    pub item: String,
    pub owner: String,
    pub auto: bool,
    pub after: Vec<String>,
}

/// The checklist. `after` looks only upwards, so that no items wait for each other.
pub(crate) fn check(raw: &[At<RawEvidence>], path: &Path, wrong: &mut WrongPlaces) -> Vec<EvidenceItem> {
    let all = raw;
    let mut items: Vec<EvidenceItem> = Vec::new();
    for (at, raw) in raw.iter().enumerate() {
        let (raw, path) = (&raw.value, path.index(at));
        let item = wrong.note(name(&raw.item, &path.key("item")));
        let listed = |name: &str| all[..at].iter().any(|earlier| earlier.value.item.value == name);
        if item.as_deref().is_some_and(listed) {
            let message = format!("the item `{}` stands there twice", raw.item.value);
            wrong.add(raw.item.wrong(&path.key("item"), message));
        }
        let after = wrong.note(names(&raw.after, &path.key("after")));
        for (index, name) in after.iter().flatten().enumerate().filter(|(_, name)| !listed(name)) {
            let message = format!("expected an item listed above this one, found `{name}`");
            wrong.add(raw.after[index].wrong(&path.key("after").index(index), message));
        }
        let owner = wrong.note(name(&raw.owner, &path.key("owner")));
        if let (Some(item), Some(owner), Some(after)) = (item, owner, after) {
            items.push(EvidenceItem { item, owner, auto: raw.auto, after });
        }
    }
    items
}

pub(crate) fn diff(place: &str, old: &[EvidenceItem], new: &[EvidenceItem], list: &mut Changes) {
    let items = |of: &[EvidenceItem]| -> Vec<String> { of.iter().map(|it| it.item.clone()).collect() };
    list.asked(place, "evidence", &items(old), &items(new));
    for it in new {
        let EvidenceItem { item, owner, auto, after } = it;
        let Some(before) = old.iter().find(|it| it.item == *item) else { continue };
        list.text(place, &format!("evidence {item} signed by"), &before.owner, owner);
        list.text(place, &format!("evidence {item} auto"), &before.auto.to_string(), &auto.to_string());
        list.asked(place, &format!("evidence {item} after"), &before.after, after);
    }
}
