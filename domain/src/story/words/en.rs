//! English. Places and sections are those of [`fill`](super::fill).

use shared_types::decision::Cause;
use shared_types::incident::Recommendation;
use shared_types::story::{
    Acknowledgement, Deed, EscalationReason, Hold, Hop, HopKind, InTime, Recovery, Ruling, WatchFailure,
};

use crate::effects::notification::NotificationKind;
use crate::pagers::PAGER;
use crate::rollout::blocker::{Blocker, BlockerCode, Reached, TaskMissing};
use crate::rollout::evidence::{Figure, Lack};
use crate::rollout::refusal::Refusal;
use shared_types::rollout::TransitionKind;

/// What a check of evidence does not find, and what follows it: a text is one literal, so that the page can fill it.
macro_rules! lack {
    ($lack:expr, $after:literal) => {
        match $lack {
            Lack::Page => concat!("PagerDuty has not accepted a page", $after),
            Lack::CommandInPage => concat!("the page does not hold the rollback command", $after),
            Lack::Acknowledgement => concat!("nobody has acknowledged it", $after),
            Lack::AcknowledgementInTime { .. } => concat!("the acknowledgement was due at {due_at}", $after),
            Lack::Analysis { .. } => concat!("the root cause analysis, due at {due_at}", $after),
            Lack::Confirmation => concat!("the confirmation of the RCA", $after),
            Lack::AnalysisInTime => concat!("it was submitted after it was due", $after),
            Lack::Figures => {
                concat!("no message with figures has been sent since the incident opened", $after)
            }
            Lack::Agreement { .. } => concat!("message and card do not agree on {names}", $after),
        }
    };
}

/// What stands before a hop's sentence.
#[must_use]
pub fn hop_title(kind: HopKind) -> &'static str {
    match kind {
        HopKind::BatchWindowEnded => "Window ended",
        HopKind::Decided => "Decided",
        HopKind::DecisionReceived => "Decision received",
        HopKind::DecisionStale => "Decision not gated",
        HopKind::ViolationJoined => "Further violation",
        HopKind::IncidentOpened => "Incident opened",
        HopKind::Acknowledged => "Acknowledged",
        HopKind::Escalated => "Escalated",
        HopKind::RollbackRequested => "Rollback required",
        HopKind::WaitingForPromotion => "Waiting for the move up to end",
        HopKind::PromotionSuperseded => "Move up superseded",
        HopKind::RollbackWaiting => "Rollback waits",
        HopKind::RollbackReleased => "Rollback released",
        HopKind::RollbackRetried => "Rollback tried again",
        HopKind::RollbackFailed => "Rollback failed",
        HopKind::CollectionStopped => "Collection stopped",
        HopKind::CollectionStopPending => "Collection not stopped yet",
        HopKind::CommandStarted => "Command started",
        HopKind::CommandFinished => "Command finished",
        HopKind::CommandFailed => "Command failed",
        HopKind::Verified => "Read back",
        HopKind::PhaseChanged => "Phase changed",
        HopKind::RollbackTold => "Rollback told",
        HopKind::DirectiveDelivered => "Collector told",
        HopKind::DirectiveSuperseded => "Directive superseded",
        HopKind::WatchStarted => "Recovery watch started",
        HopKind::WatchBatch => "Window of the recovery",
        HopKind::WatchFailed => "No recovery in time",
        HopKind::Recovered => "Recovered",
        HopKind::Closed => "Closed",
        HopKind::NotificationSent => "Told",
        HopKind::NotificationLogged => "Told to the log only",
        HopKind::PageResolved => "Page resolved",
        HopKind::PageResolutionLogged => "Page resolution in the log only",
        HopKind::PageResolvedByPerson => "Page resolved by a person",
        HopKind::RcaPrepared => "Analysis prepared",
        HopKind::RcaReminded => "Reminded of the analysis",
        HopKind::RcaSubmitted => "Analysis submitted",
        HopKind::RcaConfirmed => "Analysis confirmed",
        HopKind::ReviewOpened => "Review opened",
        HopKind::ReviewDecided => "Review decided",
        HopKind::ReviewVoid => "Review not needed any more",
        HopKind::EvidenceSigned => "Evidence signed",
        HopKind::EvidenceTaskDone => "Follow-up done",
        HopKind::Frozen => "Frozen",
        HopKind::Unfrozen => "Unfrozen",
        HopKind::Told => "",
    }
}

