//! Slack: `chat.postMessage` and incoming webhooks.

mod blocks;
mod press;
mod rules;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use shared_types::Timestamp;

use crate::cut::Scissors;
use crate::mode::{Attempt, Mode, Reply, Script, now};
use crate::server::{Server, Shared};

pub use press::SlackPress;

/// What the double's workspace is like.
#[derive(Debug, Clone)]
pub struct SlackOptions {
    /// The one bot token that opens it.
    pub token: String,
    /// The channels there are, with `#`; `None`: every channel that is named.
    pub channels: Option<Vec<String>>,
    /// Refuses more than one message a second and channel.
    pub rate_limited: bool,
    /// What the token may do.
    pub scopes: String,
    /// What it signs its own requests with.
    pub signing_secret: String,
}

impl Default for SlackOptions {
    fn default() -> Self {
        Self {
            token: "xoxb-double-0123456789".to_owned(),
            channels: None,
            rate_limited: false,
            scopes: "chat:write,chat:write.public".to_owned(),
            signing_secret: "double-signing-secret".to_owned(),
        }
    }
}

/// A message that is in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackMessage {
    pub at: Timestamp,
    /// With `#`.
    pub channel: String,
    /// As it was sent.
    pub text: String,
    pub ts: String,
    pub thread_ts: Option<String>,
    pub by_webhook: bool,
    /// Null without.
    pub blocks: Value,
    /// Shown to this user alone.
    pub only_to: Option<String>,
}

impl SlackMessage {
    /// As a reader sees it: entities are resolved.
    #[must_use]
    pub fn shown(&self) -> String {
        self.text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    }

    /// The `action_id`s of its buttons.
    #[must_use]
    pub fn buttons(&self) -> Vec<String> {
        press::buttons(self).filter_map(|it| it["action_id"].as_str().map(str::to_owned)).collect()
    }

    /// What it would make Slack do: the insides of its `<…>`, such as `!channel`.
    #[must_use]
    pub fn control_sequences(&self) -> Vec<String> {
        let inside = |part: &str| part.split_once('>').map(|(inside, _)| inside.to_owned());
        self.text.split('<').skip(1).filter_map(inside).collect()
    }
}

/// A Slack workspace on this machine.
pub struct SlackDouble {
    server: Server,
    shared: Shared<Workspace>,
}

struct Workspace {
    options: SlackOptions,
    script: Script,
    messages: Vec<SlackMessage>,
    attempts: Vec<Attempt>,
    last_post: HashMap<String, Instant>,
    posted: u32,
}

