//! What Slack refuses. Pure.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// One of Slack's error codes.
    Error(&'static str),
    RateLimited,
}

impl Refusal {
    /// As `chat.postMessage` says it; second: it had no effect.
    pub(super) fn as_api(self) -> (Response, bool) {
        let response = match self {
            Self::Error(error) => axum::Json(json!({ "ok": false, "error": error })).into_response(),
            Self::RateLimited => {
                let body = axum::Json(json!({ "ok": false, "error": "ratelimited" }));
                (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], body).into_response()
            }
        };
        (response, false)
    }

    /// As a webhook says it: one word, with a status.
    pub(super) fn as_webhook(self) -> (Response, bool) {
        let response = match self {
            Self::Error(word @ "channel_not_found") => (StatusCode::NOT_FOUND, word).into_response(),
            Self::Error(word) => (StatusCode::BAD_REQUEST, word).into_response(),
            Self::RateLimited => {
                (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], "rate_limited").into_response()
            }
        };
        (response, false)
    }
}

/// The arguments of `chat.postMessage` that may come; Slack ignores others, here they are mistakes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiMessage {
    #[serde(default)]
    pub(super) channel: String,
    #[serde(default)]
    pub(super) text: String,
    pub(super) thread_ts: Option<String>,
    /// Of `chat.postEphemeral`.
    pub(super) user: Option<String>,
    pub(super) blocks: Option<Value>,
    #[serde(rename = "unfurl_links")]
    _unfurl_links: Option<bool>,
    #[serde(rename = "unfurl_media")]
    _unfurl_media: Option<bool>,
    #[serde(rename = "mrkdwn")]
    _mrkdwn: Option<bool>,
    #[serde(rename = "reply_broadcast")]
    _reply_broadcast: Option<bool>,
    #[serde(rename = "metadata")]
    _metadata: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookMessage {
    #[serde(default)]
    text: String,
}

const LONGEST_TEXT: usize = 40_000;

pub(super) fn check_token(headers: &HeaderMap, token: &str) -> Result<(), Refusal> {
    let Some(given) = headers.get(header::AUTHORIZATION) else { return Err(Refusal::Error("not_authed")) };
    if given.as_bytes() == format!("Bearer {token}").as_bytes() {
        Ok(())
    } else {
        Err(Refusal::Error("invalid_auth"))
    }
}

pub(super) fn api_message(headers: &HeaderMap, body: &[u8]) -> Result<ApiMessage, Refusal> {
    if !is_json(headers) {
        return Err(Refusal::Error("invalid_post_type"));
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| Refusal::Error("invalid_json"))?;
    if !value.is_object() {
        return Err(Refusal::Error("json_not_object"));
    }
    let mut asked: ApiMessage =
        serde_json::from_value(value).map_err(|_| Refusal::Error("invalid_arguments"))?;
    if asked.channel.trim_start_matches('#').is_empty() {
        return Err(Refusal::Error("channel_not_found"));
    }
    if !asked.channel.starts_with('#') {
        asked.channel.insert(0, '#');
    }
    check_text(&asked.text)?;
    if let Some(blocks) = &asked.blocks {
        super::blocks::check(blocks)?;
    }
    Ok(asked)
}

pub(super) fn webhook_text(headers: &HeaderMap, body: &[u8]) -> Result<String, Refusal> {
    if !is_json(headers) {
        return Err(Refusal::Error("invalid_payload"));
    }
    let message: WebhookMessage =
        serde_json::from_slice(body).map_err(|_| Refusal::Error("invalid_payload"))?;
    check_text(&message.text)?;
    Ok(message.text)
}

fn check_text(text: &str) -> Result<(), Refusal> {
    match text.chars().count() {
        0 => Err(Refusal::Error("no_text")),
        length if length > LONGEST_TEXT => Err(Refusal::Error("msg_too_long")),
        _ => Ok(()),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
