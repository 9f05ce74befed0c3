//! A selector of one target as one of many: where a label is the target's name, one answer can hold the series of several
//! targets, and the label tells whose they are.

use std::collections::BTreeSet;

use shared_types::TargetName;

/// A selector, and where the target's name stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Among {
    /// All of it where it is the same for whoever has it.
    before: String,
    label: Option<String>,
    after: String,
}

impl Among {
    /// By the first matcher `label="name"`. A selector that has none is asked for as it stands.
    pub(super) fn of(selector: &str, target: &TargetName) -> Self {
        let parts: Vec<&str> = selector.split('"').collect();
        // In other quotes, in a comment and with escapes, a quote is no end of a string.
        let has_plain_strings = !selector.contains(['\'', '`', '\\', '#']);
        let is_whose = |at: &usize| parts[*at] == target.as_str() && label_of(parts[at - 1]).is_some();
        let whose = (1..parts.len()).step_by(2).find(is_whose).filter(|_| has_plain_strings);
        let Some(at) = whose else {
            return Self { before: selector.to_owned(), label: None, after: String::new() };
        };
        let before = parts[..at].join("\"");
        let before = before.strip_suffix('=').unwrap_or(&before).to_owned();
        let label = label_of(parts[at - 1]).map(str::to_owned);
        Self { before, label, after: parts[at + 1..].join("\"") }
    }

    /// The label whose value is the target's name.
    pub(super) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The selector of the series of several targets. No name needs an escape in a pattern.
    pub(super) fn of_all<'t>(&self, targets: impl Iterator<Item = &'t TargetName>) -> String {
        let Self { before, label, after } = self;
        if label.is_none() {
            return before.clone();
        }
        let names: BTreeSet<&str> = targets.map(TargetName::as_str).collect();
        let operator = if names.len() == 1 { "=" } else { "=~" };
        let names = names.into_iter().collect::<Vec<_>>().join("|");
        format!("{before}{operator}\"{names}\"{after}")
    }
}

/// The label of a text that ends as a matcher `label=`. By a metric's name nothing can be told apart that was computed.
fn label_of(text: &str) -> Option<&str> {
    let text = text.strip_suffix('=')?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (before, label) = text.split_at(text.rfind(|c| !is_part(c)).map_or(0, |at| at + 1));
    let begins = before.trim_end().ends_with(['{', ',']) && !label.starts_with(|c: char| c.is_ascii_digit());
    (begins && !label.is_empty() && label != "__name__").then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<TargetName> {
        names.iter().map(|it| TargetName::parse(it).unwrap()).collect()
    }

    #[track_caller]
    fn is_among(selector: &str, label: Option<&str>, of_two: &str) {
        let [one, two] = names(&["shop", "a-b"]).try_into().unwrap();
        let among = Among::of(selector, &one);
        assert_eq!(among.label(), label, "{selector}");
        assert_eq!(among.of_all([&one].into_iter()), selector);
        assert_eq!(among.of_all([&one, &two].into_iter()), of_two);
        let other = Among::of(&selector.replace("\"shop\"", "\"a-b\""), &two);
        assert_eq!(other == among, label.is_some() || !selector.contains("\"shop\""), "{selector}");
    }

    /// TE-5: the label that is the target's name is found, and only that.
    #[test]
    fn a_selector_of_a_target_becomes_one_of_several() {
        is_among(
            r#"x_total{a="b", feature="shop",c!~"d"}"#,
            Some("feature"),
            r#"x_total{a="b", feature=~"a-b|shop",c!~"d"}"#,
        );
        is_among(r#"{feature="shop"}"#, Some("feature"), r#"{feature=~"a-b|shop"}"#);
        is_among("up", None, "up");
        is_among(r#"up{job="x"}"#, None, r#"up{job="x"}"#);
        for other in [
            r#"x{a!="shop"}"#,
            r#"x{a=~"shop"}"#,
            r#"{"shop"}"#,
            r#"x{b='a="shop"'}"#,
            r#"x{b="\\",a="shop"}"#,
            r#"{__name__="shop"}"#,
            "x{b=\"\", # a,a=\"shop\"\n}",
        ] {
            is_among(other, None, other);
        }
        is_among(r#"x{a="shopping"}"#, None, r#"x{a="shopping"}"#);
    }
}
