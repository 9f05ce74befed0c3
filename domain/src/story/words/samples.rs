//! One of every form of what is told, for the tests of this folder and for the page's word lists. Where a kind has several
//! forms, they come from its own list of them; that no kind is forgotten is a test's.

use shared_types::decision::{Cause, Verdict};
use shared_types::incident::Recommendation;
use shared_types::story::hop::{Directed, Heard, Sent};
use shared_types::story::{
    Acknowledgement, EscalationReason, Hold, Hop, InTime, Recovery, Ruling, StillHeld, ToldBy, WatchFailure,
};
use shared_types::{IncidentId, PhaseId, TargetName, Timestamp, Window};
use strum::IntoEnumIterator as _;
use uuid::Uuid;

use crate::pagers::PAGER;
use crate::rollout::Standing;
use crate::rollout::blocker::{Blocker, Reached, TaskMissing};
use crate::rollout::evidence::{Figure, Lack};
use shared_types::rollout::TransitionKind;

pub(super) fn at() -> Timestamp {
    Timestamp::parse("2026-11-22T10:15:00Z").unwrap()
}

pub(super) fn window() -> Window {
    Window { start: Timestamp::parse("2026-11-22T10:00:00Z").unwrap(), end: at() }
}

pub(super) fn incident() -> IncidentId {
    IncidentId::parse("INC-20261122-001").unwrap()
}

pub(super) fn phase(id: &str) -> PhaseId {
    id.parse().unwrap()
}

pub(super) fn ana() -> String {
    "ana".to_owned()
}

pub(super) fn because() -> String {
    "flags: 503".to_owned()
}

/// Every way in which a required rollback waits.
pub(super) fn holds() -> [Hold; 3] {
    let target: TargetName = "autosave".parse().unwrap();
    [
        Hold::Frozen { by: ana(), reason: because(), target: target.clone() },
        Hold::Budget { most: 6, per: "1d".to_owned(), until: at() },
        Hold::Storm { target, phase: phase("B") },
    ]
}

/// Every form of every hop that has data.
pub(super) fn hops() -> Vec<Hop> {
    let (id, window, (from, to)) = (Uuid::from_u128(7), window(), (phase("B"), phase("A")));
    let heard = || Heard {
        decision: id,
        window,
        phase: from.clone(),
        epoch: 2,
        violated: vec!["error_rate".to_owned()],
        cause: Cause::Slo,
    };
    let directed = || Directed { phase: to.clone(), collect: false, sequence: 3 };
    let sent = || Sent { notification: id, channel: PAGER.name.to_owned(), priority: Some("P2".to_owned()) };
    let mut hops = vec![
        Hop::BatchWindowEnded { window },
        Hop::Decided { decision: id, window, verdict: Verdict::Violation, cause: Cause::Slo },
        Hop::DecisionReceived(heard()),
        Hop::DecisionStale(heard()),
        Hop::ViolationJoined(Heard { violated: vec![], cause: Cause::CollectionDelayed, ..heard() }),
        Hop::StillHeld(StillHeld { windows: 8, from: None, to: None, before_ms: None }),
        Hop::StillHeld(StillHeld {
            windows: 8,
            from: Some(to.clone()),
            to: Some(from.clone()),
            before_ms: Some(40 * 60_000),
        }),
        Hop::IncidentOpened { incident: incident() },
        Hop::StormJoined { begun_by: incident(), before: 10 },
        Hop::RollbackRequested {
            transition: id,
            by: ana(),
            from: from.clone(),
            to: to.clone(),
            reason: because(),
        },
        Hop::WaitingForPromotion { transition: id, to: from.clone() },
        Hop::PromotionSuperseded { transition: id, to: from.clone() },
        Hop::RollbackReleased { transition: id },
        Hop::RollbackRetried { transition: id, by: ana() },
        Hop::Drifted { phase: phase("A"), served: "50%".to_owned() },
        Hop::DriftOver { phase: phase("A") },
        Hop::MoveFailed { transition: id, to: phase("B"), attempts: 5, reason: because() },
        Hop::RollbackFailed { transition: id, attempts: 5, reason: because() },
        Hop::CollectionStopped { transition: id },
        Hop::CollectionStopPending { transition: id, reason: because() },
        Hop::CommandStarted { transition: id, attempt: 1, command: "flags A".to_owned() },
        Hop::CommandFinished {
            transition: id,
            summary: "exit status 0".to_owned(),
            duration_ms: 400,
            facts: serde_json::Map::new(),
        },
        Hop::CommandFailed { transition: id, attempt: 1, next: at(), reason: because() },
        Hop::Verified { transition: id, phase: to.to_string() },
        Hop::PhaseChanged { from, to: to.clone(), epoch: 3 },
        Hop::RollbackTold { transition: id, template: "autosave-rollback".to_owned(), text: because() },
        Hop::DirectiveDelivered(directed()),
        Hop::DirectiveSuperseded(directed()),
        Hop::WatchStarted { until: at() },
        Hop::WatchBatch { decision: id, window, verdict: Verdict::Ok, compliant: 1, violations: 0 },
        Hop::Closed,
        Hop::NotificationSent(sent()),
        Hop::NotificationLogged(Sent { priority: None, ..sent() }),
        Hop::PageResolved,
        Hop::PageResolutionLogged,
        Hop::PageResolvedByPerson { by: ana() },
        Hop::RcaPrepared { file: "reports/rca/x.md".to_owned() },
        Hop::RcaReminded { due_at: at() },
        Hop::RcaConfirmed { by: ana(), comment: because() },
        Hop::ReviewVoid,
        Hop::EvidenceSigned { by: ana(), item: "rca".to_owned(), comment: None, link: None, task: None },
        Hop::EvidenceTaskDone { by: ana(), item: "retry_log".to_owned(), task: because() },
        Hop::Frozen { by: ana(), reason: because() },
        Hop::Unfrozen { by: ana(), reason: None },
    ];
    hops.extend(Acknowledgement::iter().map(|how| Hop::Acknowledged {
        how,
        by: ana(),
        acknowledged_at: at(),
    }));
    hops.extend(EscalationReason::iter().map(|how| Hop::Escalated { how, priority: "P1".to_owned() }));
    hops.extend(holds().map(|hold| Hop::RollbackWaiting { transition: id, hold }));
    hops.extend(WatchFailure::iter().map(|how| Hop::WatchFailed { how }));
    hops.extend(Recovery::iter().map(|how| Hop::Recovered { how }));
    hops.extend(InTime::iter().map(|how| Hop::RcaSubmitted { how, by: ana(), link: None }));
    hops.extend(ToldBy::iter().map(|how| Hop::GivenUp {
        how,
        effect: id.to_string(),
        what: "TriggerPage".to_owned(),
        lane: "pagerduty/autosave".to_owned(),
        reason: because(),
    }));
    let advice = [Recommendation::Rollback, Recommendation::Stay];
    hops.extend(advice.map(|how| Hop::ReviewOpened { how, due_at: at() }));
    hops.extend(Ruling::iter().map(|how| Hop::ReviewDecided {
        how,
        by: ana(),
        incident: incident(),
        comment: because(),
        transition: Some(id),
    }));
    hops
}

