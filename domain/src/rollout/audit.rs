//! What the audit log says of a step (GO-4). Derived here for every event alike: who asked stands in the actor,
//! what was asked in [`told`], what followed from it in [`followed`].

use crate::audit::digest;
use crate::stored::plain;
use serde_json::{Map, Value, json};
use shared_types::story::Deed;

use super::event::{Event, Looked};
use super::outcome::with_facts;
use super::state::{Incident, Stage};
use super::step::{Aggregate, Step};

/// Longer words of a command that failed are in the incident's log.
const LONGEST: usize = 2000;

/// An event's own part of its audit row.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    pub action: Deed,
    /// A decision, a transition; none: the incident it is about, if any.
    pub subject: Option<String>,
    pub detail: Value,
}

/// The audit form of every event: what was asked for or happened, whole. The `match` names each one, so that a
/// new event cannot go unaudited.
#[must_use]
pub fn told(event: &Event) -> EventRecord {
    let act = |action, detail| EventRecord { action, subject: None, detail };
    let of = |action, subject: &dyn ToString, detail| EventRecord {
        action,
        subject: Some(subject.to_string()),
        detail,
    };
    match event {
        Event::Decided(it) => {
            let detail = json!({
                "decision_id": it.decision_id,
                "phase": it.phase,
                "epoch": it.epoch,
                "window": it.window,
                "verdict": it.verdict,
                "cause": it.cause,
                "violated": it.violated,
                "rollback_required": it.rollback_required,
                "policy_version": it.policy_version,
                // The decision cannot be altered afterwards without its digest telling.
                "digest": digest(&plain(it)),
            });
            of(Deed::DecisionReceived, &it.decision_id, detail)
        }
        Event::Start { by, obstacles: _ } => act(Deed::RolloutStart, json!({ "by": by })),
        Event::Promote { by, from } => act(Deed::RolloutPromote, json!({ "by": by, "from": from })),
        Event::Approve { by, role, comment, expected } => {
            let expected = json!({
                "phase": expected.phase,
                "epoch": expected.epoch,
                "policy_version": expected.policy_version,
            });
            act(
                Deed::RolloutApprove,
                json!({ "by": by, "role": role, "comment": comment, "expected": expected }),
            )
        }
        Event::Freeze { by, reason } => act(Deed::RolloutFreeze, json!({ "by": by, "reason": reason })),
        Event::Unfreeze { by, reason } => act(Deed::RolloutUnfreeze, json!({ "by": by, "reason": reason })),
        Event::Withdraw { by, role } => act(Deed::RolloutWithdraw, json!({ "by": by, "role": role })),
        Event::Rollback { by, from, reason } => {
            act(Deed::RolloutRollback, json!({ "by": by, "from": from, "reason": reason }))
        }
        Event::Abort { by, reason } => act(Deed::RolloutAbort, json!({ "by": by, "reason": reason })),
        Event::ServedRead { epoch, looked } => {
            let found = match looked {
                Looked::AsRecorded => json!({ "epoch": epoch, "found": "as_recorded" }),
                Looked::Other { served } => {
                    json!({ "epoch": epoch, "found": "other", "served": short(served) })
                }
                Looked::Unread { since, reason } => {
                    json!({ "epoch": epoch, "found": "unread", "since": since, "reason": short(reason) })
                }
            };
            act(Deed::TargetReadBack, found)
        }
        Event::TransitionStarted { transition, attempt } => {
            of(Deed::CommandStarted, transition, json!({ "attempt": attempt }))
        }
        Event::TransitionAttemptFailed { transition, reason, next } => {
            let detail = json!({ "reason": short(reason), "next_attempt_at": next });
            of(Deed::CommandAttemptFailed, transition, detail)
        }
        Event::TransitionSucceeded { transition, report } => {
            let detail = json!({ "duration_ms": report.duration_ms, "verified": report.verified });
            of(Deed::CommandSucceeded, transition, with_facts(detail, &report.facts))
        }
        Event::TransitionFailed { transition, reason } => {
            of(Deed::CommandFailed, transition, json!({ "reason": short(reason) }))
        }
        Event::TransitionSkipped { transition } => of(Deed::CommandSkipped, transition, json!({})),
        Event::TransitionRetried { transition, by } => {
            of(Deed::CommandRetried, transition, json!({ "by": by }))
        }
        Event::Acknowledged { by, at } => act(Deed::IncidentAcknowledged, json!({ "by": by, "at": at })),
        Event::PageResolved { by, at } => act(Deed::PageResolvedByPerson, json!({ "by": by, "at": at })),
        Event::RcaPrepared => act(Deed::RcaPrepared, json!({})),
        Event::RcaSubmitted { by, finding } => {
            // What was found cannot be altered afterwards without its digest telling.
            act(Deed::RcaSubmitted, json!({ "by": by, "link": finding.link, "digest": finding.hash() }))
        }
        Event::RcaConfirmed { by, comment, read: None } => {
            act(Deed::RcaConfirmed, json!({ "by": by, "comment": comment }))
        }
        Event::RcaConfirmed { by, comment, read } => {
            act(Deed::RcaConfirmed, json!({ "by": by, "comment": comment, "read": read }))
        }
        Event::ReviewDecided { by, approve, comment } => {
            act(Deed::ReviewDecided, json!({ "by": by, "approve": approve, "comment": comment }))
        }
        Event::PolicyChanged => act(Deed::PolicyWindowChanged, json!({})),
        Event::EvidenceChecked { facts } => act(Deed::EvidenceChecked, json!({ "facts": facts })),
        Event::EvidenceSigned(it) => {
            let detail = json!({
                "by": it.by,
                "item": it.item,
                "comment": it.comment,
                "link": it.link,
                "task": it.task,
            });
            act(Deed::EvidenceSigned, detail)
        }
        Event::EvidenceTaskDone { by, item } => {
            act(Deed::EvidenceTaskDone, json!({ "by": by, "item": item }))
        }
        Event::GivenUp(it) => {
            let detail =
                json!({ "kind": it.kind, "lane": it.lane, "reason": short(&it.reason), "told": it.told });
            of(Deed::EffectGivenUp, &it.effect, detail)
        }
        Event::NeighbourAhead { by, epoch, sequence } => {
            act(Deed::StoreBehind, json!({ "ahead": by, "epoch": epoch, "sequence": sequence }))
        }
        Event::StoreAccepted { by, reason } => {
            act(Deed::StoreAccepted, json!({ "by": by, "reason": reason }))
        }
        Event::Tick => act(Deed::TimerDue, json!({})),
    }
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// What followed: `changed`, from and to, and the `hops` it left in the incident's log. None if nothing did and the event
/// itself is not kept: then there is no row, for nothing was changed.
#[must_use]
pub fn followed(before: &Aggregate, step: &Step, kept: bool) -> Option<Value> {
    let same = before.target == step.target && before.incident == step.incident && step.effects.is_empty();
    if same && !kept {
        return None;
    }
    let (old, new) = (&before.target, &step.target);
    let mut changed = Map::new();
    let mut differs = |name: &str, from: Value, to: Value| {
        if from != to {
            changed.insert(name.to_owned(), json!([from, to]));
        }
    };
    differs("phase", json!(old.phase), json!(new.phase));
    differs("epoch", json!(old.epoch), json!(new.epoch));
    differs("stage", json!(old.stage.name()), json!(new.stage.name()));
    let transition = |stage: &Stage| json!(stage.transition().map(|it| it.id));
    differs("transition", transition(&old.stage), transition(&new.stage));
    differs("open_incident", json!(old.incident), json!(new.incident));
    differs("behind", json!(old.behind), json!(new.behind));
    differs("lost", json!(old.lost), json!(new.lost));
    differs("served", json!(old.served), json!(new.served));
    differs("frozen", json!(old.frozen), json!(new.frozen));
    differs("approvals", json!(old.approvals), json!(new.approvals));
    let state = |it: Option<&Incident>| json!(it.map(Incident::state));
    differs("incident_state", state(before.incident.as_ref()), state(step.incident.as_ref()));
    let hops: Vec<&str> = step.timeline.iter().map(|it| it.hop.kind()).collect();
    Some(json!({ "changed": changed, "hops": hops, "stale": step.stale }))
}
