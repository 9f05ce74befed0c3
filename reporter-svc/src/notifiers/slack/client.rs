//! Slack: `chat.postMessage` with a bot token, or an incoming webhook a channel (NO-3).
//!
//! Slack does not recognise a repeat: a message whose outcome is unknown may appear twice. It must get
//! values whose `&`, `<` and `>` are escaped (`domain::notifiers::slack`), or a metric's name could ping a whole channel.
//!
//! - <https://docs.slack.dev/reference/methods/chat.postMessage>
//! - <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>
//! - <https://docs.slack.dev/apis/web-api/rate-limits>
//! - <https://docs.slack.dev/messaging/formatting-message-text>

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use service_kit::clock::Clock;
use service_kit::outbox::Outcome;
use service_kit::vendors::http::{Client, RequestBuilder, Url};

use super::blocks;
use crate::notifiers::Notifier;
use crate::ways::Look;
use domain::effects::{PostMessage, TellUser};
use service_kit::vendors::answer::{self, Answer};
use service_kit::vendors::secrets::Secrets;
use service_kit::vendors::{Code, Meaning, Row, Status, Vendor, VendorSettingsError, http};

/// What a token needs.
const SCOPE: &str = "chat:write";
/// Slack's own base URL.
pub const DEFAULT_API_URL: &str = "https://slack.com/api/";

/// How Slack is reached.
#[derive(Debug, Clone)]
pub struct SlackSettings {
    pub access: SlackAccess,
    /// Whether what is pressed comes back here: only then messages have buttons. Needs a bot token.
    pub buttons: bool,
    /// For one call; must be shorter than the outbox lease.
    pub timeout: Duration,
}

/// How Slack is reached. Printing it shows no secret.
#[derive(Debug, Clone)]
pub enum SlackAccess {
    /// A bot token with `chat:write`; knows threads.
    BotToken { token: SecretString, api_url: String },
    /// Channel (with `#`) → its incoming webhook's URL, which is the secret; no threads.
    Webhooks(BTreeMap<String, SecretString>),
}

impl SlackAccess {
    /// Reads `#channel=url,#other=url`, the form of `PHASEGATE_SLACK_WEBHOOKS`.
    ///
    /// # Errors
    /// An entry that is not `channel=url`, or a channel that comes twice; the text is not shown.
    pub fn webhooks(text: &SecretString) -> Result<Self, VendorSettingsError> {
        let invalid = VendorSettingsError::Invalid {
            setting: "PHASEGATE_SLACK_WEBHOOKS",
            expected: "channel=https-url,… with each channel once",
        };
        let mut webhooks = BTreeMap::new();
        for entry in text.expose_secret().split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (channel, url) = entry.split_once('=').ok_or_else(|| invalid.clone())?;
            let channel = with_hash(channel.trim());
            let url = url.trim();
            if channel == "#" || Url::parse(url).is_err() {
                return Err(invalid);
            }
            if webhooks.insert(channel.into_owned(), SecretString::from(url)).is_some() {
                return Err(invalid);
            }
        }
        if webhooks.is_empty() { Err(invalid) } else { Ok(Self::Webhooks(webhooks)) }
    }
}

/// A Slack client.
pub struct Slack {
    client: Client,
    endpoint: Endpoint,
    buttons: bool,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
}

enum Endpoint {
    Api { post_message: Url, post_ephemeral: Url, auth_test: Box<Url>, token: SecretString },
    Webhooks(BTreeMap<String, SecretString>),
}

impl Slack {
    /// Checks the settings and builds the client.
    ///
    /// # Errors
    /// A URL that is none, or a client that cannot be built.
    pub fn new(settings: SlackSettings, clock: Arc<dyn Clock>) -> Result<Self, VendorSettingsError> {
        let client = http::client(settings.timeout)?;
        let (endpoint, secrets) = match settings.access {
            SlackAccess::BotToken { token, api_url } => {
                let base = http::base_url("SLACK_API_URL", &api_url)?;
                let expected = "a base URL such as https://slack.com/api/";
                let method = |name: &str| {
                    base.join(name)
                        .map_err(|_| VendorSettingsError::Invalid { setting: "SLACK_API_URL", expected })
                };
                let (post_message, post_ephemeral) =
                    (method("chat.postMessage")?, method("chat.postEphemeral")?);
                let auth_test = Box::new(method("auth.test")?);
                let secrets = Secrets::new([token.clone()]);
                (Endpoint::Api { post_message, post_ephemeral, auth_test, token }, secrets)
            }
            SlackAccess::Webhooks(webhooks) => {
                let secrets = Secrets::new(webhooks.values().flat_map(webhook_secrets));
                (Endpoint::Webhooks(webhooks), secrets)
            }
        };
        let buttons = settings.buttons;
        Ok(Self { client, endpoint, buttons, secrets, clock })
    }

