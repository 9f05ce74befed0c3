//! What the collector is told.

use shared_types::Directive;

use super::effect::Effect;
use super::step::Step;

/// The number of the next one: the highest counts.
pub(super) fn next_sequence(step: &Step) -> u64 {
    step.target.directive.as_ref().map_or(1, |it| it.sequence + 1)
}

pub(super) fn direct(step: &mut Step, directive: Directive) {
    step.target.directive = Some(directive.clone());
    step.then(Effect::Direct(directive));
}

/// RB-5: the old phase's windows are held back. What comes in is still counted.
pub(super) fn stop_collecting(step: &mut Step) {
    collect(step, false);
}

/// A rollback that waits or has failed leaves the phase as it is: its windows are judged on (RB-12).
pub(super) fn resume_collecting(step: &mut Step) {
    collect(step, true);
}

fn collect(step: &mut Step, collect: bool) {
    let sequence = next_sequence(step);
    let Some(mut directive) = step.target.directive.clone() else { return };
    if directive.collect == collect {
        return;
    }
    directive.sequence = sequence;
    directive.collect = collect;
    direct(step, directive);
}