/// What a hop says of itself.
#[must_use]
pub fn hop(it: &Hop) -> &'static str {
    match it {
        Hop::BatchWindowEnded { .. } => "window {window}",
        Hop::Decided { .. } => "{verdict} ({cause})",
        Hop::DecisionReceived(_) | Hop::DecisionStale(_) | Hop::ViolationJoined(_) => {
            "phase {phase} epoch {epoch}: [{violated}|{cause}]"
        }
        Hop::IncidentOpened { .. } => "{incident}",
        Hop::Acknowledged { how, .. } => match how {
            Acknowledgement::First => "{by} acknowledged it",
            Acknowledgement::LearnedLate => {
                "{by} acknowledged it already at {acknowledged_at}; that was learned later"
            }
            Acknowledgement::AfterEscalation => "{by} acknowledged it, after the escalation",
        },
        Hop::Escalated { how, .. } => match how {
            EscalationReason::Unacknowledged => "priority is {priority} now: nobody acknowledged in time",
            EscalationReason::RollbackFailed => "priority is {priority} now: the rollback failed",
            EscalationReason::RollbackWaiting => {
                "priority is {priority} now: a person has to decide on the rollback"
            }
        },
        Hop::RollbackRequested { .. } => "{by}: {from} to {to}, {reason}",
        Hop::WaitingForPromotion { .. } => {
            "the move up to {to} has started its command; the rollback follows it"
        }
        Hop::PromotionSuperseded { .. } => "the move up to {to} has ended and does not count",
        Hop::RollbackWaiting { hold, .. } => self::hold(hold),
        Hop::RollbackReleased { .. } => "nothing holds it any more",
        Hop::RollbackRetried { .. } => "{by} has it tried again",
        Hop::RollbackFailed { .. } => "gave up after {attempts} attempts: {reason}",
        Hop::CollectionStopped { .. } => "the collector holds its windows",
        Hop::CollectionStopPending { .. } => "the collector was not reached before the command: {reason}",
        Hop::CommandStarted { .. } => "attempt {attempt}: {command}",
        Hop::CommandFinished { .. } => "{summary}",
        Hop::CommandFailed { .. } => "attempt {attempt} failed, the next is due at {next}: {reason}",
        Hop::Verified { .. } => "read back: {phase}",
        Hop::PhaseChanged { .. } => "{from} to {to}, epoch {epoch}",
        Hop::RollbackTold { .. } => "{text}",
        Hop::DirectiveDelivered(_) | Hop::DirectiveSuperseded(_) => {
            "phase {phase}, collect {collect}, sequence {sequence}"
        }
        Hop::WatchStarted { .. } => "batches until {until} must all be compliant",
        Hop::WatchBatch { .. } => {
            "{verdict} in {window}; {compliant} compliant, {violations} violating so far"
        }
        Hop::WatchFailed { how } => match how {
            WatchFailure::Silent => "no batch confirmed the recovery in time",
            WatchFailure::Violated => "a batch of the watch violated",
        },
        Hop::Recovered { how } => match how {
            Recovery::Watched => "every judged batch of the watch was compliant",
            Recovery::Covered => "compliant for as long as a recovery watch lasts",
            Recovery::NobodyServed => "nobody is served any more, so no SLO is left to hold",
        },
        Hop::Closed => "recovered, and the RCA is confirmed",
        Hop::NotificationSent(_) | Hop::NotificationLogged(_) => "{channel}[ at priority {priority}]",
        Hop::PageResolved => PAGER.resolved.en,
        Hop::PageResolutionLogged => PAGER.not_configured.en,
        Hop::PageResolvedByPerson { .. } => "{by} resolved the page; the incident goes on",
        Hop::RcaPrepared { .. } => "{file}",
        Hop::RcaReminded { .. } => "cause and prevention are due at {due_at}",
        Hop::RcaSubmitted { how, .. } => match how {
            InTime::InTime => "{by} submitted the RCA",
            InTime::Late => "{by} submitted the RCA, after it was due",
        },
        Hop::RcaConfirmed { .. } => "{by} confirmed the RCA",
        Hop::ReviewOpened { how, .. } => match how {
            Recommendation::Rollback => "no RCA by {due_at}; recommendation to governance: go back one phase",
            Recommendation::Stay => "no RCA by {due_at}; recommendation to governance: stay",
        },
        Hop::ReviewDecided { how, .. } => match how {
            Ruling::Approved => "{by} approved the review of {incident}",
            Ruling::Declined => "{by} declined the review of {incident}",
        },
        Hop::ReviewVoid => "the RCA was confirmed before the review was decided",
        Hop::EvidenceSigned { .. } => "{by} signed `{item}`",
        Hop::EvidenceTaskDone { .. } => "{by} has done the task of `{item}`",
        Hop::Frozen { .. } => "{by}: {reason}",
        Hop::Unfrozen { .. } => "{by}[: {reason}]",
        Hop::Told(_) => "",
    }
}