    async fn send(&self, message: &PostMessage, thread: Option<&str>) -> Outcome {
        let channel = with_hash(&message.channel);
        let now = self.clock.now();
        match &self.endpoint {
            Endpoint::Api { post_message, token, .. } => {
                let blocks = blocks::blocks(&message.text, &message.buttons).filter(|_| self.buttons);
                let with_buttons = blocks.is_some();
                let body = api_body(&channel, &message.text, thread, blocks);
                match http::exchange(self.api_call(post_message, token, &body), now).await {
                    // A text must not be lost for its buttons.
                    Ok(answer) if with_buttons && refuses_blocks(&answer) => {
                        let body = api_body(&channel, &message.text, thread, None);
                        self.settle(http::exchange(self.api_call(post_message, token, &body), now).await)
                    }
                    answer => self.settle(answer),
                }
            }
            Endpoint::Webhooks(webhooks) => {
                let Some(url) = webhooks.get(channel.as_ref()) else {
                    return Outcome::Never { reason: no_webhook(&channel) };
                };
                let request = self.client.post(url.expose_secret()).json(&json!({ "text": message.text }));
                self.settle(http::exchange(request, now).await)
            }
        }
    }

    fn api_call(&self, method: &Url, token: &SecretString, body: &Value) -> RequestBuilder {
        self.client
            .post(method.clone())
            .bearer_auth(token.expose_secret())
            .header("content-type", "application/json; charset=utf-8")
            .body(body.to_string())
    }

    fn settle(&self, answer: Result<Answer, Outcome>) -> Outcome {
        match answer {
            Ok(answer) => self.outcome(&answer),
            Err(outcome) => outcome,
        }
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let code = match &self.endpoint {
            Endpoint::Api { .. } => body.as_ref().and_then(api_code).map(Cow::Borrowed),
            Endpoint::Webhooks(_) => webhook_code(&answer.body),
        };
        let meaning = answer::meaning(Self::TABLE, answer.status, code.as_deref());
        if meaning == Meaning::Done {
            let part = |name| body.as_ref().and_then(|body| body.get(name)).cloned().unwrap_or(Value::Null);
            return Outcome::Done(match &self.endpoint {
                Endpoint::Api { .. } => json!({ "ts": part("ts"), "channel": part("channel") }),
                Endpoint::Webhooks(_) => json!({ "webhook": "ok" }),
            });
        }
        let said = code.map_or_else(|| http::excerpt(&answer.body), Cow::into_owned);
        let reason = self.secrets.scrub(format!("{} {said}", answer.status).trim_end());
        answer::outcome(meaning, answer.retry_after, reason)
    }
}

impl std::fmt::Debug for Slack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let endpoint = match &self.endpoint {
            Endpoint::Api { .. } => "chat.postMessage",
            Endpoint::Webhooks(_) => "webhooks",
        };
        f.debug_struct("Slack").field("by", &endpoint).finish_non_exhaustive()
    }
}

