//! The client against real servers: axum where it behaves, a bare socket where it does not.

use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap as Headers;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use futures_util::future::join_all;
use shared_types::bulk::Bulk;
use shared_types::problem::ProblemCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::http::{ApiError, answer_each};

async fn neighbour(router: Router) -> Neighbour {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Neighbour::new(base, Some("s3cret".into()), Duration::from_secs(5)).unwrap()
}

/// Takes one request in, answers `reply`, closes.
async fn bare(reply: &'static [u8], timeout: Duration) -> Neighbour {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        if reply == b"never" {
            std::future::pending::<()>().await;
        }
        stream.write_all(reply).await.unwrap();
    });
    Neighbour::new(base, None, timeout).unwrap()
}

#[test]
fn every_status_has_its_outcome() {
    let five = Some(Duration::from_secs(5));
    let kind = |status: u16, retry_after| {
        let status = StatusCode::from_u16(status).unwrap();
        outcome_of_status(status, retry_after, String::new()).label()
    };
    for status in [429, 503] {
        assert_eq!(kind(status, five), "postponed");
    }
    for status in [401, 403, 408, 421, 425, 429, 500, 502, 503, 504] {
        assert_eq!(kind(status, None), "failed", "{status}");
    }
    for status in [301, 304, 400, 404, 405, 409, 410, 413, 415, 422] {
        assert_eq!(kind(status, five), "never", "{status}");
    }
}

#[test]
fn retry_after_is_read_as_seconds_and_as_a_date() {
    let read = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER_NAME, value.parse().unwrap());
        headers.insert("date", "Sun, 22 Nov 2026 10:00:00 GMT".parse().unwrap());
        retry_after(&headers)
    };
    assert_eq!(read("7"), Some(Duration::from_secs(7)));
    assert_eq!(read("Sun, 22 Nov 2026 10:01:30 GMT"), Some(Duration::from_secs(90)));
    assert_eq!(read("Sun, 22 Nov 2026 09:00:00 GMT"), None, "in the past");
    assert_eq!(read("soon"), None);
    assert_eq!(retry_after(&HeaderMap::new()), None);
}

const RETRY_AFTER_NAME: &str = "retry-after";

#[tokio::test]
async fn a_delivery_carries_the_token_and_gives_the_answer() {
    let echo = |headers: Headers| async move {
        let token = headers["authorization"].to_str().unwrap().to_owned();
        let kind = headers["content-type"].to_str().unwrap().to_owned();
        crate::http::Json(vec![token, kind])
    };
    let neighbour = neighbour(Router::new().route("/v1/batches", post(echo))).await;
    let outcome = neighbour.deliver("/v1/batches", &1).await;
    assert_eq!(outcome, Outcome::Done(serde_json::json!(["Bearer s3cret", "application/json"])));
    assert!(!format!("{neighbour:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_refusal_keeps_what_the_problem_says() {
    let refuse = || async { ApiError::conflict(ProblemCode::BatchDiffers, "another batch is there", vec![]) };
    let neighbour = neighbour(Router::new().route("/v1/batches", post(refuse))).await;
    let outcome = neighbour.deliver("/v1/batches", &1).await;
    assert_eq!(outcome, Outcome::Never { reason: "409: another batch is there".to_owned() });
    let error = neighbour.post_json::<_, ()>("/v1/batches", &1).await.unwrap_err();
    assert_eq!(error.to_string(), "409: another batch is there");
}

#[tokio::test]
async fn patience_is_granted_but_not_for_ever() {
    let busy = || async { ([("retry-after", "999999")], StatusCode::TOO_MANY_REQUESTS).into_response() };
    let neighbour = neighbour(Router::new().route("/", post(busy))).await;
    let outcome = neighbour.deliver("/", &1).await;
    assert!(matches!(outcome, Outcome::Postponed { after, .. } if after == Duration::from_secs(3600)));
}

#[tokio::test]
async fn nobody_there_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let neighbour = Neighbour::new(base, None, Duration::from_secs(5)).unwrap();
    assert!(matches!(neighbour.deliver("/", &1).await, Outcome::Failed { .. }));
    assert!(matches!(neighbour.get_json::<()>("/").await, Err(ClientError::Unreachable { .. })));
}

/// NO-4 An effect whose answer never came may have happened.
#[tokio::test]
async fn no_answer_after_the_request_was_written_is_unknown() {
    for reply in [&b""[..], b"never", b"HTTP/1.1 20"] {
        let neighbour = bare(reply, Duration::from_millis(200)).await;
        assert!(matches!(neighbour.deliver("/", &1).await, Outcome::Unknown { .. }), "{reply:?}");
    }
}

#[tokio::test]
async fn a_2xx_is_done_even_if_its_body_got_lost() {
    let neighbour =
        bare(b"HTTP/1.1 202 Accepted\r\ncontent-length: 9\r\n\r\n{", Duration::from_secs(5)).await;
    assert_eq!(neighbour.deliver("/", &1).await, Outcome::Done(serde_json::Value::Null));
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let endless = || async {
        let chunks = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 1 << 20]));
        axum::body::Body::from_stream(chunks)
    };
    let neighbour = neighbour(Router::new().route("/", get(endless))).await;
    let error = neighbour.get_json::<()>("/").await.unwrap_err();
    assert!(error.to_string().ends_with("it is larger than 16 MiB"), "{error}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = || async { axum::response::Redirect::temporary("http://192.0.2.1/") };
    let neighbour = neighbour(Router::new().route("/", get(elsewhere))).await;
    assert!(matches!(neighbour.get_json::<()>("/").await, Err(ClientError::Refused { status: 307, .. })));
}

