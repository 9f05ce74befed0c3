//! The rollout machine and the incident machine: what to do, decided without I/O.
//!
//! [`apply`] takes the state of a target (and the incident it is about), an event and the time, and returns
//! the new state, the effects it causes and the timeline hops it leaves; or a [`Rejection`] that says by name
//! what is in the way. It never reads a clock, never talks to anything, and may be called twice with the same
//! input. `docs/state-machines.md` holds the diagrams.

pub mod approval;
pub mod audit;
mod begun;
pub mod blocker;
mod cadence;
mod claim;
pub mod command;
mod decided;
mod directive;
pub mod drift;
pub mod effect;
mod ending;
mod escalation;
pub mod event;
pub mod evidence;
mod held;
pub mod hold;
mod incident;
mod loss;
mod moves;
mod opening;
mod outcome;
mod person;
pub mod promotion;
mod rca;
mod recovery;
pub mod refusal;
pub mod restored;
mod review;
mod rollback;
pub mod standing;
pub mod stands;
pub mod state;
pub mod step;
pub mod storm;
mod table;
pub mod verdict;
mod waiting;
pub mod watch;

#[cfg(test)]
mod tests;

pub use begun::{Began, begin_command};
pub use blocker::Blocker;
pub use effect::{Effect, Notice, NoticeKind};
pub use event::Event;
pub use person::known_as;
pub use refusal::{Reason, Refusal, Rejection};
pub use standing::Standing;
pub use state::{
    Behind, Drift, Finding, ITSELF, Incident, IncidentStatus, Latest, Mitigation, NewestRollback, OfStorm,
    Served, Stage, TargetState, Transition, Unread, Waiting,
};
pub use step::{Aggregate, Context, Step, Terms};
pub use table::apply;
