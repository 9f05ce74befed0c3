//! How a double behaves, and what it remembers of each request.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use shared_types::Timestamp;

use crate::cut::Scissors;

/// How one request is treated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mode {
    /// As the vendor would.
    #[default]
    Normal,
    /// It takes effect, and the connection is closed without an answer.
    AcceptThenDropReply,
    /// It takes effect, and the answer never comes.
    AcceptThenNeverAnswer,
    /// It takes effect, and the answer is this status.
    ErrorAfterEffect(u16),
    /// It has no effect; the answer is this status.
    ErrorBeforeEffect(u16),
    /// It has no effect; the answer is 429, with or without `Retry-After` in seconds.
    TooManyRequests { retry_after: Option<u64> },
    /// Slack's own: it has no effect; the answer is 200 with `"ok":false` and this error.
    NotOk(&'static str),
    /// It has no effect, and the answer never comes.
    NeverAnswer,
}

/// What a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    Status(u16),
    /// The connection was closed.
    Cut,
    /// Nothing, for as long as the caller waited.
    Nothing,
}

/// A request, whatever came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    pub at: Timestamp,
    pub method: String,
    pub path: String,
    /// Null if there was none that is JSON.
    pub body: Value,
    pub answered: Answered,
}

/// The modes to come.
#[derive(Debug, Default)]
pub(crate) struct Script {
    next: VecDeque<Mode>,
    standing: Mode,
}

impl Script {
    pub(crate) fn queue(&mut self, mode: Mode) {
        self.next.push_back(mode);
    }

    pub(crate) fn stand(&mut self, mode: Mode) {
        self.standing = mode;
    }

    pub(crate) fn take(&mut self) -> Mode {
        self.next.pop_front().unwrap_or_else(|| self.standing.clone())
    }
}

impl Mode {
    /// The answer without effect, if that is the mode's: a status, or silence.
    pub(crate) fn refusal(&self) -> Option<Reply> {
        match self {
            Self::TooManyRequests { retry_after } => {
                let status = StatusCode::TOO_MANY_REQUESTS;
                Some(Reply::Answer(match retry_after {
                    Some(seconds) => (status, [("retry-after", seconds.to_string())]).into_response(),
                    None => status.into_response(),
                }))
            }
            Self::ErrorBeforeEffect(code) => Some(Reply::Answer(status(*code).into_response())),
            Self::NeverAnswer => Some(Reply::Silence),
            Self::NotOk(error) => {
                let body = serde_json::json!({ "ok": false, "error": error });
                Some(Reply::Answer(axum::Json(body).into_response()))
            }
            Self::Normal
            | Self::AcceptThenDropReply
            | Self::AcceptThenNeverAnswer
            | Self::ErrorAfterEffect(_) => None,
        }
    }

    /// What is said once it took effect.
    pub(crate) fn reply(&self, vendors: Response) -> Reply {
        match self {
            Self::AcceptThenDropReply => Reply::Cut,
            Self::AcceptThenNeverAnswer => Reply::Silence,
            Self::ErrorAfterEffect(code) => Reply::Answer(status(*code).into_response()),
            _ => Reply::Answer(vendors),
        }
    }
}

/// What a handler is to do in the end.
pub(crate) enum Reply {
    Answer(Response),
    Cut,
    Silence,
}

impl Reply {
    pub(crate) fn answered(&self) -> Answered {
        match self {
            Self::Answer(response) => Answered::Status(response.status().as_u16()),
            Self::Cut => Answered::Cut,
            Self::Silence => Answered::Nothing,
        }
    }

    /// Does it. Silence lasts until the caller goes away.
    pub(crate) async fn give(self, scissors: &Scissors) -> Response {
        match self {
            Self::Answer(response) => response,
            Self::Cut => {
                scissors.cut();
                StatusCode::NO_CONTENT.into_response()
            }
            Self::Silence => std::future::pending().await,
        }
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The machine's time; a double is part of the outside world.
pub(crate) fn now() -> Timestamp {
    let since: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
