//! A rollback that does not name the phase to reach (PL-1). What that takes is the executor's to say.

use super::findings::Findings;
use super::rule::Rule;
use crate::policy::section::target::Parts;
use shared_types::PhaseId;

pub(super) fn check(target: &Parts<'_, '_>, found: &mut Findings) {
    let Some(executor) = target.executor() else { return };
    let phases: Vec<&PhaseId> = target.phases.iter().map(|phase| &phase.id).collect();
    for wrong in executor.kind.lint(&executor.section, &phases) {
        found.refuse(Rule::Rollback, wrong);
    }
}
