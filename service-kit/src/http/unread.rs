//! What an answer leaves unread of its request's body is read and thrown away, within bounds. Else the connection would be
//! closed under a client that is still sending, and its answer can get lost by that. Where the bounds do not suffice the answer
//! says that the connection ends, so that no further call is lost on it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;

/// So much of a body is thrown away after the answer is known, and so long.
const BYTES_MAX: usize = 16 << 20;
const TIME_MAX: Duration = Duration::from_secs(2);

/// Middleware around all that may refuse a call before its body has come.
pub(super) async fn pass_over_unread(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Such a client sends only what it was asked for, and reading would ask for it.
    let waits_to_be_asked = request.headers().contains_key(EXPECT);
    let (back, mut unread) = oneshot::channel();
    let mut response = next.run(request.map(|body| Body::new(Lent { body, back: Some(back) }))).await;
    if let Ok(body) = unread.try_recv() {
        // Who took too long already is not waited for again.
        let is_hopeless = waits_to_be_asked || response.status() == StatusCode::REQUEST_TIMEOUT;
        if !body.is_end_stream() && (is_hopeless || !pass_over(body).await) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
    response
}

/// A body that comes back when whoever reads it has seen enough.
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take() {
            back.send(std::mem::take(&mut self.body)).ok();
        }
    }
}

/// False: there is more of it than is waited for.
async fn pass_over(body: Body) -> bool {
    let to_its_end = async {
        let mut frames = body.into_data_stream();
        let mut left = BYTES_MAX;
        while let Some(Ok(bytes)) = frames.next().await {
            match left.checked_sub(bytes.len()) {
                Some(less) => left = less,
                None => return false,
            }
        }
        true
    };
    tokio::time::timeout(TIME_MAX, to_its_end).await.unwrap_or(false)
}
