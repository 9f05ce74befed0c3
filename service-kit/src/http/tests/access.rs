//! Who may call what.

use super::*;

async fn call_with(authorization: Option<&str>, method: &str, path: &str) -> Answer {
    let mut parts = parts();
    parts.tokens = Some(tokens());
    let mut request = Request::builder().method(method).uri(path);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    send(app(parts), request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_valid_token_gives_name_and_roles() {
    for authorization in ["Bearer opensesame", "bearer  opensesame"] {
        let answer = call_with(Some(authorization), "GET", "/v1/me").await;
        assert_eq!(answer.text(), r#"alice {"dev-lead", "sre"}"#);
    }
}

#[tokio::test]
async fn without_a_valid_token_every_v1_call_is_a_401() {
    for authorization in
        [None, Some("Bearer wrong"), Some("Basic opensesame"), Some("opensesame"), Some("Bearer ")]
    {
        for path in ["/v1/me", "/v1/nothing", "/v1"] {
            let answer = call_with(authorization, "GET", path).await;
            assert!(answer.problem().starts_with("401 unauthorized"), "{authorization:?} {path}");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"phasegate\"");
        }
    }
}

/// One wrong script must not cost the others of its address anything.
#[tokio::test]
async fn wrong_tokens_end_in_429_and_right_ones_pass() {
    let mut parts = parts();
    parts.tokens = Some(tokens());
    let app = app(parts);
    let status = async |token: &str| {
        let request = Request::get("/v1/me").header("authorization", format!("Bearer {token}"));
        let answer = send(app.clone(), request.body(Body::empty()).unwrap()).await;
        (answer.status.as_u16(), answer.header("retry-after").to_owned())
    };
    for _ in 0..10 {
        assert_eq!(status("wrong").await.0, 401);
    }
    let (code, wait) = status("wrong").await;
    assert!(code == 429 && (1..=6).contains(&wait.parse::<u32>().unwrap()), "{code} {wait}");
    assert_eq!(status("opensesame").await.0, 200);
}

/// The 403 names the roles that would do.
#[tokio::test]
async fn a_token_without_the_role_is_a_403() {
    let answer = call_with(Some("Bearer opensesame"), "POST", "/v1/orders").await;
    insta::assert_snapshot!(answer.problem(), @"403 forbidden: this needs one of the roles governance, release-ops; the roles of `alice`: dev-lead, sre");
}

#[tokio::test]
async fn what_the_document_does_not_name_nobody_may_call() {
    for (method, path) in [("GET", "/v1/list"), ("POST", "/v1/raw"), ("GET", "/v1/panic")] {
        let answer = call_with(Some("Bearer opensesame"), method, path).await;
        assert!(answer.problem().starts_with("403 forbidden: this needs a role that nobody holds"), "{path}");
    }
    let answer = call_with(Some("Bearer opensesame"), "DELETE", "/v1/orders").await;
    assert!(answer.problem().starts_with("405 method_not_allowed"));
    assert_eq!(answer.header("allow"), "POST");
    let answer = call_with(Some("Bearer opensesame"), "GET", "/v1/nothing").await;
    assert!(answer.problem().starts_with("404 not_found"));
    assert_eq!(call_with(Some("Bearer opensesame"), "HEAD", "/v1/me").await.status, StatusCode::OK);
}

#[tokio::test]
async fn signed_webhooks_and_probes_need_no_token() {
    assert_eq!(call_with(None, "POST", "/v1/webhooks/pager").await.text(), "anonymous");
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        assert_eq!(call_with(None, "GET", path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn without_tokens_the_caller_is_the_local_user() {
    assert_eq!(call("GET", "/v1/me").await.text(), "local {}");
    assert!(Identity::local().holds("sre"));
    assert!(!Identity::anonymous().holds("sre"));
    assert!(!Identity::verified("bob", ["sre".to_owned()]).holds("governance"));
}

/// A page elsewhere must not reach a service without tokens through the browser of whoever runs it.
#[tokio::test]
async fn without_tokens_other_web_sites_are_refused() {
    let status = async |name: &str, value: &str| {
        let request = Request::get("/v1/me").header(name, value).body(Body::empty()).unwrap();
        send(app(parts()), request).await.status
    };
    for host in ["localhost:7101", "127.0.0.1:7101", "[::1]:7101", "[::1]", "LOCALHOST"] {
        assert_eq!(status("host", host).await, StatusCode::OK, "{host}");
    }
    for host in ["evil.example:7101", "192.168.0.7", "localhost.evil.example", ""] {
        assert_eq!(status("host", host).await, StatusCode::FORBIDDEN, "{host}");
    }
    assert_eq!(status("sec-fetch-site", "cross-site").await, StatusCode::FORBIDDEN);
    assert_eq!(status("sec-fetch-site", "same-origin").await, StatusCode::OK);
    // Another port of this machine is the same site: its page may look, and change nothing.
    assert_eq!(status("sec-fetch-site", "same-site").await, StatusCode::OK);
    let change = Request::post("/v1/raw").header("sec-fetch-site", "same-site").body(Body::empty()).unwrap();
    assert_eq!(send(app(parts()), change).await.status, StatusCode::FORBIDDEN);
}
