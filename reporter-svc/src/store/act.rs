//! Acts under an `Idempotency-Key`, and whether a key is used again for the same.

use domain::audit::digest;
use serde_json::Value;

/// What a fingerprint begins with: how it was made. Another way gets another number, and knows this one.
const SCHEME: &str = "asked/1";

/// An act under an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    pub request_id: String,
    /// Whose act: the target, or the user who pressed a button.
    whose: String,
    /// What is done: `start`, `promote`, `approve`, …
    what: &'static str,
    /// What was asked for; the same key for something else is refused.
    fingerprint: String,
}

impl Act {
    /// The fingerprint is a hash over the canonical JSON of what was asked. What is null there counts as absent, so that a
    /// later release can ask more and still know a repeat of what was asked without it.
    #[must_use]
    pub fn new(request_id: String, whose: &str, what: &'static str, asked: Value) -> Self {
        let all = serde_json::json!({ "whose": whose, "what": what, "asked": without_nulls(asked) });
        let fingerprint = format!("{SCHEME} {}", digest(&all));
        Self { request_id, whose: whose.to_owned(), what, fingerprint }
    }

    /// As it is kept.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether what is kept under the key is this act.
    ///
    /// Before there were schemes the Debug text of the event was kept: `autosave Start { by: "ana" }`. Its first two words
    /// say whose act it was and which; the rest depends on how a type was written down in that release, and cannot be
    /// compared. Such a key counts as a repeat: the one who asks gets the first answer, and nothing is done twice, while a
    /// refusal would hit honest repeats across the upgrade. Rows of that kind are as old as the upgrade.
    #[must_use]
    pub fn is_repeat_of(&self, kept: &str) -> bool {
        if kept.starts_with("asked/") {
            return kept == self.fingerprint;
        }
        let mut words = kept.split([' ', '{']);
        words.next() == Some(self.whose.as_str())
            && words.next().is_some_and(|what| what.eq_ignore_ascii_case(self.what))
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(given.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn promote(asked: Value) -> Act {
        Act::new("key".to_owned(), "autosave", "promote", asked)
    }

    /// OP-6: the hash is pinned, or a repeat across an upgrade would be refused.
    #[test]
    fn a_fingerprint_is_made_of_what_was_asked_and_stays_the_same() {
        let act = promote(json!({ "by": "ana", "from": null }));
        assert_eq!(
            act.fingerprint(),
            "asked/1 sha256:ebc0a45db650f9b1b746ae851fcee19b48a3f089ba8d2386013b07825853eab1"
        );
        assert!(act.is_repeat_of(promote(json!({ "by": "ana" })).fingerprint()), "a null says nothing");
        for other in [json!({ "by": "ben" }), json!({ "by": "ana", "from": "A" })] {
            assert!(!act.is_repeat_of(promote(other.clone()).fingerprint()), "{other}");
        }
        assert!(!act.is_repeat_of("asked/2 sha256:00"), "another scheme is not guessed at");
    }

    /// OP-6: keys that the release before kept as Debug text.
    #[test]
    fn a_key_of_the_release_before_is_a_repeat_where_target_and_act_agree() {
        let act = promote(json!({ "by": "ana", "from": null }));
        assert!(act.is_repeat_of(r#"autosave Promote { by: "ana", from: None }"#));
        assert!(act.is_repeat_of(r#"autosave Promote { by: "ana", a_field_of_then: 1 }"#));
        assert!(!act.is_repeat_of(r#"other Promote { by: "ana", from: None }"#));
        assert!(!act.is_repeat_of(r#"autosave Start { by: "ana" }"#));
        assert!(!act.is_repeat_of(""));
    }
}
