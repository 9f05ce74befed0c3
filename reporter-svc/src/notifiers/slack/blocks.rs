//! A message with buttons as Block Kit: the text in a section, the buttons below it.
//!
//! - <https://docs.slack.dev/reference/block-kit/blocks/section-block>
//! - <https://docs.slack.dev/reference/block-kit/blocks/actions-block>
//! - <https://docs.slack.dev/reference/block-kit/block-elements/button-element>

use serde_json::{Value, json};

use domain::effects::buttons::ButtonAct;

/// Slack's limits, in characters.
const LONGEST_TEXT: usize = 3000;
const LONGEST_LABEL: usize = 75;
const LONGEST_VALUE: usize = 2000;
const LONGEST_ID: usize = 255;
const MOST_BUTTONS: usize = 25;

/// The blocks of a message; none, if no button would be in them. `text` is escaped already.
#[must_use]
pub(super) fn blocks(text: &str, buttons: &[ButtonAct]) -> Option<Value> {
    let buttons: Vec<Value> = buttons.iter().filter_map(button).take(MOST_BUTTONS).collect();
    if buttons.is_empty() {
        return None;
    }
    Some(json!([
        { "type": "section", "text": { "type": "mrkdwn", "text": cut(text) } },
        { "type": "actions", "elements": buttons },
    ]))
}

fn button(act: &ButtonAct) -> Option<Value> {
    let value = serde_json::to_string(act).ok()?;
    let (id, label) = (act.id(), act.label());
    let fits = |text: &str, most: usize| text.chars().count() <= most;
    let shown: String = label.chars().take(LONGEST_LABEL).collect();
    (fits(&value, LONGEST_VALUE) && fits(&id, LONGEST_ID)).then(|| {
        json!({
            "type": "button",
            "action_id": id,
            "style": "primary",
            "text": { "type": "plain_text", "text": shown },
            "value": value,
        })
    })
}

/// Cut to the limit, but never within an entity such as `&amp;`.
fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(LONGEST_TEXT - 1).collect();
    if let Some(at) = cut.rfind('&').filter(|at| !cut[*at..].contains(';')) {
        cut.truncate(at);
    }
    cut + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approve(role: String) -> ButtonAct {
        ButtonAct::Approve {
            target: "autosave".parse().unwrap(),
            role,
            phase: shared_types::PhaseId::parse("B").unwrap(),
            epoch: 2,
            policy_version: "sha256:0".to_owned(),
        }
    }

    #[test]
    fn what_slack_would_refuse_is_cut_or_left_out() {
        assert_eq!(blocks("x", &[]), None);
        assert_eq!(blocks("x", &[approve("r".repeat(3000))]), None, "its value is too long");
        let many: Vec<_> = (0..30).map(|it| approve(format!("role-{it}"))).collect();
        let long = blocks(&format!("{}&amp;&amp;", "x".repeat(2995)), &many).unwrap();
        let text = long[0]["text"]["text"].as_str().unwrap();
        assert_eq!(text, format!("{}…", "x".repeat(2995)));
        assert_eq!(long[1]["elements"].as_array().unwrap().len(), 25);
        let label = blocks("x", &[approve("r".repeat(100))]).unwrap();
        assert_eq!(label[1]["elements"][0]["text"]["text"].as_str().unwrap().chars().count(), 75);
    }

    #[test]
    fn a_buttons_value_is_the_act_whole() {
        let act = approve("sre".to_owned());
        let blocks = blocks("x", std::slice::from_ref(&act)).unwrap();
        let value = blocks[1]["elements"][0]["value"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<ButtonAct>(value).unwrap(), act);
    }
}
