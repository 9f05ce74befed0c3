//! Acts that the audit log keeps.

use strum::{Display, EnumIter, EnumString, IntoStaticStr};

/// What was done, by its stable name in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumIter, EnumString, IntoStaticStr)]
pub enum Deed {
    #[strum(serialize = "decision.received")]
    DecisionReceived,
    #[strum(serialize = "decision.refused")]
    DecisionRefused,
    #[strum(serialize = "rollout.start")]
    RolloutStart,
    #[strum(serialize = "rollout.promote")]
    RolloutPromote,
    #[strum(serialize = "rollout.approve")]
    RolloutApprove,
    #[strum(serialize = "rollout.withdraw")]
    RolloutWithdraw,
    #[strum(serialize = "rollout.freeze")]
    RolloutFreeze,
    #[strum(serialize = "rollout.unfreeze")]
    RolloutUnfreeze,
    #[strum(serialize = "rollout.rollback")]
    RolloutRollback,
    #[strum(serialize = "rollout.abort")]
    RolloutAbort,
    #[strum(serialize = "target.read_back")]
    TargetReadBack,
    #[strum(serialize = "command.started")]
    CommandStarted,
    #[strum(serialize = "command.attempt_failed")]
    CommandAttemptFailed,
    #[strum(serialize = "command.succeeded")]
    CommandSucceeded,
    #[strum(serialize = "command.failed")]
    CommandFailed,
    #[strum(serialize = "command.skipped")]
    CommandSkipped,
    #[strum(serialize = "command.retried")]
    CommandRetried,
    #[strum(serialize = "incident.acknowledged")]
    IncidentAcknowledged,
    #[strum(serialize = "page.resolved_by_person")]
    PageResolvedByPerson,
    #[strum(serialize = "rca.prepared")]
    RcaPrepared,
    #[strum(serialize = "rca.submitted")]
    RcaSubmitted,
    #[strum(serialize = "rca.confirmed")]
    RcaConfirmed,
    #[strum(serialize = "review.decided")]
    ReviewDecided,
    #[strum(serialize = "policy.adopted")]
    PolicyAdopted,
    #[strum(serialize = "policy.window_changed")]
    PolicyWindowChanged,
    #[strum(serialize = "evidence.checked")]
    EvidenceChecked,
    #[strum(serialize = "evidence.signed")]
    EvidenceSigned,
    #[strum(serialize = "evidence.task_done")]
    EvidenceTaskDone,
    #[strum(serialize = "effect.given_up")]
    EffectGivenUp,
    #[strum(serialize = "effect.retried")]
    EffectRetried,
    #[strum(serialize = "channels.tested")]
    ChannelsTested,
    #[strum(serialize = "stream.opened")]
    StreamOpened,
    #[strum(serialize = "streams.adopted")]
    StreamsAdopted,
    #[strum(serialize = "collector.pause")]
    CollectorPause,
    #[strum(serialize = "collector.resume")]
    CollectorResume,
    #[strum(serialize = "store.behind")]
    StoreBehind,
    #[strum(serialize = "store.accepted")]
    StoreAccepted,
    #[strum(serialize = "timer.due")]
    TimerDue,
}

impl Deed {
    /// As in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