/// Why a required rollback waits.
#[must_use]
pub fn hold(it: &Hold) -> &'static str {
    match it {
        Hold::Frozen { .. } => {
            "frozen by {by}, {reason}; it starts at `phasegate unfreeze --target {target}`"
        }
        Hold::Budget { .. } => {
            "the budget of {most} automatic rollbacks per {per} is spent, so a person decides; it starts by itself at {until}"
        }
    }
}

/// What is in the way; its code stands before it.
#[must_use]
pub fn blocker(it: &Blocker) -> &'static str {
    match it {
        Blocker::Completed => "the rollout is completed; there is no phase above",
        Blocker::UnknownPhase { .. } => "the policy has no phase {phase}",
        Blocker::NotStarted => "start it first",
        Blocker::Started { .. } => "{phase}",
        Blocker::WrongPhase { .. } => "current phase is {phase}",
        Blocker::Frozen { .. } => {
            "by {by} since {since}: {reason}; `phasegate unfreeze --target {target}` lifts it"
        }
        Blocker::TransitionRunning { how, .. } => match how {
            TransitionKind::Promote => "promote to {to} is under way",
            TransitionKind::Rollback => "rollback to {to} is under way",
        },
        Blocker::TransitionFailed { .. } => "the rollback to {to} failed and waits for a person",
        Blocker::RollbackWaiting { hold, .. } => match hold {
            Hold::Frozen { .. } => {
                "the rollback to {to} waits: frozen by {by}, {reason}; it starts at `phasegate unfreeze --target {target}`"
            }
            Hold::Budget { .. } => {
                "the rollback to {to} waits: the budget of {most} automatic rollbacks per {per} is spent, so a person decides; it starts by itself at {until}"
            }
        },
        Blocker::IncidentOpen { .. } => "{incident}",
        Blocker::GateUnsatisfied { reached, .. } => match reached {
            Reached::NotJudged => "no batch of this epoch has been judged yet",
            Reached::NotReported => "the analyzer has not reported the gate of this epoch",
            Reached::Batches { .. } => {
                "{reached} of {needed} compliant batches in a row[; last broken by {broken_by} in {broken_in}]"
            }
            Reached::Time { .. } => {
                "{reached_ms} of {needed_ms} compliant in a row[; last broken by {broken_by} in {broken_in}]"
            }
            Reached::Otherwise => "not satisfied[; last broken by {broken_by} in {broken_in}]",
        },
        Blocker::GateStale { .. } => "the newest judged window ended at {ended_at}; a newer one is due",
        Blocker::Hold => "the newest batch violates a metric whose policy is `hold`",
        Blocker::Unsure { .. } => "beyond its limit, and it may be chance: {metrics}",
        Blocker::StayOverLimit { .. } => {
            "{metric}: {bad} of {attempts} in this phase were bad ({observed}), at most {allowed} may be"
        }
        Blocker::AlertsInPhase { .. } => "{count} incidents or pages in this phase",
        Blocker::IncidentNotified { .. } => "{count} incident notifications in that time",
        Blocker::EvidenceIncomplete { .. } => "[{incident}: ]{missing}",
        Blocker::EvidenceMissing { lack } => self::lack(lack),
        Blocker::CommentMissing { lack } => {
            lack!(lack, ": sign it with a comment that says why it is good all the same")
        }
        Blocker::TaskMissing { how, .. } => match how {
            TaskMissing::Asked => "the follow-up task against the exhausted retries",
            TaskMissing::None => "`{item}` has no follow-up task",
        },
        Blocker::SignedAlone { .. } => "{by} signed all the others; `{item}` takes another person",
        Blocker::AlreadySigned { .. } => "`{item}` was signed by {by} at {at}; that stays",
        Blocker::ApprovalMissing { .. } => "{role}",
        Blocker::ApprovalByRequester { .. } => {
            "{by} asks for the move and is the only one who approved it: somebody else must ask for it, or somebody else must approve it as {any_of}"
        }
        Blocker::ApprovalBySamePerson { .. } => {
            "{by} has approved as {earlier}: {role} has to be somebody else, or {by} withdraws that one first"
        }
        Blocker::ApprovalNotAsked { .. } => {
            "phase {phase} asks for the approval of [{wanted}|nobody], not of {role}"
        }
        Blocker::RcaMissing { .. } => "{incident} has no RCA yet",
        Blocker::FourEyes { .. } => "{by} submitted it",
    }
}

