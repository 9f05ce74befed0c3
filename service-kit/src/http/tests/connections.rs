//! On a real listener: clients that say nothing, half of something, or take nothing keep nobody out (issue 13, point 16).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use phasegate_tests::wait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::super::{StreamBounds, serve};
use super::*;

const MOST: usize = 16;
const STREAM: &str = "/v1/flow";
/// Longer than anything takes here; what would hang ends a test with it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service with those bounds and a stream that begins and goes on for ever, until the guard is dropped.
async fn served(options: HttpOptions) -> (SocketAddr, DropGuard) {
    let piece = stream::iter([Ok::<_, Infallible>("begun")]);
    streaming(options, None, move || Body::from_stream(piece.clone().chain(stream::pending()))).await
}

async fn streaming(
    options: HttpOptions,
    tokens: Option<Arc<Authenticator>>,
    body: impl Fn() -> Body + Clone + Send + Sync + 'static,
) -> (SocketAddr, DropGuard) {
    let streams = StreamBounds { paths: &[STREAM], ..options.streams };
    let mut parts = parts();
    parts.options = HttpOptions { streams, ..options };
    parts.router = parts.router.route(STREAM, get(move || async move { body() }));
    parts.tokens = tokens;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    tokio::spawn(serve(parts, listener, shutdown.clone()));
    (address, shutdown.drop_guard())
}

fn of(most: usize, of_one: usize) -> StreamBounds {
    StreamBounds { paths: &[STREAM], most, of_one }
}

fn options() -> HttpOptions {
    HttpOptions { connections: MOST, drain: Duration::ZERO, ..HttpOptions::default() }
}

/// A connection that says this much, and stays open.
async fn says(address: SocketAddr, what: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(what.as_bytes()).await.unwrap();
    client
}

/// A whole call on a connection of its own: the answer's text, its head included.
async fn asks(address: SocketAddr, head: &str, body: &str) -> std::io::Result<String> {
    let length = body.len();
    let call = format!(
        "{head} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer opensesame\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut client = says(address, &call).await;
    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, client.read_to_string(&mut answer)).await;
    read.expect("an answer in time").map(|_| answer)
}

async fn is_ended(client: &mut TcpStream) -> bool {
    let mut some = [0; 1024];
    loop {
        match tokio::time::timeout(PATIENCE, client.read(&mut some)).await.expect("its end in time") {
            Ok(0) | Err(_) => return true,
            Ok(_) => {}
        }
    }
}

/// Opens six times as many connections as there may be, and calls after some of them.
async fn a_real_call_gets_through((address, _guard): (SocketAddr, DropGuard), what: &str) {
    let mut others = Vec::new();
    for number in 0..6 * MOST {
        others.push(says(address, what).await);
        if number % 8 == 0 {
            let answer = asks(address, "GET /healthz", "").await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "after {number}: {answer}");
        }
    }
    let answer = asks(address, "GET /v1/me", "").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(is_ended(&mut others[0]).await, "the oldest made room");
    let answer = asks(address, "GET /readyz", "").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains(r#""name":"connections","state":"degraded""#) && answer.contains("all 16"),
        "{answer}"
    );
}

#[tokio::test]
async fn idle_connections_beyond_the_bound_keep_nobody_out() {
    a_real_call_gets_through(served(options()).await, "").await;
}

#[tokio::test]
async fn half_heads_beyond_the_bound_keep_nobody_out() {
    a_real_call_gets_through(served(options()).await, "POST /v1/raw HTTP/1.1\r\nHost: lo").await;
}

/// From clients without a token: they are refused, and their bodies waited for.
#[tokio::test]
async fn bodies_that_do_not_come_keep_nobody_out() {
    let server = streaming(options(), Some(tokens()), Body::empty).await;
    let half = "POST /v1/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc";
    a_real_call_gets_through(server, half).await;
}

#[tokio::test]
async fn calls_that_take_long_leave_room_for_probes() {
    let (address, _guard) = served(options()).await;
    let mut slow = Vec::new();
    for _ in 0..MOST {
        slow.push(says(address, "GET /v1/never HTTP/1.1\r\nHost: localhost\r\n\r\n").await);
    }
    let answer = asks(address, "GET /healthz", "").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_client_that_says_nothing_or_half_a_head_is_closed_in_time() {
    let timeout = Duration::from_millis(200);
    let (address, _guard) = served(HttpOptions { client_timeout: timeout, ..options() }).await;
    for what in ["", "GET /hea", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        assert!(is_ended(&mut says(address, what).await).await, "{what}");
    }
}

#[tokio::test]
async fn streams_beyond_their_bounds_are_put_off() {
    let open = async |bounds, expected: &str| {
        let (address, _guard) = served(HttpOptions { streams: bounds, ..options() }).await;
        let call = format!("GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut stream = says(address, &call).await;
            stream.read_exact(&mut [0; 12]).await.unwrap();
            streams.push(stream);
        }
        let answer = asks(address, &format!("GET {STREAM}"), "").await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 15"), "{answer}");
        assert!(answer.contains(expected), "{answer}");
        // A place is free again once a client has gone.
        streams.pop();
        wait::until("a place for a stream", || async {
            let mut stream = says(address, &call).await;
            let mut status = [0; 12];
            stream.read_exact(&mut status).await.unwrap();
            if status.ends_with(b"200") { Ok(()) } else { Err("refused") }
        })
        .await;
    };
    open(of(2, 9), "2 streams are open").await;
    open(of(9, 2), "`local` has 2 streams open").await;
}

#[tokio::test]
async fn streams_take_no_room_from_calls() {
    let (address, _guard) = served(HttpOptions { streams: of(3 * MOST, 3 * MOST), ..options() }).await;
    let mut streams = Vec::new();
    for _ in 0..3 * MOST {
        let mut stream = says(address, &format!("GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        stream.read_exact(&mut [0; 12]).await.unwrap();
        streams.push(stream);
    }
    let answer = asks(address, "POST /v1/raw", "events").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = asks(address, "GET /readyz", "").await.unwrap();
    assert!(answer.contains(r#""name":"connections","state":"ok""#), "{answer}");
}

#[tokio::test]
async fn a_reader_that_stalls_is_dropped() {
    let timeout = Duration::from_millis(200);
    let (address, _guard) =
        streaming(HttpOptions { streams: of(1, 1), client_timeout: timeout, ..options() }, None, || {
            // Fills every buffer of one who does not read.
            Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(vec![b' '; 64 << 10])))
        })
        .await;
    let call = format!("GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let _stalled = says(address, &call).await;
    wait::until("the place of the reader that stalls", || async {
        let mut stream = says(address, &call).await;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        if status.ends_with(b"200") { Ok(()) } else { Err("it holds its place") }
    })
    .await;
}
