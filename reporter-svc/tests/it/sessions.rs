//! Browser sessions end when somebody signs out, on every replica and for every copy of the cookie (SE-3).

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use phasegate_tests::stores::both_engines;
use reporter_svc::store::MIGRATIONS;
use service_kit::auth::{EndedSessions as _, OpenSession, SESSION_LIFE};
use service_kit::clock::Clock as _;
use service_kit::db::Db;
use tower::ServiceExt as _;

use crate::rig::{KEEP, Rig};

const TOKENS: [(&str, &str); 2] = [("alice", "sre"), ("bob", "viewer")];

async fn signed_in(router: &Router, token: &str) -> String {
    let call = Request::post("/v1/session").header("authorization", format!("Bearer {token}"));
    let answer = router.clone().oneshot(call.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn by_cookie(router: &Router, method: Method, path: &str, cookie: &str) -> StatusCode {
    let call = Request::builder().method(method).uri(path).header("cookie", cookie);
    let call = call.header("x-phasegate-request", "1").header("sec-fetch-site", "same-origin");
    router.clone().oneshot(call.body(Body::empty()).unwrap()).await.unwrap().status()
}

async fn looks(router: &Router, cookie: &str) -> StatusCode {
    by_cookie(router, Method::GET, "/v1/session", cookie).await
}

/// SE-3: a copied cookie worked on after its person had signed out.
#[tokio::test]
async fn a_copied_cookie_is_worth_nothing_after_the_sign_out() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let router = rig.router_with_tokens(&TOKENS);
        let beside = rig.restarted().await.router_with_tokens(&TOKENS);
        let (copied, other) = (signed_in(&router, "alice").await, signed_in(&router, "alice").await);
        assert_eq!(looks(&beside, &copied).await, StatusCode::OK);

        let out = by_cookie(&router, Method::DELETE, "/v1/session", &copied).await;
        assert_eq!(out, StatusCode::NO_CONTENT);
        for replica in [&router, &beside] {
            assert_eq!(looks(replica, &copied).await, StatusCode::UNAUTHORIZED);
            assert_eq!(looks(replica, &other).await, StatusCode::OK, "another browser of hers");
        }
    })
    .await;
}

/// SE-3: everywhere is every device of one person, and nobody else's.
#[tokio::test]
async fn signing_out_everywhere_ends_all_of_a_person_and_nobody_elses() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let router = rig.router_with_tokens(&TOKENS);
        let (one, two) = (signed_in(&router, "alice").await, signed_in(&router, "alice").await);
        let bobs = signed_in(&router, "bob").await;
        let out = by_cookie(&router, Method::DELETE, "/v1/session?everywhere=true", &one).await;
        assert_eq!(out, StatusCode::NO_CONTENT);
        for (cookie, expected) in
            [(&one, StatusCode::UNAUTHORIZED), (&two, StatusCode::UNAUTHORIZED), (&bobs, StatusCode::OK)]
        {
            assert_eq!(looks(&router, cookie).await, expected);
        }
        rig.clock.advance(Duration::from_secs(1));
        let again = signed_in(&router, "alice").await;
        assert_eq!(looks(&router, &again).await, StatusCode::OK, "what is opened afterwards");
    })
    .await;
}

async fn rows(db: &Db) -> i64 {
    let count = sqlx::query_as("SELECT COUNT(*) FROM ended_sessions").fetch_one(db.pool());
    let (rows,): (i64,) = count.await.unwrap();
    rows
}

/// SE-3: a script that signs in and out all day fills no database, and what is over is forgotten.
#[tokio::test]
async fn what_has_ended_is_kept_bounded_and_no_longer_than_it_would_have_lasted() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let (store, now) = (&rig.reporter.store, rig.clock.now());
        let session = |n: usize| OpenSession {
            id: format!("s{n}"),
            person: "alice".to_owned(),
            opened_at: now,
            ends_at: now.plus(SESSION_LIFE),
        };
        for n in 0..300 {
            store.end(&session(n), now).await.unwrap();
            assert!(store.is_ended(&session(n)).await.unwrap(), "{n}");
        }
        assert_eq!(rows(&rig.db).await, 101);
        // By a clock that was ahead when it was opened.
        let ahead = OpenSession { opened_at: now.plus(Duration::from_secs(30)), ..session(300) };
        store.end(&ahead, now).await.unwrap();
        assert!(store.is_ended(&ahead).await.unwrap());
        let bobs = OpenSession { person: "bob".to_owned(), ..session(301) };
        assert!(!store.is_ended(&bobs).await.unwrap());

        assert_eq!(rig.forget(KEEP, now.plus(SESSION_LIFE)).await, 0);
        assert_eq!(rig.forget(KEEP, now.plus(SESSION_LIFE + Duration::from_secs(2 * 3600))).await, 101);
    })
    .await;
}