impl SlackDouble {
    /// Starts with the default options.
    ///
    /// # Errors
    /// No port could be had.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_with(SlackOptions::default()).await
    }

    /// Starts.
    ///
    /// # Errors
    /// No port could be had.
    pub async fn start_with(options: SlackOptions) -> std::io::Result<Self> {
        let shared = Shared::new(Workspace {
            options,
            script: Script::default(),
            messages: Vec::new(),
            attempts: Vec::new(),
            last_post: HashMap::new(),
            posted: 0,
        });
        let router = Router::new()
            .route("/api/chat.postMessage", post(post_message))
            .route("/api/chat.postEphemeral", post(post_ephemeral))
            .route("/api/auth.test", post(auth_test))
            .route("/services/{channel}", post(post_by_webhook))
            .layer(DefaultBodyLimit::max(4 * 1024 * 1024))
            .with_state(shared.clone());
        Ok(Self { server: Server::start(router).await?, shared })
    }

    /// For `SLACK_API_URL`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}/api/", self.server.address)
    }

    /// For `SLACK_BOT_TOKEN`.
    #[must_use]
    pub fn token(&self) -> String {
        self.shared.lock().options.token.clone()
    }

    /// For `SLACK_SIGNING_SECRET`.
    #[must_use]
    pub fn signing_secret(&self) -> String {
        self.shared.lock().options.signing_secret.clone()
    }

    /// The request that Slack sends when that user presses that button; none: there is no such button.
    #[must_use]
    pub fn press(
        &self,
        message: &SlackMessage,
        action_id: &str,
        user: &str,
        at: Timestamp,
    ) -> Option<SlackPress> {
        press::press(&self.signing_secret(), message, action_id, user, at)
    }

    /// Any body, signed as Slack signs.
    #[must_use]
    pub fn signed(&self, body: &str, at: Timestamp) -> SlackPress {
        press::signed(&self.signing_secret(), body.to_owned(), at)
    }

    /// The incoming webhook of a channel.
    #[must_use]
    pub fn webhook_url(&self, channel: &str) -> String {
        format!("http://{}/services/{}", self.server.address, channel.trim_start_matches('#'))
    }

    /// Treats the next request so; those after it are queued behind it.
    pub fn next(&self, mode: Mode) -> &Self {
        self.shared.lock().script.queue(mode);
        self
    }

    /// Treats every request so for which nothing is queued.
    pub fn always(&self, mode: Mode) -> &Self {
        self.shared.lock().script.stand(mode);
        self
    }

    /// What is in the channels, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<SlackMessage> {
        self.shared.lock().messages.clone()
    }

    /// What is in one channel, oldest first.
    #[must_use]
    pub fn messages_in(&self, channel: &str) -> Vec<SlackMessage> {
        self.messages().into_iter().filter(|message| message.channel == channel).collect()
    }

    /// All requests, whatever came of them.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.shared.lock().attempts.clone()
    }

    /// Waits until the messages are so, for `limit` at most; false if they never were.
    pub async fn wait_until(&self, limit: Duration, condition: impl Fn(&[SlackMessage]) -> bool) -> bool {
        let met = |workspace: &Workspace| condition(&workspace.messages).then_some(());
        self.shared.wait_for(limit, met).await.is_some()
    }

    /// Waits for the message with this number, counted from 0; a way to follow them as they come.
    pub async fn message(&self, number: usize, limit: Duration) -> Option<SlackMessage> {
        self.shared.wait_for(limit, |workspace| workspace.messages.get(number).cloned()).await
    }
}

async fn post_message(
    State(shared): State<Shared<Workspace>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = shared.lock().treat("/api/chat.postMessage", &body, |workspace| {
        workspace.post_message(&headers, &body).map_or_else(rules::Refusal::as_api, |answer| (answer, true))
    });
    shared.announce();
    reply.give(&scissors).await
}

async fn post_ephemeral(
    State(shared): State<Shared<Workspace>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = shared.lock().treat("/api/chat.postEphemeral", &body, |workspace| {
        let posted = workspace.post_ephemeral(&headers, &body);
        posted.map_or_else(rules::Refusal::as_api, |answer| (answer, true))
    });
    shared.announce();
    reply.give(&scissors).await
}

/// Says whose token it is, and in a header what it may do.
async fn auth_test(
    State(shared): State<Shared<Workspace>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = shared.lock().treat("/api/auth.test", &body, |workspace| {
        let options = &workspace.options;
        match rules::check_token(&headers, &options.token) {
            Err(refusal) => refusal.as_api(),
            Ok(()) => {
                let answer = json!({ "ok": true, "team": "Double", "user": "phasegate" });
                (([("x-oauth-scopes", options.scopes.clone())], axum::Json(answer)).into_response(), true)
            }
        }
    });
    reply.give(&scissors).await
}

async fn post_by_webhook(
    State(shared): State<Shared<Workspace>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = shared.lock().treat("/services", &body, |workspace| {
        let posted = workspace.post_by_webhook(&format!("#{channel}"), &headers, &body);
        posted.map_or_else(rules::Refusal::as_webhook, |answer| (answer, true))
    });
    shared.announce();
    reply.give(&scissors).await
}

