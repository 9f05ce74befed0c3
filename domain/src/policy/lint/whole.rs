//! What targets have in common with each other and the rest of the file: names that are taken, and history that is looked
//! back on. No target can opt out of it.

use std::time::Duration;

use super::findings::Findings;
use crate::policy::check::Path;
use crate::policy::common::Common;
use crate::policy::section::advance::AdvanceCondition;
use crate::policy::section::retention::{RawRetention, Retention};
use crate::policy::section::target::Parts;
use crate::policy::tree::Entry;
use crate::story::figures::format_duration;

/// Below `logs`, where each target's archive has a directory of its name.
const AUDIT_FILES: &str = "audit";

pub(in crate::policy) fn names(targets: &[Entry], found: &mut Findings) {
    if let Some((name, value)) = targets.iter().find(|(name, _)| name.value == AUDIT_FILES) {
        let message = "`logs/audit` holds the audit log; give the target another name, such as `audit-log`";
        found.refused.push(value.wrong(&Path::root().key("targets").key(&name.value), message));
    }
}

/// What is deleted before it is looked back on turns a violation into `ok`, and a stay into one that never ends.
pub(in crate::policy) fn looked_back_on(
    raw: &RawRetention,
    kept: Retention,
    needed: Option<(Duration, String)>,
    found: &mut Findings,
) {
    let Some((needed, why)) = needed else { return };
    let path = Path::root().key("retention");
    for (name, raw, kept) in
        [("batches", &raw.batches, kept.batches), ("decisions", &raw.decisions, kept.decisions)]
    {
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
pub(in crate::policy) fn longest(
    target: &Parts<'_, '_>,
    common: &mut Common<'_>,
) -> Option<(Duration, String)> {
    common.looked_back_on.or_make(target.judged, || {
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
    })
}
