//! What targets have in common with each other and the rest of the file: names that are taken, and history that is looked
//! back on. No target can opt out of it.

use std::time::Duration;

use super::findings::Findings;
use crate::policy::check::Path;
use crate::policy::section::advance::AdvanceCondition;
use crate::policy::section::file::{Parts, RawPolicy};
use crate::policy::section::target;
use crate::story::figures::format_duration;

/// Below `logs`, where each target's archive has a directory of its name.
const AUDIT_FILES: &str = "audit";

pub(in crate::policy) fn check(raw: &RawPolicy, parts: &Parts<'_>, found: &mut Findings) {
    names(raw, found);
    looked_back_on(raw, parts, found);
}

fn names(raw: &RawPolicy, found: &mut Findings) {
    if let Some((name, raw)) = raw.targets.value.0.iter().find(|(name, _)| name.as_str() == AUDIT_FILES) {
        let message = "`logs/audit` holds the audit log; give the target another name, such as `audit-log`";
        found.refused.push(raw.wrong(&Path::root().key("targets").key(name), message));
    }
}

/// What is deleted before it is looked back on turns a violation into `ok`, and a stay into one that never ends.
fn looked_back_on(raw: &RawPolicy, parts: &Parts<'_>, found: &mut Findings) {
    let Some(kept) = parts.retention else { return };
    let Some((needed, why)) = parts.targets.iter().filter_map(longest).max_by_key(|(needed, _)| *needed)
    else {
        return;
    };
    let path = Path::root().key("retention");
    for (name, raw, kept) in [
        ("batches", &raw.retention.batches, kept.batches),
        ("decisions", &raw.retention.decisions, kept.decisions),
    ] {
        if kept.is_some_and(|kept| kept < needed) {
            let message = format!(
                "shorter than what is looked back on: {why}, {0}; keep them for at least {0}",
                format_duration(needed)
            );
            found.refused.push(raw.wrong(&path.key(name), message));
        }
    }
}

/// How far a target looks back, and what for.
fn longest(target: &target::Parts<'_>) -> Option<(Duration, String)> {
    let metrics = target.metrics.iter().filter_map(|metric| {
        let over = metric.kind.look_back()?;
        Some((over, format!("`over` of {}", metric.name)))
    });
    let phases = target.placed().filter_map(|(phase, _, _)| match phase.advance.condition {
        AdvanceCondition::CompliantFor(stay) => {
            Some((stay, format!("`compliant_for` of phase {}", phase.id)))
        }
        AdvanceCondition::CompliantBatches(_) => None,
    });
    metrics.chain(phases).max_by_key(|(needed, _)| *needed)
}