/// What a check of evidence goes by.
#[must_use]
pub fn figure(it: &Figure) -> &'static str {
    match it {
        Figure::NoRetryExhausted => "no retry was exhausted",
        Figure::RetriesExhausted { .. } => "retries exhausted in {windows}",
        Figure::Page { .. } => {
            "template {template}, command [{command}|none, nothing was rolled back], accepted at {at}[, acknowledged at {acknowledged_at} by {by}]"
        }
        Figure::Analysis { .. } => {
            "submitted at {submitted_at}, due at {due_at}[, confirmed at {confirmed_at} by {by}]"
        }
        Figure::Phase { .. } => "phase {phase}",
        Figure::Compared { .. } => "{name} {message} in the message, {card} on the card[ ({apart} apart)]",
    }
}

/// What a check of evidence does not find.
#[must_use]
pub fn lack(it: &Lack) -> &'static str {
    lack!(it, "")
}

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
        Refusal::NoReview { .. } => "{incident} has no governance review",
        Refusal::ReviewVoid { .. } => "the review of {incident} is void: the RCA was confirmed before",
        Refusal::ReviewDecided { .. } => "the review of {incident} was decided[ by {by} at {at}]",
        Refusal::NoSuchItem { .. } => "the policy has no evidence item `{item}`",
        Refusal::AlreadySigned { .. } => "`{item}` was signed by {by} at {at}; that stays",
        Refusal::CannotSign { .. } => "`{item}` cannot be signed yet",
        Refusal::NoTask => "there is no task to be done",
        Refusal::Unrenderable { .. } => "a text could not be rendered: {error}",
    }
}

/// How a blocker stands in a list without its code; `{detail}` is its sentence.
#[must_use]
pub fn blocker_line(it: BlockerCode) -> &'static str {
    match it {
        BlockerCode::Completed => "{detail}",
        BlockerCode::UnknownPhase => "{detail}",
        BlockerCode::NotStarted => "Start the rollout",
        BlockerCode::Started => "It has started: phase {detail}",
        BlockerCode::WrongPhase => "{detail}",
        BlockerCode::Frozen => "Frozen {detail}",
        BlockerCode::TransitionRunning => "{detail}",
        BlockerCode::TransitionFailed => "{detail}",
        BlockerCode::RollbackWaiting => "{detail}",
        BlockerCode::IncidentOpen => "Open incident {detail}",
        BlockerCode::GateUnsatisfied => "Time in compliance: {detail}",
        BlockerCode::GateStale => "The gate is out of date: {detail}",
        BlockerCode::Hold => "Held: {detail}",
        BlockerCode::Unsure => "Not sure: {detail}",
        BlockerCode::StayOverLimit => "The whole stay is over a limit: {detail}",
        BlockerCode::AlertsInPhase => "Alerts: {detail}",
        BlockerCode::IncidentNotified => "Too soon after an incident: {detail}",
        BlockerCode::EvidenceIncomplete => "Evidence missing: {detail}",
        BlockerCode::EvidenceMissing => "Evidence missing: {detail}",
        BlockerCode::CommentMissing => "A comment is missing: {detail}",
        BlockerCode::TaskMissing => "A task is missing: {detail}",
        BlockerCode::SignedAlone => "{detail}",
        BlockerCode::AlreadySigned => "{detail}",
        BlockerCode::ApprovalMissing => "Approval by {detail}",
        BlockerCode::ApprovalByRequester => "{detail}",
        BlockerCode::ApprovalBySamePerson => "{detail}",
        BlockerCode::ApprovalNotAsked => "{detail}",
        BlockerCode::RcaMissing => "{detail}",
        BlockerCode::FourEyes => "Another person has to: {detail}",
    }
}

