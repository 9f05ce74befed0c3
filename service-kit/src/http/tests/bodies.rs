//! Bodies are bounded in time and, together, in bytes; those in bulk never displace the others.

use std::io;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::task::JoinHandle;

use super::super::Bulk;
use super::*;

const KIB: usize = 1024;

/// Budgets of 64 KiB, one call in bulk.
fn tight() -> Router {
    let mut parts = parts();
    parts.options.body_budget = 64 * KIB;
    parts.options.bulk = Bulk { calls: &["/events"], in_flight: 1, body_budget: 64 * KIB };
    app(parts)
}

fn post_of(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).body(body.into()).unwrap()
}

/// A call whose handler has read the body and keeps it.
async fn kept(app: &Router, path: &str, bytes: usize) -> JoinHandle<Answer> {
    let call = tokio::spawn(send(app.clone(), post_of(path, vec![b' '; bytes])));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    call
}

/// One byte a second, for ever.
fn drops() -> Body {
    Body::from_stream(stream::repeat(()).then(|()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, io::Error>("x")
    }))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_byte_by_byte_is_a_408_in_bounded_time() {
    let started = tokio::time::Instant::now();
    let answer = send(app(parts()), post_of("/v1/raw", drops())).await;
    insta::assert_snapshot!(answer.problem(), @"408 slow_body: the body did not come within 10s; nothing was done");
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn bytes_beyond_the_budget_are_put_off_and_come_free_again() {
    let app = tight();
    let first = kept(&app, "/v1/keep", 60 * KIB).await;
    // Announced, and not announced: refused before and while it is read.
    for body in [
        Body::from(vec![b' '; 8 * KIB]),
        Body::from_stream(stream::iter([Ok::<_, io::Error>(vec![b' '; 8 * KIB])])),
    ] {
        let answer = send(app.clone(), post_of("/v1/raw", body)).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(answer.problem(), @"503 unavailable: too many bytes are under way at once; nothing was done");
        }
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(send(app.clone(), post_of("/v1/raw", vec![b' '; 4 * KIB])).await.text(), "4096");
    first.abort();
    assert!(first.await.is_err());
    assert_eq!(send(app, post_of("/v1/raw", vec![b' '; 64 * KIB])).await.text(), "65536");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_only_promised_holds_nothing() {
    let app = tight();
    let slow: Vec<_> = (0..200)
        .map(|_| {
            tokio::spawn(send(
                app.clone(),
                post_of("/v1/raw", Body::from_stream(stream::pending::<io::Result<Vec<u8>>>())),
            ))
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(send(app, post_of("/v1/raw", vec![b' '; 64 * KIB])).await.text(), "65536");
    for call in slow {
        assert!(call.await.unwrap().problem().starts_with("408 slow_body"));
    }
}

/// Issue 13, point 16: half requests held all slots for ten seconds each.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_only_promised_holds_no_slot() {
    let mut parts = parts();
    parts.options.in_flight = 1;
    let app = app(parts);
    for _ in 0..20 {
        let promised = Body::from_stream(stream::pending::<io::Result<Vec<u8>>>());
        tokio::spawn(send(app.clone(), post_of("/v1/raw", promised)));
    }
    tokio::task::yield_now().await;
    assert_eq!(send(app.clone(), post_of("/v1/raw", "x")).await.text(), "1");
    // One that came whole holds it, until it is answered.
    let kept = kept(&app, "/v1/keep", 1).await;
    assert!(
        send(app.clone(), post_of("/v1/raw", "x"))
            .await
            .problem()
            .starts_with("503 unavailable: too many calls")
    );
    kept.abort();
    assert!(kept.await.is_err());
    assert_eq!(send(app, post_of("/v1/raw", "x")).await.text(), "1");
}

#[tokio::test(start_paused = true)]
async fn what_a_small_packet_unpacks_to_is_what_counts() {
    use tokio::io::AsyncReadExt as _;
    let mut packed = Vec::new();
    let text = vec![b' '; 200 * KIB];
    async_compression::tokio::bufread::GzipEncoder::new(&text[..]).read_to_end(&mut packed).await.unwrap();
    assert!(packed.len() < KIB);
    let mut request = post_of("/v1/raw", packed);
    request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert!(send(tight(), request).await.problem().starts_with("503 unavailable"));
}

/// The control path is not queued behind the data path.
#[tokio::test(start_paused = true)]
async fn calls_in_bulk_leave_the_others_their_slots_and_bytes() {
    let mut parts = parts();
    parts.options.in_flight = 1;
    parts.options.bulk = Bulk { calls: &["/events"], in_flight: 1, body_budget: 64 * KIB };
    let app = app(parts);
    let bulk = kept(&app, "/v1/x/events", 64 * KIB).await;
    let another = send(app.clone(), post_of("/v1/x/events", "x")).await;
    assert!(another.problem().starts_with("503 unavailable"));
    assert_eq!(another.header("retry-after"), "1");
    assert_eq!(send(app, post_of("/v1/raw", "x")).await.text(), "1");
    bulk.abort();
}
