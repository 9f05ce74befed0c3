//! Every error is problem+json and says what is wrong where.

use super::*;
use shared_types::problem::ProblemCode;

#[tokio::test]
async fn a_problem_has_the_members_of_rfc_9457() {
    let answer = post_json(r#"{"target": "autosave", "count": "many"}"#).await;
    insta::assert_snapshot!(answer.text(), @r#"{"type":"urn:phasegate:problem:invalid_body","title":"Invalid body","status":422,"detail":"line 1, column 38, field `count`: invalid type: string \"many\", expected u64"}"#);
}

#[tokio::test]
async fn a_conflict_lists_what_is_missing() {
    let data = serde_json::json!({ "role": "sre" });
    let blocker =
        shared_types::problem::Blocker { code: "approval_missing".into(), detail: "sre".into(), data };
    let error = ApiError::conflict(ProblemCode::Blocked, "`autosave` cannot move up yet", vec![blocker]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&error.problem()).unwrap(), @r#"
    {
      "type": "urn:phasegate:problem:blocked",
      "title": "Blocked",
      "status": 409,
      "detail": "`autosave` cannot move up yet",
      "blockers": [
        {
          "code": "approval_missing",
          "detail": "sre",
          "data": {
            "role": "sre"
          }
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn broken_json_is_named_by_line_and_column() {
    let problem = post_json("{\n  \"target\": autosave }").await.problem();
    insta::assert_snapshot!(problem, @"400 malformed_json: line 2, column 13: expected value");
}

#[tokio::test]
async fn a_wrong_value_is_named_by_its_field() {
    let problem = post_json("{\"target\": \"-x\", \"count\": 1}").await.problem();
    insta::assert_snapshot!(problem, @"422 invalid_body: line 1, column 15, field `target`: `-x` is not a name: expected 1 to 64 of a-z A-Z 0-9 _ -, not starting with -");
}

/// It is logged as well, and shown on terminals.
#[tokio::test]
async fn what_a_problem_quotes_cannot_break_its_line() {
    let problem = post_json("{\"target\": \"auto\\n\\u001b[31msave\"}").await.problem();
    assert!(problem.contains("`auto\\n\\u{1b}[31msave` is not a name"), "{problem}");
}

#[tokio::test]
async fn a_missing_field_is_named() {
    let problem = post_json("{\"target\": \"autosave\"}").await.problem();
    insta::assert_snapshot!(problem, @"422 invalid_body: line 1, column 22: missing field `count`");
}

/// PostgreSQL's TEXT takes no NUL: it must not get as far.
#[tokio::test]
async fn a_nul_in_a_path_a_query_or_a_cursor_is_refused() {
    let cursor = super::super::Cursor::encode(&(1, "a\0b"));
    for (path, expected) in [
        ("/v1/targets/a%00b", "400 invalid_path: path: it has a NUL character"),
        ("/v1/list?cursor=a%00b", "400 invalid_query: query: a value has a NUL character"),
        (
            &format!("/v1/list?cursor={cursor}"),
            "400 invalid_cursor: query: cursor is not one that this list gave out",
        ),
    ] {
        assert_eq!(call("GET", path).await.problem(), expected, "{path}");
    }
}

#[tokio::test]
async fn text_after_the_value_is_refused() {
    let problem = post_json("{\"target\": \"autosave\", \"count\": 1} {}").await.problem();
    insta::assert_snapshot!(problem, @"400 malformed_json: line 1, column 36: trailing characters");
}

#[tokio::test]
async fn json_deeper_than_128_levels_is_refused() {
    let deep = format!("{{\"target\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(post_json(&deep).await.status.is_client_error());
    let deep = "[".repeat(1000);
    let answer = post_bytes("/v1/tree", &[("content-type", "application/json")], deep).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let error =
        super::super::extract::from_json::<serde_json::Value>("[".repeat(1000).as_bytes()).unwrap_err();
    assert_eq!(error.problem().detail, "line 1, column 128: recursion limit exceeded");
}

/// NaN, infinities and what overflows to them never pass as numbers.
#[tokio::test]
async fn no_number_means_no_number() {
    for text in ["NaN", "Infinity", "-Infinity", "1e999", "\"NaN\""] {
        let error = super::super::extract::from_json::<f64>(text.as_bytes()).unwrap_err();
        assert!(error.status().is_client_error(), "{text}");
    }
}

#[tokio::test]
async fn json_needs_its_content_type() {
    let answer = post_bytes("/v1/orders", &[("content-type", "text/plain")], "{}").await;
    insta::assert_snapshot!(answer.problem(), @"415 unsupported_media_type: expected `Content-Type: application/json`");
    let body = r#"{"target":"autosave","count":1}"#;
    let answer = post_bytes("/v1/orders", &[("content-type", "Application/JSON; charset=utf-8")], body).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_bad_path_parameter_is_named() {
    let problem = call("GET", "/v1/targets/-x").await.problem();
    insta::assert_snapshot!(problem, @"400 invalid_path: path: `-x` is not a name: expected 1 to 64 of a-z A-Z 0-9 _ -, not starting with -");
}

#[tokio::test]
async fn a_bad_query_parameter_is_named() {
    insta::assert_snapshot!(call("GET", "/v1/list?limit=many").await.problem(), @"400 invalid_query: query: limit: invalid digit found in string");
    insta::assert_snapshot!(call("GET", "/v1/list?limit=1001").await.problem(), @"400 invalid_query: query: limit must be 1 to 1000");
    insta::assert_snapshot!(call("GET", "/v1/list?cursor=nonsense").await.problem(), @"400 invalid_cursor: query: cursor is not one that this list gave out");
}

#[tokio::test]
async fn an_unknown_path_is_a_problem_too() {
    insta::assert_snapshot!(call("GET", "/v1/nothing").await.problem(), @"404 not_found: there is nothing at `GET /v1/nothing`");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let answer = call("DELETE", "/v1/orders").await;
    insta::assert_snapshot!(answer.problem(), @"405 method_not_allowed: `DELETE /v1/orders` is not possible here");
    assert_eq!(answer.header("allow"), "POST");
}

#[tokio::test]
async fn a_bug_says_nothing_about_its_cause() {
    for path in ["/v1/bug", "/v1/panic"] {
        let answer = call("GET", path).await;
        assert!(answer.problem().starts_with("500 internal: "), "{path}");
        assert!(!answer.text().contains("secret cause"), "{path}");
    }
}

#[tokio::test]
async fn a_503_says_when_to_come_back() {
    assert_eq!(call("GET", "/v1/busy").await.header("retry-after"), "1");
    let error = ApiError::unavailable("later", std::time::Duration::from_millis(1500));
    let answer = Answer::of(axum::response::IntoResponse::into_response(error)).await;
    assert_eq!(answer.header("retry-after"), "2", "rounded up");
}

#[tokio::test]
async fn a_database_that_is_away_or_busy_is_a_503_that_says_which() {
    use crate::db::DbError;
    let told = |error: DbError| {
        let error = ApiError::from(error);
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
        error.problem().detail
    };
    let busy = told(DbError::Busy);
    assert!(busy.contains("it is busy") && busy.contains("ask again"), "{busy}");
    for (error, why) in [
        (DbError::Unanswered, "did not answer in time"),
        (DbError::Sqlx(sqlx::Error::PoolTimedOut), "all connections of the pool are in use"),
        (DbError::Sqlx(sqlx::Error::PoolClosed), "cannot be reached"),
    ] {
        let detail = told(error);
        assert!(detail.contains(why), "{detail}");
    }
    let error = ApiError::from(DbError::Sqlx(sqlx::Error::RowNotFound));
    assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn an_idempotency_key_is_plain_and_given_once() {
    use super::super::IdempotencyKey;
    use axum::extract::FromRequestParts as _;
    let key = async |values: &[&str]| {
        let mut request = Request::post("/");
        for value in values {
            request = request.header("idempotency-key", *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        IdempotencyKey::from_request_parts(&mut parts, &()).await.map_err(|error| error.status().as_u16())
    };
    assert_eq!(key(&[]).await, Ok(IdempotencyKey(None)));
    assert_eq!(key(&["k-1"]).await, Ok(IdempotencyKey(Some("k-1".to_owned()))));
    for bad in [&["a", "b"][..], &[""], &["a b"], &["x".repeat(256).as_str()]] {
        assert_eq!(key(bad).await, Err(400), "{bad:?}");
    }
}

#[test]
fn a_page_knows_whether_there_is_a_next_one() {
    use super::super::Cursor;
    let page = Cursor::page(vec![9, 8, 7], 2, |item| (*item, "x".to_owned()));
    assert_eq!(page.items, [9, 8]);
    let query = PageQuery { limit: None, cursor: page.next };
    assert_eq!(query.after::<(i64, String)>().unwrap(), Some((8, "x".to_owned())));
    assert_eq!(Cursor::page(vec![9, 8], 2, |item| *item).next, None);
}