/// What a message is.
#[must_use]
pub fn notice(it: NotificationKind) -> &'static str {
    match it {
        NotificationKind::Ok => "healthy",
        NotificationKind::Warn => "near a limit",
        NotificationKind::Hold => "held back",
        NotificationKind::Incident => "incident",
        NotificationKind::Escalation => "escalation",
        NotificationKind::RollbackFailed => "rollback failed",
        NotificationKind::RollbackWaiting => "rollback waits",
        NotificationKind::Rollback => "rollback",
        NotificationKind::Page => "page",
        NotificationKind::ApprovalAsked => "approval asked",
        NotificationKind::Frozen => "frozen",
        NotificationKind::Unfrozen => "unfrozen",
        NotificationKind::RcaReminder => "analysis due",
        NotificationKind::ReviewOpened => "review opened",
        NotificationKind::ReviewDecided => "review decided",
        NotificationKind::Daily => "report of a day",
    }
}

/// What was done.
#[must_use]
pub fn deed(it: Deed) -> &'static str {
    match it {
        Deed::DecisionReceived => "Decision received",
        Deed::RolloutStart => "Start",
        Deed::RolloutPromote => "Move up",
        Deed::RolloutApprove => "Approval",
        Deed::RolloutWithdraw => "Approval withdrawn",
        Deed::RolloutFreeze => "Freeze",
        Deed::RolloutUnfreeze => "Unfreeze",
        Deed::RolloutRollback => "Rollback by hand",
        Deed::CommandStarted => "Command started",
        Deed::CommandAttemptFailed => "Attempt of the command failed",
        Deed::CommandSucceeded => "Command succeeded",
        Deed::CommandFailed => "Command given up",
        Deed::CommandSkipped => "Command not needed",
        Deed::CommandRetried => "Command tried again",
        Deed::IncidentAcknowledged => "Acknowledgement",
        Deed::PageResolvedByPerson => "Page resolved by a person",
        Deed::RcaPrepared => "Analysis prepared",
        Deed::RcaSubmitted => "Analysis submitted",
        Deed::RcaConfirmed => "Analysis confirmed",
        Deed::ReviewDecided => "Review decided",
        Deed::PolicyAdopted => "Policy taken over",
        Deed::PolicyWindowChanged => "Window of the policy changed",
        Deed::EvidenceChecked => "Evidence checked",
        Deed::EvidenceSigned => "Evidence signed",
        Deed::EvidenceTaskDone => "Follow-up done",
        Deed::EffectRetried => "Stuck effect tried again",
        Deed::CollectorPause => "Collection paused",
        Deed::CollectorResume => "Collection resumed",
        Deed::TimerDue => "Time has come",
    }
}

/// Why a window was decided on, in few words.
#[must_use]
pub fn cause(it: Cause) -> &'static str {
    match it {
        Cause::Slo => "limits",
        Cause::CollectionDelayed => "collection delayed",
        Cause::RetryExhausted => "retries exhausted",
    }
}

/// Yes and no of a fact.
#[must_use]
pub fn truth(it: bool) -> &'static str {
    if it { "true" } else { "false" }
}
