//! What every notifier's addresses and texts must hold.

use super::*;
use crate::kinds::Kinds;

fn message() -> Message {
    Message(vec![
        Span::Text("<https://wiki|wiki> ".to_owned()),
        Span::Value("<!channel> & co".to_owned()),
        Span::Value("\n".to_owned()),
        Span::Code("phasegate ack <id>".to_owned()),
    ])
}

/// NO-3: what is a value means nothing to the vendor; the template's own words stay its own.
#[test]
fn values_are_escaped_for_the_vendor_and_only_there() {
    let rendered = |address: &str| address.parse::<Address>().unwrap().render(&message());
    assert_eq!(rendered("#a"), "<https://wiki|wiki> &lt;!channel&gt; &amp; co\n`phasegate ack &lt;id&gt;`");
    for plain in ["runbook", "log"] {
        assert_eq!(rendered(plain), "<https://wiki|wiki> <!channel> & co\n`phasegate ack <id>`");
    }
}

#[test]
fn an_address_has_a_short_and_a_long_form_and_is_kept_in_one() {
    for (written, kept) in
        [("#a", "slack:#a"), ("slack:#a", "slack:#a"), ("runbook", "runbook:runbook"), ("log", "log:log")]
    {
        assert_eq!(format!("{:?}", written.parse::<Address>().unwrap()), kept);
    }
    assert_eq!("slack:#a".parse::<Address>(), "#a".parse::<Address>());
    for wrong in ["", "a", "#", "#a b", "#a,b", "##a", "slack:a", "teams:a", "runbook:x"] {
        let error = wrong.parse::<Address>().unwrap_err();
        assert_eq!(
            error,
            format!("expected a Slack channel such as \"#incident\", `runbook` or `log`, found `{wrong}`")
        );
    }
}

/// What asks for an answer goes where somebody can give one.
#[test]
fn nobody_is_asked_where_nobody_answers() {
    let asked = |written| Address::parse(written, &Kinds::shipped(), true);
    assert!(asked("#incident").is_ok());
    assert_eq!(
        asked("runbook").unwrap_err(),
        "expected a Slack channel such as \"#incident\", found `runbook`"
    );
}

/// Every kind keeps its own addresses, and no two kinds take the same.
#[test]
fn each_kept_address_is_read_back_as_itself_by_one_kind() {
    let kinds = Kinds::shipped();
    for written in ["#a", "runbook", "log"] {
        let takers: Vec<_> = kinds.notifiers().iter().filter_map(|it| it.address(written)).collect();
        assert_eq!(takers, [written]);
    }
}

/// OP-8: what a command printed steers no terminal and hides nothing in a message, whoever sends it.
#[test]
fn values_are_shown_without_control_bytes() {
    let message = Message(vec![
        Span::Text("🚨 ".to_owned()),
        Span::Value("\u{1b}]0;owned\u{7}<red>\u{202e}".to_owned()),
        Span::Code("flags\u{9b}31m A".to_owned()),
    ]);
    assert_eq!(message.plain(), "🚨 \u{fffd}]0;owned\u{fffd}<red>\u{fffd}`flags\u{fffd}31m A`");
    let slack = slack::Slack.render(&message);
    assert_eq!(slack, "🚨 \u{fffd}]0;owned\u{fffd}&lt;red&gt;\u{fffd}`flags\u{fffd}31m A`");
}
