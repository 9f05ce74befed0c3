//! Which streams there are by right: the service's own stream names each when it begins (OP-9). A stream that somebody made up
//! has hashes that fit as well as any.

use std::collections::BTreeSet;

use serde_json::json;
use shared_types::audit::{AuditHead, SERVICE_STREAM};
use shared_types::story::Deed;
use shared_types::{Actor, AuditEntry};

use super::AuditDraft;

/// The row that opens a stream.
#[must_use]
pub fn opening(stream: &str) -> AuditDraft {
    AuditDraft {
        actor: Actor::phasegate(),
        action: Deed::StreamOpened,
        subject: Some(stream.to_owned()),
        detail: json!({}),
    }
}

/// The row that names those which were there before streams were opened, and how far they went.
#[must_use]
pub fn adoption(heads: &[AuditHead]) -> AuditDraft {
    AuditDraft {
        actor: Actor::phasegate(),
        action: Deed::StreamsAdopted,
        subject: None,
        detail: json!({ "streams": heads }),
    }
}

/// The streams that these rows name, the service's own with them; none: its log is of a release that named none.
#[must_use]
pub fn opened<'a>(service: impl IntoIterator<Item = &'a AuditEntry>) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for row in service.into_iter().filter(|row| row.stream == SERVICE_STREAM) {
        if row.action == Deed::StreamOpened.as_str() {
            found.extend(row.subject.clone());
        } else if row.action == Deed::StreamsAdopted.as_str() {
            let streams = row.detail["streams"].as_array().into_iter().flatten();
            found.extend(streams.filter_map(|it| it["stream"].as_str()).map(str::to_owned));
        }
    }
    if found.is_empty() {
        return None;
    }
    found.insert(SERVICE_STREAM.to_owned());
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::Timestamp;

    /// OP-9
    #[test]
    fn streams_are_those_that_were_opened_or_taken_over() {
        let at = Timestamp::from_millis(1000);
        let head =
            AuditHead { stream: "old".to_owned(), first_seq: 1, last_seq: 3, hash: "sha256:0".to_owned() };
        let first = adoption(&[head]).after(None, None, at);
        let second = opening("new").after(Some((1, first.hash.clone())), None, at);
        let of_target = AuditEntry { stream: "ghost".to_owned(), ..opening("ghost").after(None, None, at) };
        let found = opened([&first, &second, &of_target]).unwrap();
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), [SERVICE_STREAM, "new", "old"]);
        assert_eq!(opened([&of_target]), None);
    }
}