#[async_trait]
impl Notifier for Slack {
    fn name(&self) -> &'static str {
        domain::notifiers::slack::Slack::NAME
    }

    fn cannot_reach(&self, channel: &str) -> Option<String> {
        let channel = with_hash(channel);
        match &self.endpoint {
            Endpoint::Webhooks(webhooks) if !webhooks.contains_key(channel.as_ref()) => {
                Some(no_webhook(&channel))
            }
            _ => None,
        }
    }

    /// `auth.test` says whether the token is good, and its scopes: <https://docs.slack.dev/reference/methods/auth.test>
    async fn look(&self, channel: &str) -> Look {
        if let Some(why) = self.cannot_reach(channel) {
            return Look::failing(why);
        }
        match &self.endpoint {
            Endpoint::Api { auth_test, token, .. } => {
                let request = self.api_call(auth_test, token, &json!({}));
                let answer = http::exchange(request, self.clock.now()).await;
                let scopes = answer.as_ref().ok().and_then(scopes);
                let look = match (self.settle(answer), scopes) {
                    (Outcome::Done(_), Some(has)) if !has.iter().any(|it| it == SCOPE) => {
                        Look::failing(format!("the token lacks the scope {SCOPE}; it has {}", has.join(", ")))
                    }
                    (Outcome::Done(_), _) => {
                        Look::ok("the token is good; whether the bot is in the channel only a message shows")
                    }
                    (other, _) => Look::failing(other.reason().unwrap_or("it was not answered").to_owned()),
                };
                look.at(auth_test.origin().ascii_serialization())
            }
            Endpoint::Webhooks(webhooks) => {
                let look = Look::ok("a webhook is set; whether it delivers only a message shows");
                let url = webhooks.get(with_hash(channel).as_ref());
                let url = url.and_then(|it| Url::parse(it.expose_secret()).ok());
                match url {
                    Some(url) => look.at(url.origin().ascii_serialization()),
                    None => look,
                }
            }
        }
    }

    async fn post(&self, message: &PostMessage, thread: Option<&str>, resend: bool) -> Outcome {
        if resend {
            let (channel, notification) = (&message.channel, message.notification);
            tracing::warn!(channel, %notification, "sending again what may have been sent: it may appear twice");
        }
        self.send(message, thread).await
    }

    /// A courtesy: what Slack refuses is not worth a person's time.
    async fn tell(&self, it: &TellUser) -> Outcome {
        let Endpoint::Api { post_ephemeral, token, .. } = &self.endpoint else {
            return Outcome::Done(json!({ "told": false }));
        };
        let body = json!({ "channel": it.channel, "user": it.user, "text": it.text });
        let request = self.api_call(post_ephemeral, token, &body);
        match self.settle(http::exchange(request, self.clock.now()).await) {
            Outcome::Done(_) => Outcome::Done(json!({ "told": true })),
            Outcome::Never { reason } => Outcome::Done(json!({ "told": false, "refused": reason })),
            other => other,
        }
    }
}

impl Vendor for Slack {
    const NAME: &'static str = "slack";
    const REFERENCE: &'static str = "https://docs.slack.dev/reference/methods/chat.postMessage";
    const TABLE: &'static [Row] = TABLE;
}

const fn code(code: &'static str, meaning: Meaning) -> Row {
    Row { status: Status::Is(200), code: Code::Is(code), meaning }
}

/// With HTTP 200 the body tells: `ok`, or the `error` of `"ok":false`. The codes are those of
/// `chat.postMessage`; one that is not listed is tried again, as Slack says that others may come when it is
/// in trouble. A status of 401, 403, 404 or 407 may be a proxy's, or a right that comes back (NO-7). Slack says of `internal_error` and `fatal_error` that part of the call may have succeeded,
/// and a gateway's 5xx promises no more.
const TABLE: &[Row] = &[
    code("ok", Meaning::Done),
    code("ratelimited", Meaning::Patience),
    code("rate_limited", Meaning::Patience),
    code("message_limit_exceeded", Meaning::Never),
    code("internal_error", Meaning::Unknown),
    code("fatal_error", Meaning::Unknown),
    code("service_unavailable", Meaning::Failed),
    code("request_timeout", Meaning::Failed),
    code("team_added_to_org", Meaning::Failed),
    code("not_authed", Meaning::Never),
    code("invalid_auth", Meaning::Never),
    code("account_inactive", Meaning::Never),
    code("token_expired", Meaning::Never),
    code("token_revoked", Meaning::Never),
    code("no_permission", Meaning::Never),
    code("missing_scope", Meaning::Never),
    code("not_allowed_token_type", Meaning::Never),
    code("access_denied", Meaning::Never),
    code("ekm_access_denied", Meaning::Never),
    code("org_login_required", Meaning::Never),
    code("team_access_not_granted", Meaning::Never),
    code("method_deprecated", Meaning::Never),
    code("channel_not_found", Meaning::Never),
    code("not_in_channel", Meaning::Never),
    code("is_archived", Meaning::Never),
    code("is_inactive", Meaning::Never),
    code("restricted_action", Meaning::Never),
    code("restricted_action_read_only_channel", Meaning::Never),
    code("restricted_action_thread_only_channel", Meaning::Never),
    code("restricted_action_non_threadable_channel", Meaning::Never),
    code("restricted_action_thread_locked", Meaning::Never),
    code("cannot_reply_to_message", Meaning::Never),
    code("thread_not_found", Meaning::Never),
    code("msg_too_long", Meaning::Never),
    code("msg_blocks_too_long", Meaning::Never),
    code("no_text", Meaning::Never),
    code("as_user_not_supported", Meaning::Never),
    code("too_many_attachments", Meaning::Never),
    code("invalid_arguments", Meaning::Never),
    code("invalid_arg_name", Meaning::Never),
    code("invalid_blocks", Meaning::Never),
    code("invalid_charset", Meaning::Never),
    code("invalid_json", Meaning::Never),
    code("json_not_object", Meaning::Never),
    code("invalid_post_type", Meaning::Never),
    code("missing_post_type", Meaning::Never),
    Row { status: Status::Is(200), code: Code::Other, meaning: Meaning::Failed },
    Row::of_status(Status::Class(2), Meaning::Unknown),
    Row::of_status(Status::Is(429), Meaning::Patience),
    Row::of_status(Status::Is(503), Meaning::Patience),
    Row::of_status(Status::Is(401), Meaning::Refused),
    Row::of_status(Status::Is(403), Meaning::Refused),
    Row::of_status(Status::Is(404), Meaning::Refused),
    Row::of_status(Status::Is(407), Meaning::Refused),
    Row::of_status(Status::Is(408), Meaning::Failed),
    Row::of_status(Status::Class(3), Meaning::Failed),
    Row::of_status(Status::Class(4), Meaning::Never),
    Row::of_status(Status::Class(5), Meaning::Unknown),
];

