//! What reading bodies may cost: each in time, all that are under way together in bytes, and a slot once one has come.
//!
//! A body takes its share of the budget as it comes in, decompressed, so a client that only promises bytes holds
//! none, and a small packet that unpacks to a large one is counted by what it became. Calls that carry data in
//! bulk have a budget of their own: the others are never refused for want of theirs.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use domain::story::figures::format_duration;
use futures_util::stream::{self, Stream, StreamExt as _};
use shared_types::problem::ProblemCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::ApiError;
use super::layers::{Pools, too_many_calls};

const KIB: usize = 1024;

/// The bytes that a call's body holds of the budget. Whoever keeps what was read for longer than the call keeps
/// this with it.
#[derive(Debug, Clone, Default)]
pub struct BodyShare(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl BodyShare {
    /// Takes as much more of the budget, counted in KiB. False: there is not so much left.
    fn grow(&self, budget: &Arc<Semaphore>, bytes: usize) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = held.bytes + bytes;
        let kept = held.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(KIB).saturating_sub(kept);
        let Ok(more) = u32::try_from(more) else { return false };
        if more > 0 {
            let Ok(more) = Arc::clone(budget).try_acquire_many_owned(more) else { return false };
            match &mut held.permit {
                Some(permit) => permit.merge(more),
                none => *none = Some(more),
            }
        }
        held.bytes = bytes;
        true
    }
}

impl<S: Send + Sync> FromRequestParts<S> for BodyShare {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("the body took too long")]
    Slow,
    #[error("too many bytes are under way")]
    Full,
    #[error("too many calls are under way")]
    Busy,
}

impl Refusal {
    fn into_response(self, limit: Duration) -> Response {
        match self {
            Self::Slow => {
                let detail =
                    format!("the body did not come within {}; nothing was done", format_duration(limit));
                ApiError::new(StatusCode::REQUEST_TIMEOUT, ProblemCode::SlowBody, detail).into_response()
            }
            Self::Full => ApiError::unavailable(
                "too many bytes are under way at once; nothing was done",
                Duration::from_secs(1),
            )
            .into_response(),
            Self::Busy => too_many_calls().into_response(),
        }
    }
}

/// What a call takes as its body comes in, and once it has come.
struct Reading {
    share: BodyShare,
    budget: Arc<Semaphore>,
    slots: Arc<Semaphore>,
    /// Held until the call is answered.
    slot: Arc<OnceLock<OwnedSemaphorePermit>>,
    refusal: Arc<OnceLock<Refusal>>,
}

/// Middleware: gives every body a deadline and a share of the budget; 408 or 503 where it runs out of either.
pub(super) async fn bound_bodies(
    State((pools, limit)): State<(Arc<Pools>, Duration)>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let budget = pools.bytes_for(request.uri().path());
    // What is announced and would not fit need not be sent.
    let announced = usize::try_from(request.body().size_hint().lower()).unwrap_or(usize::MAX);
    if announced.div_ceil(KIB) > budget.available_permits() {
        return Refusal::Full.into_response(limit);
    }
    let (share, slot, refusal) = (BodyShare::default(), Arc::default(), Arc::new(OnceLock::new()));
    request.extensions_mut().insert(share.clone());
    let reading = Reading {
        share: share.clone(),
        budget,
        slots: pools.slots_for(request.uri().path()),
        slot: Arc::clone(&slot),
        refusal: Arc::clone(&refusal),
    };
    let request = request.map(|body| Body::from_stream(bounded(body.into_data_stream(), limit, reading)));
    let response = next.run(request).await;
    drop((share, slot)); // a handler works with what it has read until it answers
    match refusal.get() {
        Some(refusal) => refusal.into_response(limit),
        None => response,
    }
}

fn bounded(
    frames: BodyDataStream,
    limit: Duration,
    reading: Reading,
) -> impl Stream<Item = io::Result<Bytes>> {
    let deadline = Instant::now() + limit;
    stream::try_unfold((frames, reading), move |(mut frames, reading)| async move {
        let refuse = |refusal: Refusal| {
            reading.refusal.set(refusal).ok();
            Err(io::Error::other(refusal))
        };
        match tokio::time::timeout_at(deadline, frames.next()).await {
            Ok(None) => match Arc::clone(&reading.slots).try_acquire_owned() {
                Ok(slot) => {
                    reading.slot.set(slot).ok();
                    Ok(None)
                }
                Err(_) => refuse(Refusal::Busy),
            },
            Ok(Some(Ok(bytes))) if reading.share.grow(&reading.budget, bytes.len()) => {
                Ok(Some((bytes, (frames, reading))))
            }
            Ok(Some(Ok(_))) => refuse(Refusal::Full),
            Ok(Some(Err(error))) => Err(io::Error::other(error)),
            Err(_) => refuse(Refusal::Slow),
        }
    })
}
