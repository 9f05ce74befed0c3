//! Pressing a button: the request that Slack then sends, signed as Slack signs.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use shared_types::Timestamp;

use super::SlackMessage;

/// A request as Slack sends it to the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackPress {
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// A form.
    pub body: String,
}

/// The press of the button with that `action_id` by that user; none: the message has no such button.
pub(super) fn press(
    secret: &str,
    message: &SlackMessage,
    action_id: &str,
    user: &str,
    at: Timestamp,
) -> Option<SlackPress> {
    let button = buttons(message).find(|button| button["action_id"] == action_id)?;
    let interaction = json!({
        "type": "block_actions",
        "team": { "id": "T0DOUBLE" },
        "user": { "id": user, "username": user.to_lowercase(), "team_id": "T0DOUBLE" },
        "channel": { "id": "C0DOUBLE", "name": message.channel.trim_start_matches('#') },
        "message": { "ts": message.ts, "text": message.text },
        "trigger_id": format!("{}.{}", at.as_millis(), message.ts),
        "actions": [{
            "type": "button",
            "block_id": "b1",
            "action_id": action_id,
            "value": button["value"],
            "action_ts": format!("{}.000000", at.as_millis() / 1000),
        }],
    });
    Some(signed(secret, format!("payload={}", form_encoded(&interaction.to_string())), at))
}

/// A body signed at that time.
pub(super) fn signed(secret: &str, body: String, at: Timestamp) -> SlackPress {
    let stamp = at.as_millis() / 1000;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(format!("v0:{stamp}:{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = vec![
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("x-slack-request-timestamp", stamp.to_string()),
        ("x-slack-signature", format!("v0={hex}")),
    ];
    SlackPress { headers, body }
}

/// The buttons of a message.
pub(super) fn buttons(message: &SlackMessage) -> impl Iterator<Item = &Value> {
    let blocks = message.blocks.as_array().into_iter().flatten();
    blocks.flat_map(|block| block["elements"].as_array().into_iter().flatten())
}

fn form_encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(one).collect()
}
