//! `phasegate gate` before a reporter that answers as told: each exit status, and what a wait waits for.
#![allow(clippy::unwrap_used, reason = "a test's helpers may unwrap")]

#[allow(dead_code, reason = "each test program uses its part")]
mod support;

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};
use shared_types::{Problem, TargetVerdict};
use support::run;

const OLD: &str = "2020-01-01T00:00:00.000Z";
const NEW: &str = "2999-01-01T00:00:00.000Z";

/// An answer: its status, and its body.
type Answer = (u16, Value);

/// What the reporter says of a window that ended then.
fn verdict(verdict: &str, roll_back: bool, window_end: &str) -> Answer {
    let ok = ["ok", "warn"].contains(&verdict);
    let insufficient = ["insufficient", "unsure"].contains(&verdict);
    let body = json!({
        "target": "autosave", "phase": "B", "epoch": 2, "verdict": verdict,
        "ok": ok, "insufficient": insufficient,
        "roll_back": roll_back, "window": {"start": "2019-12-31T23:45:00.000Z", "end": window_end},
        "decision_id": "0f4a8c7e-2c54-5d0e-9d0b-6a1f5f0d3c11", "decided_at": window_end,
        "blockers": [{"code": "gate_unsatisfied", "detail": "1 of 8 compliant batches in a row"}], "incident": null,
    });
    serde_json::from_value::<TargetVerdict>(body.clone()).unwrap();
    (200, body)
}

fn problem(status: u16, code: &str, detail: &str) -> Answer {
    let kind = format!("{}{code}", Problem::NAMESPACE);
    (status, json!({"type": kind, "title": code, "status": status, "detail": detail}))
}

/// A reporter that gives these answers, the last one again and again; as long as the test runs.
fn reporter(answers: Vec<Answer>) -> String {
    let answers = Arc::new(Mutex::new(answers));
    let next = |State(answers): State<Arc<Mutex<Vec<Answer>>>>| async move {
        let mut answers = answers.lock().unwrap();
        let (status, body) = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        (StatusCode::from_u16(status).unwrap(), [(CONTENT_TYPE, "application/json")], body.to_string())
            .into_response()
    };
    let app = axum::Router::new()
        .route("/v1/targets/autosave/verdict", get(next))
        .route("/healthz", get(|| async { "ok" }))
        .with_state(answers);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await.unwrap();
        });
    });
    url
}

fn gate(answers: Vec<Answer>, more: &[&str]) -> (i32, String, String) {
    let url = reporter(answers);
    let asked = ["gate", "--target", "autosave", "--reporter-url", &url];
    run(&[&asked, more].concat())
}

/// The exit statuses of `docs/cli.md`.
#[test]
fn each_answer_has_its_exit_status() {
    let unknown = "whether autosave is well in B is not known: no batch of this epoch has been judged yet";
    for (answer, status, said) in [
        (verdict("ok", false, OLD), 0, "autosave: ok; phase B"),
        (verdict("warn", false, OLD), 0, "warn, which passes"),
        (verdict("violation", false, OLD), 1, "autosave: violation"),
        (verdict("violation", true, OLD), 1, "to be rolled back"),
        (verdict("insufficient", false, OLD), 6, "autosave: insufficient"),
        (verdict("unsure", false, OLD), 6, "autosave: unsure"),
        (verdict("a word of a later release", false, OLD), 6, "autosave: unsure"),
        (problem(503, "not_known", unknown), 6, unknown),
        (problem(503, "unavailable", "the database does not serve this now"), 4, "the database"),
        (problem(404, "not_found", "no target autosave in the policy"), 3, "no target autosave"),
        // Who may not ask has not been told of a violation.
        (problem(401, "unauthorized", "no valid token"), 6, "no valid token"),
        (problem(403, "forbidden", "none of your roles"), 6, "none of your roles"),
    ] {
        let (code, out, err) = gate(vec![answer.clone()], &[]);
        assert_eq!(code, status, "{answer:?}: {out}{err}");
        assert!(format!("{out}{err}").contains(said), "{answer:?}: {out}{err}");
    }
}

#[test]
fn a_script_reads_the_answer_as_it_is() {
    let answer = verdict("ok", false, OLD);
    let (status, out, _) = gate(vec![answer.clone()], &["--output", "json"]);
    assert_eq!((status, serde_json::from_str::<Value>(&out).unwrap()), (0, answer.1));
}

#[test]
fn what_is_not_there_is_not_reachable() {
    for more in [&[][..], &["--wait"]] {
        let asked = ["gate", "--target", "autosave", "--reporter-url", "http://127.0.0.1:9"];
        assert_eq!(run(&[&asked, more].concat()).0, 4, "{more:?}");
    }
}

/// What was so before the command says nothing of what was deployed.
#[test]
fn a_wait_goes_by_windows_that_end_after_it_began() {
    let (ok, bad) = (verdict("ok", false, OLD), verdict("violation", false, OLD));
    let passing = problem(503, "unavailable", "the database does not serve this now");
    for (answers, status) in [
        (vec![ok.clone(), verdict("ok", false, NEW)], 0),
        (vec![bad, verdict("warn", false, NEW)], 0),
        (vec![ok, verdict("violation", false, NEW)], 1),
        (vec![passing, verdict("ok", false, NEW)], 0),
        // A rollback is one of now, whatever window it goes back to.
        (vec![verdict("violation", true, OLD)], 1),
        (vec![problem(404, "not_found", "no target autosave in the policy")], 3),
        (vec![problem(403, "forbidden", "none of your roles")], 6),
    ] {
        let (code, out, err) = gate(answers.clone(), &["--wait=1m"]);
        assert_eq!(code, status, "{answers:?}: {out}{err}");
        assert!(!err.contains("waiting"), "nobody sits before a terminal: {err}");
    }
}

#[test]
fn a_wait_that_runs_out_has_not_come_to_know() {
    for (answer, status, said) in [
        (verdict("ok", false, OLD), 6, "has settled it in 1s; as it stands:\nautosave: ok"),
        (verdict("unsure", false, NEW), 6, "autosave: unsure"),
        (problem(503, "not_known", "nothing is judged"), 6, "in 1s it did not come to be known"),
        (problem(503, "unavailable", "the database"), 4, "in 1s it did not come to be known"),
    ] {
        let (code, out, err) = gate(vec![answer.clone()], &["--wait=1s"]);
        assert_eq!(code, status, "{answer:?}: {out}{err}");
        assert!(err.contains(said), "{answer:?}: {err}");
    }
}