#[tokio::test]
async fn an_empty_answer_is_read_as_nothing() {
    let neighbour = neighbour(Router::new().route("/base/x", post(|| async { StatusCode::ACCEPTED }))).await;
    neighbour.post_json_once::<_, ()>("/base/x", &1, "key-1").await.unwrap();
    let with_path = Neighbour { base: neighbour.base.join("/base/").unwrap(), ..neighbour };
    with_path.post_json::<_, ()>("/x", &1).await.unwrap();
}

#[tokio::test]
async fn errors_never_show_the_password_of_a_url() {
    let base = Url::parse("http://user:hunter2@127.0.0.1:1").unwrap();
    let neighbour = Neighbour::new(base, None, Duration::from_secs(1)).unwrap();
    let error = neighbour.get_json::<()>("/v1/x").await.unwrap_err();
    assert!(!format!("{error} {error:?} {neighbour:?}").contains("hunter2"));
}

/// Bodies of `{"n": …}` that came, alone or together.
type Came = Arc<Mutex<Vec<Vec<u64>>>>;

/// Takes each `n` but 3; together only where `bulk` says so.
fn counting(came: &Came, bulk: bool) -> Router {
    let take = |n: u64| match n {
        3 => ApiError::conflict(ProblemCode::BatchDiffers, "three is there", vec![]).into_response(),
        n => (StatusCode::CREATED, crate::http::Json(n)).into_response(),
    };
    let (alone, together) = (Arc::clone(came), Arc::clone(came));
    let one = move |crate::http::Json(n): crate::http::Json<u64>| async move {
        alone.lock().unwrap().push(vec![n]);
        take(n)
    };
    let many = move |crate::http::Json(all): crate::http::Json<Bulk<u64>>| async move {
        together.lock().unwrap().push(all.items.iter().map(|it| it.item).collect());
        answer_each(all, |n| async move { Ok(take(n)) }).await
    };
    let router = Router::new().route("/v1/n", post(one));
    if bulk { router.route("/v1/n/bulk", post(many)) } else { router }
}

async fn deliver_five(neighbour: &Neighbour) -> Vec<Outcome> {
    let numbers: Vec<u64> = (1..=5).collect();
    join_all(numbers.iter().map(|n| neighbour.deliver_together("/v1/n", n))).await
}

fn of_five() -> Vec<Outcome> {
    let done = |n: u64| Outcome::Done(serde_json::json!(n));
    vec![done(1), done(2), Outcome::Never { reason: "409: three is there".into() }, done(4), done(5)]
}

#[tokio::test]
async fn deliveries_at_one_time_travel_together_and_each_has_its_outcome() {
    let came = Came::default();
    let neighbour = neighbour(counting(&came, true)).await;
    assert_eq!(deliver_five(&neighbour).await, of_five());
    assert_eq!(*came.lock().unwrap(), [[1, 2, 3, 4, 5]]);
    // One alone goes as it always has.
    assert_eq!(neighbour.deliver_together("/v1/n", &7).await, Outcome::Done(serde_json::json!(7)));
    assert_eq!(came.lock().unwrap()[1..], [[7]]);
}

#[tokio::test]
async fn a_receiver_of_an_older_release_gets_each_alone() {
    let came = Came::default();
    let neighbour = neighbour(counting(&came, false)).await;
    assert_eq!(deliver_five(&neighbour).await, of_five());
    assert_eq!(came.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn where_nobody_answers_all_that_travelled_together_may_have_happened() {
    let neighbour = bare(b"", Duration::from_millis(200)).await;
    for outcome in deliver_five(&neighbour).await {
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    }
}
