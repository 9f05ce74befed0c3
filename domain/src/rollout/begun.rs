//! A command whose start is committed together with what asks for it: two events in one commit.

use super::effect::Effect;
use super::event::Event;
use super::step::{Aggregate, Context, Step};
use super::table::apply;

/// The start of a command, as the event after the one that asked for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Began {
    pub event: Event,
    /// How things stood after the first event.
    pub first: Aggregate,
    /// What the start alone did.
    pub step: Step,
}

/// Begins the command that a step asks for, if it asks for one (RB-3).
#[must_use]
pub fn begin_command(asked: &Step, context: &Context<'_>) -> Option<Began> {
    let transition = asked.effects.iter().find_map(|effect| match effect {
        Effect::Run(transition) => Some(transition.id),
        _ => None,
    })?;
    let event = Event::TransitionStarted { transition, attempt: 1 };
    let first = Aggregate { target: asked.target.clone(), incident: asked.incident.clone() };
    let step = apply(&first, event.clone(), context).ok()?;
    Some(Began { event, first, step })
}

impl Step {
    /// This step and the one after it, as one.
    #[must_use]
    pub fn followed_by(mut self, next: Self) -> Self {
        self.effects.extend(next.effects);
        self.timeline.extend(next.timeline);
        Self {
            target: next.target,
            incident: next.incident,
            effects: self.effects,
            timeline: self.timeline,
            ..self
        }
    }
}
