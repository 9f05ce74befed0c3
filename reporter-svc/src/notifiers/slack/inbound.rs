//! What Slack sends when somebody presses a button: signed, fresh, and from a user who is known here.
//!
//! - <https://docs.slack.dev/authentication/verifying-requests-from-slack>
//! - <https://docs.slack.dev/reference/interaction-payloads/block_actions-payload>

use secrecy::SecretString;
use serde::Deserialize;
use service_kit::vendors::http::Url;
use shared_types::Timestamp;

use super::users::SlackUsers;
use domain::effects::buttons::ButtonAct;
use service_kit::vendors::signature;

/// A request that is older, or younger, is refused: it may be a replay.
const FRESH_S: i64 = 300;

/// How requests from Slack are taken.
#[derive(Debug, Clone)]
pub struct SlackInbound {
    pub signing_secret: SecretString,
    pub users: SlackUsers,
}

/// Why a request is refused before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    #[error("expected the headers X-Slack-Signature and X-Slack-Request-Timestamp, once each")]
    Unsigned,
    #[error("the request is more than 5 minutes old, or from the future")]
    NotFresh,
    #[error("the signature is not that of this body")]
    WrongSignature,
}

impl SlackInbound {
    /// Whether Slack has signed this body, within the last five minutes.
    ///
    /// # Errors
    /// [`Forged`].
    pub fn check(
        &self,
        timestamp: Option<&str>,
        signature: Option<&str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Forged> {
        let (Some(timestamp), Some(signature)) = (timestamp, signature) else { return Err(Forged::Unsigned) };
        let hex = signature.strip_prefix("v0=").ok_or(Forged::WrongSignature)?;
        let parts: [&[u8]; 4] = [b"v0:", timestamp.as_bytes(), b":", body];
        if !signature::is_signed(&self.signing_secret, &parts, hex) {
            return Err(Forged::WrongSignature);
        }
        let sent: i64 = timestamp.parse().map_err(|_| Forged::NotFresh)?;
        let age_s = (now.as_millis().div_euclid(1000)).saturating_sub(sent);
        if age_s.saturating_abs() > FRESH_S { Err(Forged::NotFresh) } else { Ok(()) }
    }
}

/// A pressed button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pressed {
    pub user: String,
    /// Where the message is; none: it cannot be answered there.
    pub channel: Option<String>,
    pub act: ButtonAct,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    user: Id,
    channel: Option<Id>,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct Action {
    #[serde(default)]
    action_id: String,
    #[serde(default)]
    value: String,
}

/// Reads the form `payload=<JSON>`.
///
/// # Errors
/// What was expected instead.
pub fn pressed(body: &[u8]) -> Result<Pressed, &'static str> {
    let form = std::str::from_utf8(body).map_err(|_| "expected a form in UTF-8")?;
    let mut url = Url::parse("http://form.invalid/").map_err(|_| "expected a form")?;
    url.set_query(Some(form));
    let payload = url.query_pairs().find(|(name, _)| name == "payload").map(|(_, value)| value);
    let payload = payload.ok_or("expected a form with the field `payload`")?;
    let payload: Payload =
        serde_json::from_str(&payload).map_err(|_| "expected JSON with `type`, `user` and `actions`")?;
    if payload.kind != "block_actions" {
        return Err("expected an interaction of type `block_actions`");
    }
    let [action] = payload.actions.as_slice() else { return Err("expected exactly one action") };
    let act: ButtonAct =
        serde_json::from_str(&action.value).map_err(|_| "the button is not one of Phasegate's")?;
    if act.id() != action.action_id {
        return Err("the button is not one of Phasegate's");
    }
    Ok(Pressed { user: payload.user.id, channel: payload.channel.map(|it| it.id), act })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slack's own example of a signed request.
    #[test]
    fn slacks_example_is_taken_in_time_and_refused_later() {
        let inbound = SlackInbound {
            signing_secret: "8f742231b10e8888abcd99yyyzzz85a5".into(),
            users: SlackUsers::default(),
        };
        let body =
            b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=\
https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=\
398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        let sent = 1_531_420_618_i64;
        let at = |seconds: i64| Timestamp::from_millis((sent + seconds) * 1000);
        let check = |timestamp: Option<&str>, signature: Option<&str>, body: &[u8], now| {
            inbound.check(timestamp, signature, body, now)
        };
        let stamp = Some("1531420618");
        for seconds in [-300, 0, 300] {
            assert_eq!(check(stamp, Some(signature), body, at(seconds)), Ok(()), "{seconds}");
        }
        for seconds in [-301, 301, 86_400] {
            assert_eq!(check(stamp, Some(signature), body, at(seconds)), Err(Forged::NotFresh), "{seconds}");
        }
        let forged = Err(Forged::WrongSignature);
        assert_eq!(check(Some("1531420619"), Some(signature), body, at(0)), forged);
        assert_eq!(check(stamp, Some(&signature[3..]), body, at(0)), forged);
        assert_eq!(check(stamp, Some("v0="), body, at(0)), forged);
        assert_eq!(check(stamp, Some(&signature.replace("v0", "v1")), body, at(0)), forged);
        assert_eq!(check(stamp, Some(signature), &body[1..], at(0)), forged);
        assert_eq!(check(None, Some(signature), body, at(0)), Err(Forged::Unsigned));
        assert_eq!(check(stamp, None, body, at(0)), Err(Forged::Unsigned));
    }

    #[test]
    fn what_is_no_button_of_ours_is_refused() {
        let form = |payload: &str| {
            let mut url = Url::parse("http://x/").unwrap();
            url.query_pairs_mut().append_pair("payload", payload);
            url.query().unwrap().to_owned()
        };
        let action = |id: &str, value: &str| {
            let action = serde_json::json!({ "action_id": id, "value": value });
            let payload =
                serde_json::json!({ "type": "block_actions", "user": { "id": "U1" }, "actions": [action] });
            form(&payload.to_string())
        };
        let value = r#"{"act":"acknowledge","incident":"INC-20261122-001"}"#;
        let pressed_one = pressed(action("acknowledge", value).as_bytes()).unwrap();
        assert_eq!((pressed_one.user.as_str(), pressed_one.channel), ("U1", None));
        let two = r#"{"type":"block_actions","user":{"id":"U1"},"actions":[{},{}]}"#;
        for wrong in [
            String::new(),
            "payload=".to_owned(),
            "payload=%7B".to_owned(),
            form(r#"{"type":"view_submission","user":{"id":"U1"}}"#),
            form(two),
            action("acknowledge", "{}"),
            action("approve:sre", value),
            action("acknowledge", r#"{"act":"freeze","target":"autosave"}"#),
        ] {
            assert!(pressed(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(pressed(&[0xff, 0xfe]).is_err());
    }
}
