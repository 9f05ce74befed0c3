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

use super::check::Wrong;
use super::section::target::Parts;

pub(super) use findings::Findings;
pub use findings::Lint;
pub use rule::Rule;

/// Adds what the rules say of a target, but for those that it allows to be broken.
pub(super) fn check(target: &Parts<'_>, findings: &mut Findings) {
    let mut found = Findings::default();
    rollback::check(target, &mut found);
    limits::check(target, &mut found);
    audience::check(target, &mut found);
    names::check(target, &mut found);
    traps::check(target, &mut found);
    let path = target.path.key("allow");
    for (index, allow) in target.raw.allow.iter().enumerate() {
        let broken = found.refused.iter().chain(&found.warnings).any(|it| it.rule == Some(allow.value));
        // Whether programs are there is not known here.
        if !broken && allow.value != Rule::Programs {
            let unneeded = allow.wrong(&path.index(index), "nothing here breaks this rule; leave it out");
            findings.warn(allow.value, unneeded);
        }
    }
    let holds = |wrong: &Wrong| target.raw.allow.iter().all(|allow| Some(allow.value) != wrong.rule);
    findings.refused.extend(found.refused.into_iter().filter(holds));
    findings.warnings.extend(found.warnings.into_iter().filter(holds));
}
