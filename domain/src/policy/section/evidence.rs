//! `evidence`: the checklist of each incident.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::at::At;
use crate::policy::check::{Checked, Path};
use crate::policy::diff::changes::Changes;
use crate::policy::forms::{name, names};

/// One item of an incident's checklist.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawEvidence {
    /// Unique name.
    item: At<String>,
    /// The role that signs it.
    owner: At<String>,
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
pub(crate) fn check(raw: &[At<RawEvidence>], path: &Path) -> Checked<Vec<EvidenceItem>> {
    let mut items: Vec<EvidenceItem> = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let (raw, path) = (&raw.value, path.index(index));
        let item = name(&raw.item, &path.key("item"))?;
        let listed = |name: &str| items.iter().any(|earlier| earlier.item == name);
        if listed(&item) {
            return Err(raw.item.wrong(&path.key("item"), format!("the item `{item}` stands there twice")));
        }
        let after = names(&raw.after, &path.key("after"))?;
        if let Some(index) = after.iter().position(|name| !listed(name)) {
            let message = format!("expected an item listed above this one, found `{}`", after[index]);
            return Err(raw.after[index].wrong(&path.key("after").index(index), message));
        }
        items.push(EvidenceItem {
            item,
            owner: name(&raw.owner, &path.key("owner"))?,
            auto: raw.auto,
            after,
        });
    }
    Ok(items)
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
