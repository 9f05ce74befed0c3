//! What a played rollout tells: what followed from each decision, and the course it took.

use serde::Serialize;
use shared_types::{Epoch, IncidentId, PhaseId, Timestamp};

use crate::effects::{Severity, TriggerPage};
use crate::rollout::Transition;
use shared_types::rollout::TransitionKind;

/// A rollout that was played to the end of its history.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// For each decision of the history what followed from it and what fell due before the next one, in that order.
    pub follows: Vec<Vec<Consequence>>,
    pub course: Course,
}

/// One thing that happens, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Consequence {
    pub at: Timestamp,
    pub what: What,
}

/// What happens. Texts, channels and commands are those that the live reporter puts into its outbox.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The decision is of another stay than the one the rollout is in: it is kept and changes nothing (PH-8).
    Stale { phase: PhaseId, epoch: Epoch },
    /// The violation only holds the phase (SLO-4).
    Held,
    /// The violation joins the open incident (DE-4).
    Joined(IncidentId),
    /// An incident opens.
    Opened(IncidentId),
    /// People are paged, or the page of the incident is raised.
    Paged(Page),
    /// A text goes to a channel, or into the runbook log; `kind` as in the log of notifications.
    Told { kind: String, channel: String, text: String },
    /// A required rollback does not start by itself.
    Waits { from: PhaseId, to: PhaseId, why: String },
    /// A command runs, and succeeds.
    Ran(Command),
    /// The incident's recovery is confirmed.
    Recovered(IncidentId),
}

/// A page that goes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    pub service: String,
    pub priority: String,
    pub severity: Severity,
    /// The line that whoever is paged sees first.
    pub summary: String,
    pub text: String,
}

impl From<TriggerPage> for Page {
    fn from(page: TriggerPage) -> Self {
        let TriggerPage { service, priority, severity, summary, text, .. } = page;
        Self { service, priority, severity, summary, text }
    }
}

/// A command that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub kind: TransitionKind,
    pub from: PhaseId,
    pub to: PhaseId,
    /// What is done, in one line.
    pub words: String,
    /// What a person would type.
    pub human: String,
}

impl Command {
    pub(super) fn of(transition: &Transition) -> Self {
        Self {
            kind: transition.kind,
            from: transition.from.clone(),
            to: transition.to.clone(),
            words: transition.request.words.clone(),
            human: transition.human.clone(),
        }
    }
}

/// How a rollout went.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Course {
    /// Each phase that was entered, the one it began in first.
    pub phases: Vec<Entered>,
    pub rollbacks: Vec<RolledBack>,
    pub incidents: u64,
    pub completed_at: Option<Timestamp>,
    /// Windows that could not be judged.
    pub unjudged: u64,
}

/// A phase that was entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entered {
    pub phase: PhaseId,
    pub at: Timestamp,
}

/// A rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RolledBack {
    pub from: PhaseId,
    pub to: PhaseId,
    pub at: Timestamp,
    /// The violated metric, in words.
    pub reason: String,
}