impl Workspace {
    /// Treats a request by its mode and writes it down. `act` says its answer and whether it had an effect.
    fn treat(&mut self, path: &str, body: &[u8], act: impl FnOnce(&mut Self) -> (Response, bool)) -> Reply {
        let mode = self.script.take();
        let reply = mode.refusal().unwrap_or_else(|| match act(self) {
            (answer, true) => mode.reply(answer),
            (refusal, false) => Reply::Answer(refusal),
        });
        self.attempts.push(Attempt {
            at: now(),
            method: "POST".to_owned(),
            path: path.to_owned(),
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
            answered: reply.answered(),
        });
        reply
    }

    fn post_message(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<Response, rules::Refusal> {
        rules::check_token(headers, &self.options.token)?;
        let asked = rules::api_message(headers, body)?;
        self.check_channel(&asked.channel)?;
        if let Some(thread) = &asked.thread_ts {
            let mut channel = self.messages.iter().filter(|message| message.channel == asked.channel);
            if !channel.any(|message| &message.ts == thread) {
                return Err(rules::Refusal::Error("thread_not_found"));
            }
        }
        self.take_turn(&asked.channel)?;
        let message = self.keep(SlackMessage {
            thread_ts: asked.thread_ts,
            blocks: asked.blocks.unwrap_or_default(),
            ..said(asked.channel, asked.text)
        });
        let id = format!("C{:08}", message.channel.bytes().map(u32::from).sum::<u32>());
        let mut said = json!({ "type": "message", "text": message.text, "ts": message.ts });
        if let Some(thread) = &message.thread_ts {
            said["thread_ts"] = json!(thread);
        }
        let answer = json!({ "ok": true, "channel": id, "ts": message.ts, "message": said });
        Ok(axum::Json(answer).into_response())
    }

    fn post_by_webhook(
        &mut self,
        channel: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Response, rules::Refusal> {
        let text = rules::webhook_text(headers, body)?;
        self.check_channel(channel)?;
        self.take_turn(channel)?;
        self.keep(SlackMessage { by_webhook: true, ..said(channel.to_owned(), text) });
        Ok((StatusCode::OK, "ok").into_response())
    }

    fn post_ephemeral(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<Response, rules::Refusal> {
        rules::check_token(headers, &self.options.token)?;
        let asked = rules::api_message(headers, body)?;
        let Some(user) = asked.user else { return Err(rules::Refusal::Error("user_not_in_channel")) };
        let message = self.keep(SlackMessage { only_to: Some(user), ..said(asked.channel, asked.text) });
        Ok(axum::Json(json!({ "ok": true, "message_ts": message.ts })).into_response())
    }

    fn check_channel(&self, channel: &str) -> Result<(), rules::Refusal> {
        let is_there =
            self.options.channels.as_ref().is_none_or(|all| all.iter().any(|name| name == channel));
        if is_there { Ok(()) } else { Err(rules::Refusal::Error("channel_not_found")) }
    }

    fn take_turn(&mut self, channel: &str) -> Result<(), rules::Refusal> {
        let now = Instant::now();
        let last = self.last_post.insert(channel.to_owned(), now);
        match last {
            Some(last) if self.options.rate_limited && now - last < Duration::from_secs(1) => {
                self.last_post.insert(channel.to_owned(), last);
                Err(rules::Refusal::RateLimited)
            }
            _ => Ok(()),
        }
    }

    fn keep(&mut self, message: SlackMessage) -> SlackMessage {
        self.posted += 1;
        let ts = format!("{}.{:06}", message.at.as_millis() / 1000, self.posted);
        let message = SlackMessage { ts, ..message };
        self.messages.push(message.clone());
        message
    }
}

/// A plain message of now, not yet numbered.
fn said(channel: String, text: String) -> SlackMessage {
    SlackMessage {
        at: now(),
        channel,
        text,
        ts: String::new(),
        thread_ts: None,
        by_webhook: false,
        blocks: Value::Null,
        only_to: None,
    }
}
