//! Slack against its double.

use std::time::Duration;

use serde_json::json;
use service_kit::outbox::Outcome;
use vendor_doubles::{Mode, SlackDouble, SlackOptions};

use super::{KIND, Slack, SlackAccess, SlackSettings};
use crate::notifiers::Notifier;
use crate::tests::{self, TIMEOUT, Trial, clock, opened};
use crate::ways::ChannelState;
use domain::effects::buttons::ButtonAct;
use domain::effects::{PostMessage, TellUser};
use domain::notifiers::slack::escape;
use service_kit::vendors::{Code, Vendor};

const TOKEN: &str = "xoxb-s3cret-token";
const PATH: &str = "T0/B0/s3cretpath";

fn message(channel: &str, text: &str) -> PostMessage {
    tests::message(KIND.name, channel, text)
}

fn slack_by_token(api_url: &str, token: &str, timeout: Duration) -> Slack {
    let access = SlackAccess::BotToken { token: token.into(), api_url: api_url.to_owned() };
    Slack::new(SlackSettings { access, buttons: true, timeout }, clock()).unwrap()
}

fn slack_by_webhook(channel: &str, url: &str, timeout: Duration) -> Slack {
    let access = SlackAccess::webhooks(&format!("{channel}={url}").into()).unwrap();
    Slack::new(SlackSettings { access, buttons: true, timeout }, clock()).unwrap()
}

pub(crate) fn by_webhook(channel: &str, url: &str) -> Slack {
    slack_by_webhook(channel, url, TIMEOUT)
}

fn told_token(url: &str) -> [String; 2] {
    [format!("--slack-bot-token={TOKEN}"), format!("--slack-api-url={url}")]
}

fn told_webhook(url: &str) -> [String; 1] {
    [format!("--slack-webhooks=#a={url}/services/{PATH}")]
}

