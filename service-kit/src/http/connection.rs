//! Accepts connections: bounded in number, with time limits for clients that say nothing or take nothing, drained at the end.
//!
//! `axum::serve` has none of the three.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::HttpOptions;
use super::held::Held;
use super::room::{Room, Seat};
use super::streams::IsStream;
use crate::seldom;

/// Read ahead of what is asked for, and the longest head: what each connection may hold beside its share of the bodies' budget.
const BUFFER_MAX: usize = 64 << 10;
/// Between attempts to accept while that fails.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn serve(
    listener: TcpListener,
    app: Router,
    options: HttpOptions,
    room: Arc<Room>,
    shutdown: CancellationToken,
) {
    let (graceful, connections, cut) =
        (GracefulShutdown::new(), TaskTracker::new(), CancellationToken::new());
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, peer, seat)) = accepted else { continue };
        let (app, place) = (app.clone(), Arc::clone(&seat));
        let service = tower::service_fn(move |request: Request<Incoming>| {
            answer(app.clone(), Arc::clone(&place), peer, request)
        });
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(options.client_timeout));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // For the time between two calls, too.
            .header_read_timeout(options.client_timeout)
            .max_buf_size(BUFFER_MAX)
            .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(service));
        let (connection, cut) = (graceful.watch(connection), cut.clone());
        connections.spawn(async move {
            let ended = tokio::select! {
                ended = connection => ended,
                () = seat.closed() => return,
                () = cut.cancelled() => return,
            };
            if let Err(error) = ended {
                tracing::trace!(%error, "connection ended");
            }
        });
    }
    drop(listener);
    connections.close();
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(options.drain) => {
            tracing::warn!(open = connections.len(), "cut off connections that did not finish in time");
        }
    }
    cut.cancel();
    connections.wait().await;
}

/// The next connection, once there is room for it; `None` if accepting failed.
async fn accept(listener: &TcpListener, room: &Arc<Room>) -> Option<(TcpStream, SocketAddr, Arc<Seat>)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Small answers must not wait for an acknowledgement of the one before.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::trace!(%error, "no TCP_NODELAY");
            }
            Some((stream, peer, room.enter().await))
        }
        Err(error) => {
            let is_short = room.not_accepted(&error);
            if !is_short {
                seldom!(warn, "a connection was not accepted", &error);
            }
            tokio::time::sleep(PAUSE).await;
            if is_short {
                room.make_way();
            }
            None
        }
    }
}

/// Passes a call on; whose turn it is in its connection, the bodies tell.
async fn answer(
    app: Router,
    seat: Arc<Seat>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response, std::convert::Infallible> {
    seat.ours();
    let mut request = request.map(|body| Body::new(Asked { body, seat: Arc::clone(&seat) }));
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = app.oneshot(request).await?;
    if response.extensions().get::<IsStream>().is_some() {
        seat.stream();
    }
    Ok(response.map(|body| Held::body(body, Answered(seat))))
}

/// A call's body: while more of it is waited for it is the client's turn.
struct Asked {
    body: Incoming,
    seat: Arc<Seat>,
}

impl HttpBody for Asked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(task);
        if polled.is_pending() {
            self.seat.client();
        } else {
            self.seat.ours();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.seat.ours();
    }
}

/// Kept with a call's answer: once that is over it is the client's turn.
struct Answered(Arc<Seat>);

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.client();
    }
}