/// Every form of every blocker.
/// What checks of evidence go by; the compiler names a form that is missing where its words are matched.
pub(super) fn figures() -> [Figure; 6] {
    let text = str::to_owned;
    [
        Figure::NoRetryExhausted,
        Figure::RetriesExhausted { windows: vec![window().to_string()] },
        Figure::Page {
            template: text("autosave-incident"),
            command: Some(text("phasegate rollback")),
            at: at(),
            acknowledged_at: Some(at()),
            by: Some(ana()),
        },
        Figure::Analysis { submitted_at: at(), due_at: at(), confirmed_at: Some(at()), by: Some(ana()) },
        Figure::Phase { phase: text("A") },
        Figure::Compared {
            name: text("p95"),
            message: text("1.71"),
            card: text("1.8"),
            apart: Some(text("5 %")),
        },
    ]
}

/// What they do not find.
pub(super) fn lacks() -> [Lack; 9] {
    [
        Lack::Page,
        Lack::CommandInPage,
        Lack::Acknowledgement,
        Lack::AcknowledgementInTime { due_at: at() },
        Lack::Analysis { due_at: at() },
        Lack::Confirmation,
        Lack::AnalysisInTime,
        Lack::Figures,
        Lack::Agreement { names: vec!["p95".to_owned()] },
    ]
}

