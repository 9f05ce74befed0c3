//! Answers that do not end: bounded for all together and for each caller, so that they never take what calls need.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::held::Held;
use super::{ApiError, HttpOptions};
use crate::auth::Identity;

/// A page polls meanwhile, so nothing is lost by it.
const COME_BACK: Duration = Duration::from_secs(15);

/// Which paths are streams, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub struct StreamBounds {
    pub paths: &'static [&'static str],
    /// At once; one more is answered 503.
    pub most: usize,
    /// Of one caller (a token's or person's name; all who need no token are one).
    pub of_one: usize,
}

#[derive(Debug)]
pub(super) struct Streams {
    bounds: StreamBounds,
    /// Open ones, by caller.
    open: Mutex<BTreeMap<String, usize>>,
}

/// Marks the answer whose connection is a stream from now on.
#[derive(Debug, Clone, Copy)]
pub(super) struct IsStream;

impl Streams {
    pub(super) fn new(options: &HttpOptions) -> Self {
        Self { bounds: options.streams, open: Mutex::default() }
    }

    fn enter(self: &Arc<Self>, caller: &str) -> Result<Place, ApiError> {
        let StreamBounds { most, of_one, .. } = self.bounds;
        let mut open = self.open();
        let (all, own) = (open.values().sum::<usize>(), open.get(caller).copied().unwrap_or(0));
        let full = if all >= most {
            format!("{all} streams are open, and no more are allowed (--http-streams)")
        } else if own >= of_one {
            format!("`{caller}` has {own} streams open, and no more are allowed (--http-streams-per-caller)")
        } else {
            open.insert(caller.to_owned(), own + 1);
            return Ok(Place { streams: Arc::clone(self), caller: caller.to_owned() });
        };
        Err(ApiError::unavailable(full, COME_BACK))
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One stream's; free again when it is dropped.
#[derive(Debug)]
struct Place {
    streams: Arc<Streams>,
    caller: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        if let Some(own) = open.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.caller);
            }
        }
    }
}

/// Refuses streams beyond their bounds; to be passed once the caller is known.
pub(super) async fn bound_streams(
    State(streams): State<Arc<Streams>>,
    request: Request,
    next: Next,
) -> Response {
    if !streams.bounds.paths.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let caller = request.extensions().get::<Identity>().map_or("", |caller| caller.name.as_str());
    let place = match streams.enter(caller) {
        Ok(place) => place,
        Err(full) => return full.into_response(),
    };
    let mut response = next.run(request).await;
    if response.status().is_success() {
        response.extensions_mut().insert(IsStream);
        response = response.map(|body| Held::body(body, place));
    }
    response
}
