//! Defects that a test plants to see that it is caught: an empty proof would let them pass. Each is asked for where the
//! product would have it; outside a build with the feature `planted-defects` the answer is a constant no.

/// A defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Defect {
    /// A batch is stored without the message that carries it to the analyzer.
    LoseBatchMessage,
    /// A decision is stored without the message that carries it to the reporter.
    LoseDecisionMessage,
    /// A rollback is requested and its command never enqueued.
    LoseCommand,
    /// A text for people is kept and never enqueued.
    LoseNotice,
    /// A page is kept and never enqueued.
    LosePage,
    /// A worker whose lease was taken over records its outcome all the same.
    SkipFencing,
    /// A lease that ran out does not count as an unknown outcome.
    HideLostLease,
    /// A failed effect is tried again after half of its delay.
    RetryEarly,
    /// Nobody is told that the last retry has failed.
    ForgetExhaustion,
    /// A push is answered before it is stored.
    AnswerBeforeCommit,
    /// The ids of events seen before are not looked up.
    ForgetEventIds,
    /// The analyzer does not look whether it has judged a window.
    ForgetReceipts,
    /// A missing batch counts as a compliant one.
    SilenceFeeds,
    /// The analyzer does not look for batches that do not come.
    DeafWatch,
    /// The reporter acts on decisions of an epoch that is over.
    GateStale,
    /// The reporter does not recognise a decision that comes again.
    ForgetDecisions,
    /// The rollback command names a step, not the phase to reach.
    RelativeRollback,
    /// A rollback goes two phases down where there are two.
    SkipPhase,
    /// An open incident does not hinder a move up.
    PromoteInIncident,
    /// A page of higher priority gets a dedup key of its own.
    ChangingDedupKey,
    /// An acknowledgement does not stop the escalation.
    EscalateAcknowledged,
    /// An escalation is forgotten and happens again.
    EscalateAgain,
    /// A text goes out with an unfilled placeholder.
    UnfilledText,
    /// An approval counts in the epochs after it as well.
    KeepApprovals,
    /// An approval counts under another policy as well.
    KeepApprovalsOverPolicy,
    /// One person may approve in every role.
    OnePersonTwoRoles,
    /// A person may move up what only they have approved.
    ApproveAlone,
    /// A frozen target is rolled back by itself.
    RollBackFrozen,
    /// Rollbacks start by themselves beyond their budget.
    IgnoreBudget,
    /// What time does by itself leaves no row in the audit log.
    SkipAuditRow,
    /// The hash of a row of the audit log does not cover the row before.
    UnchainedAudit,
    /// No governance review opens.
    ForgetReview,
    /// A governance review opens although one is open.
    OpenReviewAgain,
    /// A governance review can be decided again.
    DecideAgain,
    /// A checklist that is not complete does not hinder a move up.
    IgnoreEvidence,
    /// What was done at PagerDuty is answered and never applied.
    LosePageEvent,
    /// The signature of a webhook is not checked.
    TrustAnybody,
    /// A pause of the collector does not end by itself.
    EndlessPause,
}

impl Defect {
    /// All of them, with what is wrong.
    pub const ALL: &[(Self, &str)] = &[
        (Self::LoseBatchMessage, "A batch is stored without the message that carries it to the analyzer."),
        (
            Self::LoseDecisionMessage,
            "A decision is stored without the message that carries it to the reporter.",
        ),
        (Self::LoseCommand, "A rollback is requested and its command never enqueued."),
        (Self::LoseNotice, "A text for people is kept and never enqueued."),
        (Self::LosePage, "A page is kept and never enqueued."),
        (Self::SkipFencing, "A worker whose lease was taken over records its outcome all the same."),
        (Self::HideLostLease, "A lease that ran out does not count as an unknown outcome."),
        (Self::RetryEarly, "A failed effect is tried again after half of its delay."),
        (Self::ForgetExhaustion, "Nobody is told that the last retry has failed."),
        (Self::AnswerBeforeCommit, "A push is answered before it is stored."),
        (Self::ForgetEventIds, "The ids of events seen before are not looked up."),
        (Self::ForgetReceipts, "The analyzer does not look whether it has judged a window."),
        (Self::SilenceFeeds, "A missing batch counts as a compliant one."),
        (Self::DeafWatch, "The analyzer does not look for batches that do not come."),
        (Self::GateStale, "The reporter acts on decisions of an epoch that is over."),
        (Self::ForgetDecisions, "The reporter does not recognise a decision that comes again."),
        (Self::RelativeRollback, "The rollback command names a step, not the phase to reach."),
        (Self::SkipPhase, "A rollback goes two phases down where there are two."),
        (Self::PromoteInIncident, "An open incident does not hinder a move up."),
        (Self::ChangingDedupKey, "A page of higher priority gets a dedup key of its own."),
        (Self::EscalateAcknowledged, "An acknowledgement does not stop the escalation."),
        (Self::EscalateAgain, "An escalation is forgotten and happens again."),
        (Self::UnfilledText, "A text goes out with an unfilled placeholder."),
        (Self::KeepApprovals, "An approval counts in the epochs after it as well."),
        (Self::KeepApprovalsOverPolicy, "An approval counts under another policy as well."),
        (Self::OnePersonTwoRoles, "One person may approve in every role."),
        (Self::ApproveAlone, "A person may move up what only they have approved."),
        (Self::RollBackFrozen, "A frozen target is rolled back by itself."),
        (Self::IgnoreBudget, "Rollbacks start by themselves beyond their budget."),
        (Self::SkipAuditRow, "What time does by itself leaves no row in the audit log."),
        (Self::UnchainedAudit, "The hash of a row of the audit log does not cover the row before."),
        (Self::ForgetReview, "No governance review opens."),
        (Self::OpenReviewAgain, "A governance review opens although one is open."),
        (Self::DecideAgain, "A governance review can be decided again."),
        (Self::IgnoreEvidence, "A checklist that is not complete does not hinder a move up."),
        (Self::LosePageEvent, "What was done at PagerDuty is answered and never applied."),
        (Self::TrustAnybody, "The signature of a webhook is not checked."),
        (Self::EndlessPause, "A pause of the collector does not end by itself."),
    ];
}

/// Whether the product has this defect now: never.
#[cfg(not(feature = "planted-defects"))]
#[must_use]
pub const fn is(_defect: Defect) -> bool {
    false
}

#[cfg(feature = "planted-defects")]
mod switch {
    use std::cell::Cell;

    use super::Defect;

    thread_local! {
        static PLANTED: Cell<Option<Defect>> = const { Cell::new(None) };
    }

    /// Whether the code that runs in this thread has this defect now.
    #[must_use]
    pub fn is(defect: Defect) -> bool {
        PLANTED.get() == Some(defect)
    }

    /// Gives the code that runs in this thread one defect, or none.
    pub fn plant(defect: Option<Defect>) {
        PLANTED.set(defect);
    }
}

#[cfg(feature = "planted-defects")]
pub use switch::{is, plant};
