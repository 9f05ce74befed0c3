//! A store that knows less than its neighbours were told from it: it was restored (OP-3).
//!
//! Nothing is decided on such a past. What neighbours send from beyond it waits at them, people are called, and a person puts the
//! newest copy back or goes on from this one. Then numbers begin anew above all that can have been given out, so that nothing
//! new is taken for something old.

use shared_types::{Directive, Epoch};

use super::approval;
use super::directive::{direct, next_sequence};
use super::effect::{Effect, Notice, NoticeKind};
use super::state::{Behind, IncidentStatus, LostStays, Mitigation};
use super::step::{Context, Step};
use super::watch::millis;

/// As many epochs may have been begun in a past that is lost, and as many are left out. What is further beyond is nobody's honest
/// mistake (OP-4).
pub const BEYOND: Epoch = 1000;

/// As many directives.
const SEQUENCES: u64 = 1_000_000;

/// Told once; what is further ahead is only remembered.
pub(super) fn neighbour_ahead(
    mut step: Step,
    by: String,
    (epoch, sequence): (Epoch, u64),
    context: &Context<'_>,
) -> Step {
    let own = (step.target.epoch, step.target.directive.as_ref().map_or(0, |it| it.sequence));
    if epoch <= own.0 && sequence <= own.1 {
        return step;
    }
    if let Some(behind) = &mut step.target.behind {
        behind.epoch = behind.epoch.max(epoch);
        behind.sequence = behind.sequence.max(sequence);
        return step;
    }
    let kind = NoticeKind::StoreBehind { told_by: by.clone(), known: (epoch, sequence), own };
    step.target.behind = Some(Behind { epoch, sequence, told_by: by, since: context.now });
    step.then(Effect::PageNotice(Notice::of(kind.clone(), &step.target.phase)));
    step.tell(kind);
    step
}

/// A new stay in the phase on record, with numbers that nobody has heard of.
pub(super) fn accepted(mut step: Step, context: &Context<'_>) -> Step {
    let behind = step.target.behind.take();
    let (epoch, sequence) = behind.map_or((0, 0), |it| (it.epoch, it.sequence));
    let target = &mut step.target;
    let after = target.lost.map_or(target.epoch, |it| it.after.min(target.epoch));
    target.epoch = target.epoch.max(epoch).saturating_add(BEYOND);
    target.lost = Some(LostStays { told: false, after, before: target.epoch });
    target.since = Some(context.now);
    target.latest = None;
    target.unproven = None;
    approval::moved(target, context.now);
    let (phase, epoch) = (target.phase.clone(), target.epoch);
    if let Some(IncidentStatus::Open(Mitigation::Watching(watch))) =
        step.open_incident().map(|it| &mut it.status)
    {
        watch.epoch = epoch;
    }
    let told = step.target.directive.clone();
    let next = next_sequence(&step).max(sequence).saturating_add(SEQUENCES);
    let anew = Directive {
        target: step.target.target.clone(),
        collect: !phase.is_off(),
        phase,
        epoch,
        cadence_ms: millis(context.policy.collection.window),
        sequence: next,
        until: None,
        since: Some(context.now),
    };
    // What a move has asked of the collector stays so.
    let asked = told.map(|it| Directive { epoch, sequence: next, since: anew.since, ..it });
    direct(&mut step, asked.unwrap_or(anew));
    step
}
