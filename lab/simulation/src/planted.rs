//! Which run catches which planted defect, and by which check.

use std::collections::BTreeSet;
use std::time::Duration;

use shared_types::planted::{Defect, plant};

use crate::run::Simulation;
use crate::spec::{Script, Spec};

/// A run that may catch a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trap {
    Script(Script),
    Seed(u64),
}

impl Trap {
    /// Scripts first, then seeds.
    pub fn all(seeds: u64) -> impl Iterator<Item = Self> {
        Script::ALL.into_iter().map(Self::Script).chain((0..seeds).map(Self::Seed))
    }

    /// As a run.
    #[must_use]
    pub fn spec(self) -> Spec {
        match self {
            Self::Script(script) => Spec::scripted(script, None),
            Self::Seed(seed) => Spec::seeded(seed, Duration::from_secs(7200)),
        }
    }
}

/// The checks that fail in this run with this defect.
#[must_use]
pub fn caught(simulation: &Simulation, defect: Defect, trap: Trap) -> BTreeSet<&'static str> {
    plant(Some(defect));
    let report = simulation.run(trap.spec());
    plant(None);
    report.findings.into_keys().collect()
}

/// The run that is known to catch it.
#[must_use]
pub fn known(defect: Defect) -> Trap {
    let script = match defect {
        Defect::SilenceFeeds | Defect::DeafWatch => Script::Silence,
        Defect::RetryEarly | Defect::ForgetExhaustion => Script::Deafness,
        Defect::GateStale => Script::Straggler,
        Defect::SkipAuditRow | Defect::EscalateAgain => Script::Escalation,
        Defect::PromoteInIncident => Script::Impatience,
        Defect::KeepApprovals | Defect::OnePersonTwoRoles | Defect::ApproveAlone => Script::Sloppiness,
        Defect::KeepApprovalsOverPolicy => Script::Amendment,
        Defect::IgnoreBudget => Script::Persistence,
        Defect::ForgetReview | Defect::LosePageEvent | Defect::TrustAnybody => Script::Negligence,
        Defect::RollBackFrozen => Script::Frost,
        Defect::SkipFencing | Defect::HideLostLease | Defect::OpenReviewAgain => return Trap::Seed(0),
        Defect::RelativeRollback => return Trap::Seed(2),
        Defect::ForgetDecisions => return Trap::Seed(4),
        Defect::ForgetReceipts => return Trap::Seed(10),
        Defect::EndlessPause => return Trap::Seed(11),
        Defect::AnswerBeforeCommit => return Trap::Seed(22),
        Defect::DecideAgain => return Trap::Seed(33),
        Defect::ForgetEventIds => return Trap::Seed(56),
        _ => Script::Violation,
    };
    Trap::Script(script)
}