/// What every answer of Slack's API says of the token that was shown.
fn scopes(answer: &Answer) -> Option<Vec<String>> {
    let header = answer.headers.get("x-oauth-scopes")?.to_str().ok()?;
    Some(header.split(',').map(|it| it.trim().to_owned()).collect())
}

fn refuses_blocks(answer: &Answer) -> bool {
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    body.as_ref().and_then(api_code).is_some_and(|code| code.starts_with("invalid_blocks"))
}

fn api_body(channel: &str, text: &str, thread: Option<&str>, blocks: Option<Value>) -> Value {
    let mut body = json!({
        "channel": channel,
        "text": text,
        "unfurl_links": false,
        "unfurl_media": false,
    });
    if let Some(thread) = thread {
        body["thread_ts"] = json!(thread);
    }
    if let Some(blocks) = blocks {
        body["blocks"] = blocks;
    }
    body
}

fn api_code(body: &Value) -> Option<&str> {
    match body.get("ok")?.as_bool()? {
        true => Some("ok"),
        false => body.get("error")?.as_str(),
    }
}

/// A webhook answers with one plain word.
fn webhook_code(body: &[u8]) -> Option<Cow<'_, str>> {
    let word = std::str::from_utf8(body).ok()?.trim();
    let is_word =
        !word.is_empty() && word.len() <= 64 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    is_word.then_some(Cow::Borrowed(word))
}

fn no_webhook(channel: &str) -> String {
    format!("no webhook is configured for {channel}")
}

fn with_hash(channel: &str) -> Cow<'_, str> {
    // An encoded id (`C0123ABCD`, `D…`, `G…`) is taken as it is.
    let is_id = channel.len() >= 9
        && channel.starts_with(['C', 'D', 'G'])
        && channel.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if channel.starts_with('#') || is_id { Cow::Borrowed(channel) } else { Cow::Owned(format!("#{channel}")) }
}

/// The URL and its path, either of which opens the channel.
fn webhook_secrets(url: &SecretString) -> Vec<SecretString> {
    let path = Url::parse(url.expose_secret()).map(|url| url.path().to_owned()).unwrap_or_default();
    let path = if path.len() > 1 { path } else { String::new() };
    vec![url.clone(), SecretString::from(path)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_are_read_by_channel_with_or_without_its_hash() {
        let text = SecretString::from("#a=https://hooks.example/1?x=y, b=https://hooks.example/2,");
        let SlackAccess::Webhooks(webhooks) = SlackAccess::webhooks(&text).unwrap() else { panic!() };
        assert_eq!(webhooks.keys().collect::<Vec<_>>(), ["#a", "#b"]);
        assert_eq!(webhooks["#a"].expose_secret(), "https://hooks.example/1?x=y");
    }

    #[test]
    fn a_wrong_webhook_setting_is_refused_without_being_shown() {
        for wrong in [
            "",
            "#a",
            "#a=",
            "=https://hooks.example/s3cret",
            "#a=https://h.example/1,a=https://h.example/s3cret",
        ] {
            let error = SlackAccess::webhooks(&SecretString::from(wrong)).unwrap_err().to_string();
            assert!(error.contains("PHASEGATE_SLACK_WEBHOOKS") && !error.contains("s3cret"), "{error}");
        }
    }
}
