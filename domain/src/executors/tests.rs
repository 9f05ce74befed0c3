//! The seam: kinds are values, and what an earlier release kept is read.

use serde_json::{Value, json};
use shared_types::PhaseId;

use super::command::{self, Started};
use super::{Request, stored};
use crate::effects::RunTransition;
use crate::rollout::{Incident, Stage, TargetState, Transition};
use crate::stored::read_value;

/// As the binary of f880c6d wrote it.
fn transition_of_f880c6d() -> Value {
    json!({
        "id": "019ac2f0-0000-7000-8000-000000000001", "kind": "rollback", "from": "B", "to": "A", "epoch": 2,
        "state": "running", "command": ["pnpm", "run", "flags:rollback", "--phase", "A"],
        "verify": ["cat", "phase of {x}"],
        "human": "phasegate rollback --target autosave --phase B --reason \"save_latency_p95 violation\"",
        "initiator": "phasegate", "reason": "save_latency_p95 violation", "incident": "INC-20261122-001",
        "requested_at": "2026-11-22T10:15:31.000Z", "started_at": "2026-11-22T10:15:32.000Z",
        "finished_at": null, "attempts": 1, "output": "exit status 1", "verified": null
    })
}

fn target_of_f880c6d(stage: &Value) -> Value {
    json!({
        "target": "autosave", "phase": "B", "epoch": 2, "since": "2026-11-22T09:00:00.000Z", "stage": stage,
        "ended": transition_of_f880c6d(), "directive": null, "incident": null, "latest": null, "alerts": 0,
        "incident_notices": [], "approvals": [], "approvals_void": [], "asked": null, "frozen": null,
        "automatic_rollbacks": [], "banner": "off", "evidence_open": [], "evidence_tasks": []
    })
}

fn payload_of_f880c6d() -> Value {
    json!({
        "transition": "019ac2f0-0000-7000-8000-000000000001", "target": "autosave", "kind": "rollback",
        "from": "B", "to": "A", "epoch": 2, "incident": null,
        "command": ["pnpm", "run", "flags:rollback", "--phase", "A"], "verify": null, "timeout_ms": 60000
    })
}

fn stages() -> [Value; 6] {
    let it = transition_of_f880c6d;
    [
        json!("idle"),
        json!({ "promoting": it() }),
        json!({ "superseded": { "promotion": it(), "rollback": it() } }),
        json!({ "waiting": { "rollback": it(), "why": "frozen", "since": "2026-11-22T10:00:00.000Z",
                             "until": null, "detail": "frozen" } }),
        json!({ "rolling_back": it() }),
        json!({ "rollback_failed": it() }),
    ]
}

/// OP-6: every place where a transition is kept is found, and the way back gives what was there, key for key.
#[test]
fn documents_of_the_release_before_are_raised_and_lowered_without_loss() {
    for stage in stages() {
        let kept = target_of_f880c6d(&stage);
        let raised = stored::target_up(kept.clone()).unwrap();
        assert!(raised != kept && raised["ended"].get("command").is_none());
        let read: TargetState = serde_json::from_value(raised.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), raised);
        assert_eq!(stored::target_down(raised).unwrap(), kept, "{stage}");
    }
    let run = payload_of_f880c6d();
    let raised = stored::transition_up(run.clone()).unwrap();
    assert_eq!(stored::transition_down(raised).unwrap(), run);
    let incident = json!({ "id": "INC-20261122-001", "rollback": transition_of_f880c6d() });
    let raised = stored::incident_up(incident.clone()).unwrap();
    assert_eq!(raised["rollback"]["request"]["words"], "pnpm run flags:rollback --phase A");
    assert_eq!(stored::incident_down(raised).unwrap(), incident);
    assert_eq!(stored::incident_up(json!({ "rollback": null })).unwrap(), json!({ "rollback": null }));
}

/// OP-6: rows of the release before are read as they are, with their read-back.
#[test]
fn rows_of_the_release_before_are_read_as_they_are() {
    let kept = target_of_f880c6d(&json!({ "rolling_back": transition_of_f880c6d() }));
    let state: TargetState = read_value(kept).unwrap();
    let Stage::RollingBack(transition) = &state.stage else { panic!("{:?}", state.stage) };
    assert_eq!(transition.request.words, "pnpm run flags:rollback --phase A");
    assert!(transition.request.reads_back);
    let started = Started::of(&transition.request).unwrap();
    assert_eq!(started.verify.unwrap(), ["cat", "phase of {x}"]);
    let run: RunTransition = read_value(payload_of_f880c6d()).unwrap();
    assert_eq!(Started::of(&run.request).unwrap().command.last().unwrap(), "A");
    assert!(!run.request.reads_back);
    let again: RunTransition = serde_json::from_value(serde_json::to_value(&run).unwrap()).unwrap();
    assert_eq!(again, run);
}

/// OP-6: an older replica gets a vector it refuses to start, never one that means something else.
#[test]
fn a_request_of_another_executor_is_an_empty_vector_to_the_release_before() {
    let raised = stored::transition_up(transition_of_f880c6d()).unwrap();
    let mut transition: Transition = serde_json::from_value(raised).unwrap();
    transition.request = Request {
        kind: "other".into(),
        words: "x".into(),
        reads_back: true,
        data: json!({ "command": ["x"] }),
    };
    let lowered = stored::transition_down(serde_json::to_value(&transition).unwrap()).unwrap();
    assert_eq!((&lowered["command"], &lowered["verify"]), (&json!([]), &Value::Null));
    assert_eq!(stored::transition_up(lowered).unwrap(), serde_json::to_value(&transition).unwrap());
    assert_eq!(transition.to, PhaseId::parse("A").unwrap());
}

#[test]
fn what_is_no_transition_is_refused() {
    for wrong in [json!(7), json!({}), json!({ "command": "pnpm run" }), json!({ "request": { "kind": 1 } })]
    {
        let read = read_value::<RunTransition>(wrong.clone());
        assert!(read.is_err(), "{wrong}");
    }
    assert!(read_value::<Incident>(json!({ "rollback": {} })).is_err());
    assert_eq!(stored::words_of_hop(&json!({ "command": ["a", "b c"] })), "a 'b c'");
    assert_eq!(stored::words_of_hop(&json!({ "command": "a 'b c'" })), "a 'b c'");
    assert_eq!(command::request(&Started::default()).words, "");
}
