//! The listener: who may be listened for, and how it ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::super::{Bulk, serve};
use super::*;

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

#[tokio::test]
async fn beyond_loopback_tokens_are_needed() {
    let open = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let error = serve(parts(), open, CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("needs PHASEGATE_TOKENS"), "{error}");

    let open = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let stopped = CancellationToken::new();
    stopped.cancel();
    serve(ServiceParts { tokens: Some(tokens()), ..parts() }, open, stopped).await.unwrap();
}

#[tokio::test]
async fn a_call_under_way_is_finished_before_the_end() {
    let (begun, begin) = tokio::sync::oneshot::channel::<()>();
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    let slot = Arc::new(std::sync::Mutex::new(Some((begun, finished))));
    let mut parts = parts();
    parts.router = Router::new().route(
        "/v1/slow",
        get(move || {
            let (begun, finished) = slot.lock().unwrap().take().unwrap();
            async move {
                begun.send(()).unwrap();
                finished.await.unwrap();
                "finished"
            }
        }),
    );
    let (listener, shutdown) = (listener().await, CancellationToken::new());
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(parts, listener, shutdown.clone()));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /v1/slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    begin.await.unwrap();

    shutdown.cancel();
    tokio::task::yield_now().await;
    finish.send(()).unwrap();

    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("finished"), "{text}");
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_never_ends_is_cut_off() {
    let mut parts = parts();
    parts.options.drain = Duration::from_millis(50);
    let (listener, shutdown) = (listener().await, CancellationToken::new());
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(parts, listener, shutdown.clone()));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /v1/never HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    // Another connection is answered: the first one has been taken in.
    let mut other = TcpStream::connect(address).await.unwrap();
    other.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    other.read_u8().await.unwrap();

    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), server).await.unwrap().unwrap().unwrap();
    assert!(client.read_u8().await.is_err());
}

async fn until_said(client: &mut TcpStream, what: &str) -> String {
    let mut text = String::new();
    while !text.contains(what) {
        text.push(char::from(client.read_u8().await.unwrap_or_else(|error| panic!("{error} after {text}"))));
    }
    text
}

/// A client that is refused before or in the middle of its body gets its answer, and the next one on the same connection.
#[tokio::test]
async fn what_a_refusal_leaves_unread_is_passed_over() {
    let mut parts = parts();
    // Too few bytes for one, too few slots for the other.
    parts.options.body_budget = 4 << 20;
    parts.options.bulk = Bulk { calls: &["/events"], in_flight: 0, body_budget: 0 };
    let (listener, shutdown) = (listener().await, CancellationToken::new());
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(parts, listener, shutdown.clone()));
    let mut client = TcpStream::connect(address).await.unwrap();
    for (path, bytes, status) in [
        ("/v1/raw", 2 << 20, 413),
        ("/v1/nowhere", 2 << 20, 404),
        ("/v1/raw", 8 << 20, 503),
        ("/v1/x/events", 8 << 20, 503),
    ] {
        let body = vec![b' '; bytes];
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&body).await.unwrap();
        let answer = until_said(&mut client, "\r\n\r\n{").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        until_said(&mut client, "}").await;
    }
    client.write_all(b"POST /v1/nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n").await.unwrap();
    let answer = until_said(&mut client, "\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "nobody asks for that body: {answer}");
    shutdown.cancel();
    drop(client);
    server.await.unwrap().unwrap();
}
