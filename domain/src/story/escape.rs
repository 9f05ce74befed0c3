//! What Slack asks of a value in a message (NO-3).

use std::borrow::Cow;

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
