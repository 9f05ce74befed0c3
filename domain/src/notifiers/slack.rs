//! Slack: channels, and what it asks of a value in a message (NO-3).

use std::borrow::Cow;
use std::time::Duration;

use super::{Message, NotifierKind};

/// The kind.
#[derive(Debug, Clone, Copy)]
pub struct Slack;

impl Slack {
    /// Its name.
    pub const NAME: &'static str = "slack";
    /// What its outbox rows are called: the release before knows no other name, and replicas of both work side by side (OP-6).
    pub const ROW_KIND: &'static str = "PostSlackMessage";
    /// And those that answer one of its users.
    pub const ANSWER_KIND: &'static str = "TellSlackUser";
}

impl NotifierKind for Slack {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn expected(&self) -> &'static str {
        "a Slack channel such as \"#incident\""
    }

    /// `slack:#incident`, in short `#incident`.
    fn address(&self, written: &str) -> Option<String> {
        let channel = written.strip_prefix("slack:").unwrap_or(written);
        let name = channel.strip_prefix('#').filter(|name| (1..=80).contains(&name.chars().count()))?;
        let plain = |c: char| !c.is_whitespace() && !",#=".contains(c);
        name.chars().all(plain).then(|| channel.to_owned())
    }

    /// One message a second and channel, says Slack.
    fn pace(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn render(&self, message: &Message) -> String {
        message.rendered(|value| escape(value).into_owned())
    }
}

/// A value made safe to stand in a message: `&`, `<`, `>` and nothing else, as Slack asks. For values
/// only; the template's own text may hold links.
#[must_use]
pub fn escape(value: &str) -> Cow<'_, str> {
    if !value.contains(['&', '<', '>']) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NO-3
    #[test]
    fn a_value_cannot_hold_control_sequences_and_is_escaped_once() {
        assert_eq!(escape("<!channel> a & b > c"), "&lt;!channel&gt; a &amp; b &gt; c");
        assert_eq!(escape("&amp;"), "&amp;amp;");
        assert!(matches!(escape("p95=2.81s \"*_~`"), Cow::Borrowed(_)));
    }
}
