//! The words of refusals. Places and sections are those of [`fill`](super::fill). In English only: a refusal is a problem's
//! `detail`, which the API gives in English; what the page says of it are the blockers beside it.

use crate::rollout::refusal::Refusal;

/// Why an event is refused.
#[must_use]
pub fn refusal(it: &Refusal) -> &'static str {
    match it {
        Refusal::WrongPhase { .. } => "{target} is in phase {phase}, not {named}",
        Refusal::NothingAbove { .. } => "there is no phase above {phase}",
        Refusal::NothingBelow { .. } => "there is no phase below {phase}",
        Refusal::NothingToForce { .. } => {
            "{target} is in phase {phase}, there is none below: decline the review instead"
        }
        Refusal::Started { .. } => "the rollout has started: it is in phase {phase}",
        Refusal::NotStarted => "the rollout has not been started",
        Refusal::CannotStart => "the rollout cannot start now",
        Refusal::CannotMoveUp { .. } => "phase {phase} cannot move up yet",
        Refusal::MoveUnderWay => "a move is under way or unfinished",
        Refusal::RollbackUnderWay => "a rollback is under way; decide again when it has ended",
        Refusal::SamePersonApproves { .. } => {
            "{by} has approved as {earlier}: {role} has to be somebody else, or {by} withdraws that one first"
        }
        Refusal::ApprovalNotAsked { .. } => {
            "phase {phase} asks for the approval of [{wanted}|nobody], not of {role}"
        }
        Refusal::NoApproval { .. } => "there is no approval by {by} as {role} to take back",
        Refusal::OtherEpoch { .. } => "it was asked for in epoch {asked}; {target} is in epoch {epoch}",
        Refusal::OtherPolicy { .. } => "it was asked for under another policy than {version}",
        Refusal::TransitionSuperseded { .. } => "transition {transition} is not the one under way any more",
        Refusal::NoIncident => "there is no such incident",
        Refusal::IncidentClosed { .. } => "{incident} is closed; `{event}` comes too late",
        Refusal::NotOfAnIncident { .. } => "`{event}` is not something that happens to an incident",
        Refusal::RcaIsConfirmed { .. } => "the RCA of {incident} is confirmed; it cannot be changed any more",
        Refusal::RcaMissing => "an RCA must be there before it can be confirmed",
        Refusal::OwnRca => "nobody confirms their own RCA",
        Refusal::RcaChanged { .. } => {
            "what was submitted for {incident} is {hash}, and {read} was read: read it again, then confirm that"
        }
        Refusal::NoReview { .. } => "{incident} has no governance review",
        Refusal::ReviewVoid { .. } => "the review of {incident} is void: the RCA was confirmed before",
        Refusal::ReviewDecided { .. } => "the review of {incident} was decided[ by {by} at {at}]",
        Refusal::NoSuchItem { .. } => "the policy has no evidence item `{item}`",
        Refusal::AlreadySigned { .. } => "`{item}` was signed by {by} at {at}; that stays",
        Refusal::CannotSign { .. } => "`{item}` cannot be signed yet",
        Refusal::NoTask => "there is no task to be done",
        Refusal::Unrenderable { .. } => "a text could not be rendered: {error}",
        Refusal::StoreBehind { .. } => {
            "{target} was never told an epoch beyond {epoch} by this store, and this is of {asked}: was it restored? It waits \
             until a person has put the newest copy back, or accepted this one (docs/backup.md)"
        }
        Refusal::EpochToCome { .. } => {
            "field `epoch`: {asked} is beyond {epoch}, the newest that {target} was ever told"
        }
        Refusal::WindowToCome { .. } => "field `window`: it ends at {ends}, which is still to come",
        Refusal::WindowTooLong { .. } => "field `window`: it ends at {ends} and is longer than 24 h",
    }
}
