//! What follows when an effect is given up: its incident's log says so, and people learn of it in another way (NO-7).

use shared_types::story::Hop;
use shared_types::story::hop::ToldBy;

use super::effect::{Effect, Notice, NoticeKind};
use super::step::{Context, Step};
use crate::effects::Loss;

/// One hop, and one notice at most: a notice that is lost itself is [`ToldBy::Nobody`], so losses never chase each other.
pub(super) fn given_up(mut step: Step, it: &Loss, context: &Context<'_>) -> Step {
    let kind = NoticeKind::GivenUp(Box::new(it.clone()));
    let of_incident = step.incident.as_ref().filter(|open| it.incident.as_ref() == Some(&open.id));
    let notice = match of_incident {
        Some(incident) => incident.notice(kind, None),
        None => Notice::of(kind, &step.target.phase),
    };
    if of_incident.is_some() {
        let Loss { effect, kind: what, lane, reason, told: how, .. } = it.clone();
        step.hop(context.now, Hop::GivenUp { how, effect, what, lane, reason });
    }
    match it.told {
        ToldBy::Page => step.then(Effect::PageNotice(notice)),
        ToldBy::Message => step.then(Effect::Notify(notice)),
        ToldBy::Nobody => {}
    }
    step
}
