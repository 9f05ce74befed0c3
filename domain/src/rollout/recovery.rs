//! How an incident ends: recovered, and closed once its cause is confirmed too.

use shared_types::Decision;
use shared_types::story::{Hop, Recovery};

use super::effect::Effect;
use super::state::{Banner, IncidentStatus, Unproven};
use super::step::{Context, Step};

/// The recovery is confirmed: the target has no open incident any more, the banner goes off a cycle later.
pub(super) fn recover(step: &mut Step, how: Recovery, context: &Context<'_>) {
    let Some(incident) = step.incident.as_mut() else { return };
    incident.status = IncidentStatus::Recovered;
    incident.recovered_at = Some(context.now);
    step.target.incident = None;
    step.target.taken_on = None;
    step.target.banner = Banner::OffAt(context.now.plus(context.policy.collection.window));
    step.hop(context.now, Hop::Recovered { how });
    close_if_done(step, context);
}

/// JU-11: nothing more was violated, and nothing is proven. The next step down is not taken; a person is paged.
pub(super) fn recover_unproven(step: &mut Step, decision: Box<Decision>, context: &Context<'_>) {
    let Some(incident) = step.incident.as_mut() else { return };
    incident.unproven = true;
    step.target.unproven = Some(Unproven { incident: incident.id.clone(), decision });
    recover(step, Recovery::Unproven, context);
}

/// ES-4: recovered and RCA confirmed; of a notice none is asked (JU-17).
pub(super) fn close_if_done(step: &mut Step, context: &Context<'_>) {
    let Some(incident) = step.incident.as_mut() else { return };
    let explained = incident.notice || incident.rca.confirmation.is_some();
    if incident.status != IncidentStatus::Recovered || !explained {
        return;
    }
    incident.status = IncidentStatus::Closed;
    incident.closed_at = Some(context.now);
    incident.escalate_at = None;
    let id = incident.id.clone();
    step.hop(context.now, Hop::Closed);
    step.then(Effect::ResolvePage { incident: id });
}
