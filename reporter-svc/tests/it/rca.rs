//! An analysis is confirmed as it was read, and a file that says something else is never taken for it (GO-3).

use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::api::call;
use crate::rig::Rig;

const INCIDENT: &str = "/v1/incidents/INC-20261122-001";
const CONFIRMATION: &str = "/v1/incidents/INC-20261122-001/rca/confirmation";

/// An incident whose analysis was submitted by ana and written into its file.
async fn submitted() -> (Rig, Router, PathBuf) {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    let app = rig.router();
    submit(&rig, &app, json!({ "by": "ana", "cause": "The lock.", "prevention": "Shard it." })).await;
    let path = rig.data.path().join(rig.incident().await.rca.file);
    (rig, app, path)
}

async fn submit(rig: &Rig, app: &Router, body: Value) {
    let (status, answer) = call(app, "PUT", &format!("{INCIDENT}/rca"), Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    rig.work().await;
}

async fn confirm(app: &Router, read: Option<&str>) -> (StatusCode, Value) {
    let body = json!({ "by": "gov", "comment": "RCA confirmed", "read": read });
    call(app, "POST", CONFIRMATION, Some(body)).await
}

async fn rca(app: &Router) -> Value {
    call(app, "GET", INCIDENT, None).await.1["rca"].take()
}

async fn bundle(app: &Router) -> String {
    let call = Request::get(format!("{INCIDENT}/evidence?format=markdown")).body(Body::empty()).unwrap();
    let answer = app.clone().oneshot(call).await.unwrap();
    let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// GO-3: what was edited in the file after the submission was shown, and what was submitted was confirmed.
#[tokio::test]
async fn an_analysis_that_was_edited_on_disk_is_not_confirmed_as_it_was_submitted() {
    let (_rig, app, path) = submitted().await;
    let read = rca(&app).await;
    let hash = read["hash"].as_str().unwrap().to_owned();
    assert_eq!(read["on_disk"], "as_submitted");

    edit(&path, "The lock.", "The network.");
    assert_eq!(rca(&app).await["on_disk"], "differs");
    let (_, shown) = call(&app, "GET", &format!("{INCIDENT}/rca"), None).await;
    assert_eq!((&shown["rca"]["on_disk"], &shown["rca"]["cause"]), (&json!("differs"), &json!("The lock.")));
    let text = bundle(&app).await;
    assert!(text.contains("**The file says something else now than what was submitted**"), "{text}");
    for read in [None, Some(hash.as_str())] {
        let (status, problem) = confirm(&app, read).await;
        assert_eq!(
            (status, &problem["type"]),
            (StatusCode::CONFLICT, &json!("urn:phasegate:problem:outdated"))
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("says something else than what was submitted"), "{detail}");
    }

    // Put right, it is what was read.
    edit(&path, "The network.", "The lock.");
    let (status, incident) = confirm(&app, Some(&hash)).await;
    assert_eq!((status, &incident["rca"]["confirmed_hash"]), (StatusCode::OK, &json!(hash)), "{incident}");
}

/// GO-3: what is on the disk is submitted as it is, and then that is what there is to confirm.
#[tokio::test]
async fn an_edited_file_is_submitted_as_it_is_and_then_confirmed() {
    let (rig, app, path) = submitted().await;
    edit(&path, "The lock.", "The network.");
    submit(&rig, &app, json!({ "by": "ana" })).await;
    let read = rca(&app).await;
    assert_eq!((&read["cause"], &read["on_disk"]), (&json!("The network."), &json!("as_submitted")));
    assert_eq!(confirm(&app, read["hash"].as_str()).await.0, StatusCode::OK);
}

/// GO-3: another submission that comes between reading and confirming is not confirmed with it.
#[tokio::test]
async fn an_analysis_that_was_not_read_is_not_confirmed() {
    let (rig, app, _) = submitted().await;
    let first = rca(&app).await["hash"].as_str().unwrap().to_owned();
    submit(&rig, &app, json!({ "by": "ana", "cause": "The network.", "prevention": "Shard it." })).await;
    let second = rca(&app).await["hash"].as_str().unwrap().to_owned();
    let (status, problem) = confirm(&app, Some(&first)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains(&first) && detail.contains(&second) && detail.contains("read it again"),
        "{detail}"
    );
    assert_eq!(confirm(&app, Some("sha256:")).await.0, StatusCode::CONFLICT, "names any");
    assert_eq!(confirm(&app, Some(&second[..19])).await.0, StatusCode::OK, "its first twelve digits");
}

/// GO-3: what was confirmed stays what it was, with its hash; an edit of the file afterwards is told as one.
#[tokio::test]
async fn a_file_that_is_edited_after_the_confirmation_is_not_shown_as_the_confirmed_one() {
    let (_rig, app, path) = submitted().await;
    let hash = rca(&app).await["hash"].as_str().unwrap().to_owned();
    assert_eq!(confirm(&app, Some(&hash)).await.0, StatusCode::OK);
    edit(&path, "Shard it.", "Nothing to be done.");
    let now = rca(&app).await;
    assert_eq!((&now["state"], &now["on_disk"]), (&json!("confirmed"), &json!("differs")));
    assert_eq!((&now["prevention"], &now["confirmed_hash"]), (&json!("Shard it."), &json!(hash)));
    let text = bundle(&app).await;
    let told = text.find("**The file says something else now").unwrap();
    assert!(text.contains(&format!("- Hash of what was submitted, as it was confirmed: `{hash}`")), "{text}");
    assert!(!text[told..].contains("Nothing to be done."), "{text}");
    assert_eq!(confirm(&app, Some(&hash)).await.0, StatusCode::OK, "the same again changes nothing");
}
