//! Histories of decisions, played.

use std::path::Path;
use std::time::Duration;

use shared_types::Window;
use shared_types::decision::{Cause, ViolationAction};

use super::*;
use crate::gate::fixture::{autosave, policy, ten_o_clock, window};

const AWAY: Assumptions = Assumptions { people: People::Away, telemetry: Telemetry::OnePhase };

fn b() -> PhaseId {
    PhaseId::parse("B").unwrap()
}

fn rules() -> Rules {
    Rules { target: autosave(), policy: policy(), version: "v1".to_owned() }
}

fn decision(epoch: Epoch, window: Window, action: Option<ViolationAction>) -> Decision {
    let verdict = if action.is_some() { Verdict::Violation } else { Verdict::Ok };
    Decision {
        schema: shared_types::decision::SCHEMA.to_owned(),
        decision_id: Uuid::from_u128(7),
        target: autosave(),
        phase: b(),
        epoch,
        window,
        verdict,
        rollback_required: action == Some(ViolationAction::Rollback),
        action,
        cause: Cause::Slo,
        metrics: Vec::new(),
        violated: action.map(|_| "error_rate".to_owned()).into_iter().collect(),
        policy_version: "v1".to_owned(),
        decided_at: window.end.plus(Duration::from_secs(30)),
        uncounted: None,
        vanished: vec![],
        gate: None,
        evidence: None,
    }
}

fn played(assumptions: Assumptions, history: &[Decision]) -> Story {
    let templates = Templates::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &policy()).unwrap();
    let start = Start { phase: b(), epoch: 3, at: ten_o_clock() };
    play(rules(), &templates, start, history, assumptions).unwrap()
}

fn phases(story: &Story) -> Vec<&str> {
    story.course.phases.iter().map(|it| it.phase.as_str()).collect()
}

const ROLLBACK: Option<ViolationAction> = Some(ViolationAction::Rollback);

/// DE-3, DE-4, RB-1: the live order of things: incident, page, command, and the log once the command has succeeded.
#[test]
fn a_violation_is_told_as_the_reporter_tells_it() {
    let story = played(AWAY, &[decision(3, window(0), ROLLBACK)]);
    let names: Vec<&str> = story.follows[0]
        .iter()
        .map(|it| match &it.what {
            What::Told { kind, .. } => kind.as_str(),
            What::Opened(_) => "opened",
            What::Paged(_) => "paged",
            What::Ran(_) => "ran",
            _ => "other",
        })
        .collect();
    assert_eq!(names, ["opened", "ran", "paged", "incident", "rollback"]);
    let opened = What::Opened(IncidentId::parse("INC-dry-run-1").unwrap());
    assert_eq!(story.follows[0][0].what, opened);
    assert_eq!(phases(&story), ["B", "A"]);
    assert_eq!(story.course.rollbacks[0].reason, "error_rate violation");
}

/// A story has no ids or times of its own: the same history is the same story.
#[test]
fn a_story_is_the_same_each_time() {
    let history = [decision(3, window(0), Some(ViolationAction::Page)), decision(3, window(1), ROLLBACK)];
    assert_eq!(played(AWAY, &history), played(AWAY, &history));
}

/// PH-8: what the old phase still shows is stale; the recorded rollout that has moved on is followed, with nothing open.
#[test]
fn a_later_epoch_begins_anew() {
    let history = [
        decision(3, window(0), ROLLBACK),
        decision(3, window(1), ROLLBACK),
        decision(4, window(2), ROLLBACK),
        decision(5, window(3), ROLLBACK),
    ];
    let story = played(AWAY, &history);
    let stale = What::Stale { phase: PhaseId::parse("A").unwrap(), epoch: 4 };
    assert_eq!(story.follows[1][0].what, stale);
    assert_eq!(story.follows[2][0].what, stale, "of epoch 4, but not of phase A");
    assert_eq!(phases(&story), ["B", "A", "B", "A"]);
    assert_eq!(story.course.incidents, 2);
}

/// RB-6: a history of one phase cannot say how the rollout fares in another; one of all phases can, by its silence.
#[test]
fn only_a_whole_history_has_a_watch_fail() {
    let history = [decision(3, window(0), ROLLBACK), decision(3, window(8), None)];
    assert_eq!(phases(&played(AWAY, &history)), ["B", "A"]);
    let whole = Assumptions { telemetry: Telemetry::EveryPhase, ..AWAY };
    assert_eq!(phases(&played(whole, &history)), ["B", "A", "off"]);
}

/// ES-3: who acknowledges at once is not asked again; a late decision comes in its turn.
#[test]
fn people_who_act_at_once_are_not_escalated_to() {
    let page = Some(ViolationAction::Page);
    let history = [decision(3, window(4), page), decision(3, window(0), page)];
    let raised = |assumptions| {
        let story = played(assumptions, &history);
        let found = story.follows.iter().map(|it| {
            it.iter().filter(|it| matches!(&it.what, What::Told { kind, .. } if kind == "escalation")).count()
        });
        found.collect::<Vec<_>>()
    };
    assert_eq!(raised(AWAY), [0, 1], "the window decided first opens the incident");
    assert_eq!(raised(Assumptions { people: People::AtOnce, ..AWAY }), [0, 0]);
}

/// The budget holds across epochs: the rollback that waits is told, with what it waits for.
#[test]
fn a_spent_budget_has_the_rollback_wait() {
    let history: Vec<Decision> =
        (0..7).map(|n| decision(3 + u64::from(n) * 2, window(n), ROLLBACK)).collect();
    let story = played(AWAY, &history);
    assert_eq!(story.course.rollbacks.len(), 6);
    let last: Vec<&What> = story.follows[6].iter().map(|it| &it.what).collect();
    assert!(
        last.iter().any(|it| matches!(it, What::Waits { why, .. } if why.contains("budget of 6"))),
        "{last:?}"
    );
    assert!(
        last.iter().any(|it| matches!(it, What::Told { kind, .. } if kind == "rollback_waiting")),
        "{last:?}"
    );
}
