//! What a policy must not be though it has the shape of one: such that it cannot protect (PL). Pure.
//!
//! A file a family of rules. Each looks at the sections that are in order and says where, why, and what to write instead. What
//! is refused keeps a new version from being taken over; a warning does nothing. `allow` of a target leaves rules out there.

mod audience;
mod findings;
mod limits;
mod names;
pub(super) mod one;
mod rollback;
mod rule;
mod traps;
pub(super) mod whole;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use super::check::Wrong;
use super::common::{Common, Key, key};
use super::section::target::Parts;

pub(super) use findings::Findings;
pub use findings::Lint;
pub use rule::Rule;

/// A family of rules.
type Family = fn(&Parts<'_, '_>, &mut Findings);

/// Adds what the rules say of a target, but for those that it allows to be broken. What it has from a template is looked at once.
pub(super) fn check(target: &Parts<'_, '_>, common: &mut Common<'_>, findings: &mut Findings) {
    let raw = target.raw;
    let families: [(Family, Option<Key>); 3] = [
        (rollback::check, key([raw.transitions.part(), raw.phases.part()])),
        (of_numbers, target.judged),
        (
            names::check,
            key([raw.notifications.part(), raw.phases.part(), raw.rca.part(), raw.evidence.part()]),
        ),
    ];
    let allow: Vec<Rule> = raw.allow.iter().map(|allow| allow.value).collect();
    let mut broken = HashSet::new();
    for (index, (family, key)) in families.into_iter().enumerate() {
        let found = common.findings[index].or_make(key, || {
            let mut found = Findings::default();
            family(target, &mut found);
            Arc::new(found.in_common(key.is_some()))
        });
        broken.extend(found.refused.iter().chain(&found.warnings).filter_map(|wrong| wrong.rule));
        let told = key.is_some() && !common.told.insert((Arc::as_ptr(&found).addr(), allow.clone()));
        if !told {
            let holds = |wrong: &&Wrong| wrong.rule.is_none_or(|rule| !allow.contains(&rule));
            findings.refused.extend(found.refused.iter().filter(holds).cloned());
            findings.warnings.extend(found.warnings.iter().filter(holds).cloned());
        }
    }
    unneeded(target, &broken, findings);
}

fn of_numbers(target: &Parts<'_, '_>, found: &mut Findings) {
    limits::check(target, found);
    audience::check(target, found);
    traps::check(target, found);
}

/// Opt-outs of a target that nothing asks for. A template's may be for some of its targets only.
fn unneeded(target: &Parts<'_, '_>, broken: &HashSet<Rule>, findings: &mut Findings) {
    if target.raw.allow.part().is_some() {
        return;
    }
    let path = target.path.key("allow");
    for (index, allow) in target.raw.allow.iter().enumerate() {
        // Whether programs are there is not known here.
        if !broken.contains(&allow.value) && allow.value != Rule::Programs {
            let unneeded = allow.wrong(&path.index(index), "nothing here breaks this rule; leave it out");
            findings.warn(allow.value, unneeded);
        }
    }
}