/// The ways in which Slack is asked.
pub(crate) fn trials() -> Vec<Trial> {
    fn api_body(code: Code) -> &'static str {
        match code {
            Code::Is("ok") => r#"{"ok":true,"channel":"C1","ts":"1.2"}"#,
            Code::Is(code) => format!(r#"{{"ok":false,"error":"{code}"}}"#).leak(),
            Code::Other => r#"{"ok":false,"error":"an_error_of_tomorrow"}"#,
            Code::Any | Code::Unreadable => "<html>gateway</html>",
        }
    }
    fn webhook_body(code: Code) -> &'static str {
        match code {
            Code::Is(code) => code,
            Code::Other => "an_error_of_tomorrow",
            Code::Any | Code::Unreadable => "<html>gateway</html>",
        }
    }
    vec![
        Trial {
            name: "slack by token",
            table: Slack::TABLE,
            reference: Slack::REFERENCE,
            body: api_body,
            only_reads: false,
            secrets: &[TOKEN],
            call: |url, timeout| {
                Box::pin(async move {
                    let slack = opened(&KIND, &told_token(&url), timeout);
                    slack.post(&message("#a", "text"), None, false).await
                })
            },
            documented: &[
                (200, r#"{"ok":true,"ts":"1.2","channel":"C1"}"#, "done"),
                (200, r#"{"ok":false,"error":"channel_not_found"}"#, "never"),
                (200, r#"{"ok":false,"error":"invalid_auth"}"#, "never"),
                (200, r#"{"ok":false,"error":"msg_too_long"}"#, "never"),
                (200, r#"{"ok":false,"error":"is_archived"}"#, "never"),
                (200, r#"{"ok":false,"error":"not_in_channel"}"#, "never"),
                (200, r#"{"ok":false,"error":"ratelimited"}"#, "failed"),
                (200, r#"{"ok":false,"error":"service_unavailable"}"#, "failed"),
                (200, r#"{"ok":false,"error":"request_timeout"}"#, "failed"),
                (200, r#"{"ok":false,"error":"internal_error"}"#, "unknown"),
                (200, r#"{"ok":false,"error":"fatal_error"}"#, "unknown"),
                (200, "ok", "unknown"),
                (204, "", "unknown"),
                (403, "<html>proxy</html>", "refused"),
                (407, "", "refused"),
                (502, "", "unknown"),
            ],
            shown: |url| format!("{:?}", slack_by_token(url, TOKEN, TIMEOUT)),
        },
        Trial {
            name: "slack by webhook",
            table: Slack::TABLE,
            reference: Slack::REFERENCE,
            body: webhook_body,
            only_reads: false,
            secrets: &[PATH],
            call: |url, timeout| {
                Box::pin(async move {
                    let slack = opened(&KIND, &told_webhook(&url), timeout);
                    slack.post(&message("#a", "text"), None, true).await
                })
            },
            documented: &[
                (200, "ok", "done"),
                (200, "<html>signed in?</html>", "unknown"),
                (201, "ok", "unknown"),
                (403, "invalid_token", "refused"),
                (404, "no_service", "refused"),
                (410, "channel_is_archived", "never"),
                (500, "rollup_error", "unknown"),
            ],
            shown: |url| format!("{:?}", slack_by_webhook("#a", &format!("{url}/services/{PATH}"), TIMEOUT)),
        },
    ]
}

/// NO-6: told nothing, it writes to the log; what belongs together is asked for together.
#[test]
fn what_slack_is_told_is_checked() {
    assert_eq!(opened(&KIND, &[], TIMEOUT).log_only(), Some("Slack messages"));
    assert_eq!(opened(&KIND, &told_token("https://slack.com/api"), TIMEOUT).log_only(), None);
    let told = tests::told(&KIND, &["--slack-users=U1=ana:sre".to_owned()]);
    let refused = (KIND.open)(&told, &tests::opening(".".into(), TIMEOUT)).err().unwrap();
    assert_eq!(refused.to_string(), "PHASEGATE_SLACK_USERS needs SLACK_SIGNING_SECRET");
}

/// NO-3
#[tokio::test]
async fn a_later_message_joins_the_thread_of_the_first() {
    let double = SlackDouble::start().await.unwrap();
    let slack = slack_by_token(&double.api_url(), &double.token(), TIMEOUT);
    let Outcome::Done(first) = slack.post(&message("#a", "first"), None, false).await else { panic!() };
    let other = slack_by_token(&double.api_url(), &double.token(), TIMEOUT);
    let outcome = other.post(&message("#a", "second"), first["ts"].as_str(), false).await;
    assert_eq!(outcome.label(), "done");
    let messages = double.messages_in("#a");
    assert_eq!(messages[1].thread_ts.as_ref(), Some(&messages[0].ts));
    assert!(first["channel"].as_str().unwrap().starts_with('C'));
}

/// NO-3: buttons beside the same text, where they come back; and never a text lost for its buttons.
#[tokio::test]
async fn a_message_has_buttons_only_where_they_lead_somewhere() {
    let double = SlackDouble::start().await.unwrap();
    let acknowledge = ButtonAct::Acknowledge { incident: tests::incident() };
    let message = PostMessage { buttons: vec![acknowledge], ..message("#a", "🚨 violation") };
    let slack = slack_by_token(&double.api_url(), &double.token(), TIMEOUT);
    assert_eq!(slack.post(&message, None, false).await.label(), "done");
    let access = SlackAccess::BotToken { token: double.token().into(), api_url: double.api_url() };
    let mute = Slack::new(SlackSettings { access, buttons: false, timeout: TIMEOUT }, clock()).unwrap();
    assert_eq!(mute.post(&message, None, false).await.label(), "done");
    let long = PostMessage { text: "x".repeat(10_000), ..message.clone() };
    let again = slack_by_token(&double.api_url(), &double.token(), TIMEOUT);
    assert_eq!(again.post(&long, None, false).await.label(), "done");
    let shown: Vec<_> = double.messages().iter().map(|it| (it.text.chars().count(), it.buttons())).collect();
    let acknowledge = || vec!["acknowledge".to_owned()];
    assert_eq!(shown, [(11, acknowledge()), (11, vec![]), (10_000, acknowledge())]);
}

/// NO-3: an answer to one person is a courtesy: what Slack refuses is done with.
#[tokio::test]
async fn an_answer_is_shown_to_the_one_who_pressed() {
    let double = SlackDouble::start().await.unwrap();
    let slack = slack_by_token(&double.api_url(), &double.token(), TIMEOUT);
    let [notifier, channel, user, text] = [KIND.name, "C0DOUBLE", "U1", "Done."].map(str::to_owned);
    let answer = TellUser { notifier, channel, user, text };
    assert_eq!(slack.tell(&answer).await, Outcome::Done(json!({ "told": true })));
    assert_eq!(double.messages()[0].only_to.as_deref(), Some("U1"));
    let refused = slack_by_token(&double.api_url(), "xoxb-other", TIMEOUT).tell(&answer).await;
    assert_eq!(refused.label(), "done");
    let broken = slack_by_token(&double.api_url(), &double.token(), TIMEOUT);
    double.next(Mode::TooManyRequests { retry_after: None });
    assert_eq!(broken.tell(&answer).await.label(), "failed", "it is tried again");
}

/// NO-3
#[tokio::test]
async fn values_are_shown_as_they_are_and_command_nothing() {
    let double = SlackDouble::start().await.unwrap();
    let slack = slack_by_token(&double.api_url(), &double.token(), TIMEOUT);
    let value = "<!channel> p95 > 2s & rising";
    let text = format!("<https://example.com|runbook> {}", escape(value));
    assert_eq!(slack.post(&message("#a", &text), None, false).await.label(), "done");
    let shown = &double.messages()[0];
    assert!(shown.shown().ends_with(value));
    assert_eq!(shown.control_sequences(), ["https://example.com|runbook"]);
}

/// NO-4
#[tokio::test]
async fn a_lost_reply_is_unknown_and_the_message_may_be_there() {
    let double = SlackDouble::start().await.unwrap();
    for mode in [Mode::AcceptThenDropReply, Mode::ErrorAfterEffect(502), Mode::AcceptThenNeverAnswer] {
        let slack = slack_by_token(&double.api_url(), &double.token(), Duration::from_millis(300));
        double.next(mode.clone());
        assert_eq!(slack.post(&message("#a", "x"), None, false).await.label(), "unknown", "{mode:?}");
    }
    assert_eq!(double.messages().len(), 3);
    let slack = slack_by_token(&double.api_url(), &double.token(), TIMEOUT);
    double.next(Mode::NotOk("msg_too_long"));
    let outcome = slack.post(&message("#a", "x"), None, false).await;
    assert_eq!(outcome, Outcome::Never { reason: "200 msg_too_long".to_owned() });
    assert_eq!(double.messages().len(), 3);
}

#[tokio::test]
async fn a_webhook_posts_to_its_channel_and_knows_no_other() {
    let double = SlackDouble::start().await.unwrap();
    let slack = slack_by_webhook("#a", &double.webhook_url("#a"), TIMEOUT);
    assert_eq!(
        slack.post(&message("#a", "text"), Some("1.2"), false).await,
        Outcome::Done(json!({ "webhook": "ok" }))
    );
    let outcome = slack.post(&message("#b", "text"), None, false).await;
    assert_eq!(outcome, Outcome::Never { reason: "no webhook is configured for #b".to_owned() });
    let messages = double.messages();
    assert_eq!((messages.len(), messages[0].channel.as_str(), messages[0].by_webhook), (1, "#a", true));
}

#[tokio::test]
async fn what_slack_refuses_for_good_is_never_sent_again() {
    let options = SlackOptions { channels: Some(vec!["#a".to_owned()]), ..SlackOptions::default() };
    let double = SlackDouble::start_with(options).await.unwrap();
    let long = "x".repeat(40_001);
    for (token, channel, text, error) in [
        (double.token().as_str(), "#nowhere", "text", "channel_not_found"),
        ("xoxb-wrong", "#a", "text", "invalid_auth"),
        (double.token().as_str(), "#a", "", "no_text"),
        (double.token().as_str(), "#a", long.as_str(), "msg_too_long"),
    ] {
        let slack = slack_by_token(&double.api_url(), token, TIMEOUT);
        let outcome = slack.post(&message(channel, text), None, false).await;
        assert_eq!(outcome, Outcome::Never { reason: format!("200 {error}") });
    }
    assert_eq!(double.messages(), []);
}

/// NO-7: a token is asked about, and nothing is sent.
#[tokio::test]
async fn a_look_says_whether_the_token_is_good_and_may_write() {
    let look = async |options: SlackOptions, token: &str| {
        let double = SlackDouble::start_with(options).await.unwrap();
        let slack = slack_by_token(&double.api_url(), token, TIMEOUT);
        let look = slack.look("#a").await;
        assert!(double.messages().is_empty(), "nothing is sent");
        assert!(look.receiver.as_ref().is_some_and(|it| double.api_url().starts_with(it)), "{look:?}");
        look
    };
    let options = SlackOptions::default();
    let good = options.token.clone();
    assert_eq!(look(options.clone(), &good).await.state, ChannelState::Ok);
    let wrong = look(options.clone(), "xoxb-another-one").await;
    assert_eq!(wrong.state, ChannelState::Failing);
    assert!(wrong.detail.contains("invalid_auth"), "{wrong:?}");
    let reads = look(SlackOptions { scopes: "channels:read".to_owned(), ..options }, &good).await;
    assert_eq!(reads.state, ChannelState::Failing);
    assert_eq!(reads.detail, "the token lacks the scope chat:write; it has channels:read");

    let webhooks = slack_by_webhook("#a", &format!("http://127.0.0.1:9/services/{PATH}"), TIMEOUT);
    let there = webhooks.look("#a").await;
    assert_eq!(
        (there.state, there.receiver.as_deref()),
        (ChannelState::Ok, Some("http://127.0.0.1:9")),
        "no secret of it"
    );
    assert_eq!(webhooks.look("#b").await.state, ChannelState::Failing);
}