pub(super) fn standings() -> Vec<Standing> {
    let target = || TargetName::parse("autosave").unwrap();
    let (to, metrics) = (|| phase("B"), || vec!["error_rate".to_owned()]);
    let output = || "exit status 1".to_owned();
    let phase = || phase("A");
    vec![
        Standing::RollbackFailed {
            target: target(),
            phase: phase(),
            to: to(),
            attempts: 5,
            output: output(),
        },
        Standing::StoreBehind { phase: phase(), told_by: "analyzer".to_owned(), since: at() },
        Standing::NotMeasured { phase: phase() },
        Standing::IncidentOpen { incident: incident(), phase: phase() },
        Standing::RollbackWaits { target: target(), phase: phase(), to: to(), why: because() },
        Standing::MoveFailed { target: target(), phase: phase(), to: to(), attempts: 5, output: output() },
        Standing::Drifted { target: target(), phase: phase(), served: "50%".to_owned(), since: at() },
        Standing::ServedUnread { phase: phase(), since: at(), reason: because() },
        Standing::Silent { phase: phase(), expected_by: at() },
        Standing::WithoutData { phase: phase() },
        Standing::Held { phase: phase(), metrics: metrics() },
        Standing::Unsure { phase: phase(), metrics: metrics() },
        Standing::Moving { phase: phase(), to: to() },
        Standing::Watching { incident: incident(), phase: phase(), by: ana() },
        Standing::Frozen { target: target(), phase: phase(), by: ana(), reason: because() },
        Standing::Asked { target: target(), phase: phase(), next: to(), roles: vec!["sre".to_owned()] },
        Standing::NearLimit { phase: phase(), metrics: metrics() },
        Standing::Waiting { phase: phase() },
        Standing::Healthy { phase: phase() },
        Standing::Off,
        Standing::Completed,
    ]
}

pub(super) fn blockers() -> Vec<Blocker> {
    let role = || "sre".to_owned();
    let item = || "rca".to_owned();
    let mut found = vec![
        Blocker::Completed,
        Blocker::UnknownPhase { phase: phase("Z") },
        Blocker::NotStarted,
        Blocker::MoveImpossible { obstacle: "the program `pnpm` is not found".to_owned() },
        Blocker::Started { phase: phase("A") },
        Blocker::WrongPhase { phase: phase("A") },
        Blocker::Frozen { by: ana(), since: at(), reason: because(), target: "autosave".parse().unwrap() },
        Blocker::TransitionFailed { to: phase("A") },
        Blocker::MoveFailed { to: phase("B"), attempts: 5, output: "exit status 1".to_owned() },
        Blocker::StoreBehind { told_by: "analyzer".to_owned(), since: at() },
        Blocker::Drifted { phase: phase("A"), served: "50%".to_owned(), since: at() },
        Blocker::RollbackBudgetSpent { most: 6, per: "24h".to_owned(), until: at() },
        Blocker::IncidentOpen { incident: incident() },
        Blocker::GateStale { ended_at: at() },
        Blocker::Hold,
        Blocker::Unsure { metrics: vec!["error_rate".to_owned()] },
        Blocker::EvidenceStale { windows: 4, since: at() },
        Blocker::StayOverLimit {
            metric: "error_rate".to_owned(),
            bad: 12,
            attempts: 1000,
            observed: "12/1000 (1.2 %)".to_owned(),
            allowed: "1 %".to_owned(),
        },
        Blocker::AlertsInPhase { count: 2 },
        Blocker::IncidentNotified { count: 3 },
        Blocker::EvidenceIncomplete { incident: Some(incident()), missing: vec!["rca (sre)".to_owned()] },
        Blocker::SignedAlone { by: ana(), item: item() },
        Blocker::AlreadySigned { item: item(), by: ana(), at: at() },
        Blocker::ApprovalMissing { role: role() },
        Blocker::ApprovalByRequester { by: ana(), any_of: vec![role(), "dev-lead".to_owned()] },
        Blocker::ApprovalBySamePerson { by: ana(), earlier: role(), role: "dev-lead".to_owned() },
        Blocker::ApprovalNotAsked { phase: phase("A"), wanted: vec![], role: role() },
        Blocker::RcaMissing { incident: incident() },
        Blocker::FourEyes { by: ana() },
    ];
    found.extend(lacks().map(|lack| Blocker::EvidenceMissing { lack }));
    found.extend(lacks().map(|lack| Blocker::CommentMissing { lack }));
    let moves = [TransitionKind::Promote, TransitionKind::Rollback];
    found.extend(moves.map(|how| Blocker::TransitionRunning { how, to: phase("A") }));
    found.extend(holds().map(|hold| Blocker::RollbackWaiting { to: phase("A"), hold }));
    found.extend(TaskMissing::iter().map(|how| Blocker::TaskMissing { how, item: item() }));
    let reached = [
        Reached::NotJudged,
        Reached::NotReported,
        Reached::Batches { reached: 3, needed: 8 },
        Reached::Time { reached_ms: 85_500_000, needed_ms: 86_400_000 },
        Reached::Otherwise,
    ];
    let broken = |reached| Blocker::GateUnsatisfied {
        reached,
        broken_by: Some("error_rate".to_owned()),
        broken_in: Some(window()),
    };
    found.extend(reached.map(broken));
    found
}
