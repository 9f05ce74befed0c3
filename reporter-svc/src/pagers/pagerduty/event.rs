//! Events API v2 bodies, within its limits. Pure; the routing key is added where it is sent.

use serde_json::{Value, json};

use domain::effects::{PageNotice, Severity, TriggerPage};

/// PagerDuty counts characters; bytes are never fewer.
const SUMMARY_BYTES: usize = 1024;
/// All texts together stay under the 512 KB of a whole event even if JSON escapes every byte (×6).
const TEXT_BYTES: usize = 48 * 1024;
const COMMAND_BYTES: usize = 8 * 1024;
/// Of the further details, as JSON; longer ones are left out.
const DETAILS_BYTES: usize = 128 * 1024;

pub(super) fn trigger(page: &TriggerPage) -> Value {
    json!({
        "event_action": "trigger",
        "dedup_key": page.dedup_key,
        "client": "Phasegate",
        "payload": {
            "summary": cut(&page.summary, SUMMARY_BYTES),
            "source": cut(&page.source, SUMMARY_BYTES),
            "severity": page.severity,
            "timestamp": page.opened_at,
            "component": page.target,
            "group": cut(&page.service, SUMMARY_BYTES),
            "class": "slo",
            "custom_details": details(page),
        },
    })
}

/// It asks for a look before it asks for a night's sleep: a warning.
pub(super) fn notice(it: &PageNotice) -> Value {
    json!({
        "event_action": "trigger",
        "dedup_key": it.dedup_key,
        "client": "Phasegate",
        "payload": {
            "summary": cut(&it.summary, SUMMARY_BYTES),
            "source": cut(&it.source, SUMMARY_BYTES),
            "severity": Severity::Warning,
            "timestamp": it.at,
            "component": it.target,
            "group": cut(&it.service, SUMMARY_BYTES),
            "class": "guard",
            "custom_details": { "incident": it.incident, "text": cut(&it.text, TEXT_BYTES) },
        },
    })
}

pub(super) fn resolve(dedup_key: &str) -> Value {
    json!({ "event_action": "resolve", "dedup_key": dedup_key })
}

/// Ours stand above whatever else the page carries.
fn details(page: &TriggerPage) -> Value {
    let mut details = match &page.details {
        Value::Object(further) if page.details.to_string().len() <= DETAILS_BYTES => further.clone(),
        _ => serde_json::Map::new(),
    };
    details.insert("priority".to_owned(), json!(page.priority));
    details.insert("incident".to_owned(), json!(page.incident));
    details.insert("template".to_owned(), json!(page.template));
    details.insert("text".to_owned(), json!(cut(&page.text, TEXT_BYTES)));
    if let Some(command) = &page.rollback_command {
        details.insert("rollback".to_owned(), json!({ "command": cut(command, COMMAND_BYTES) }));
    }
    Value::Object(details)
}

/// At most `bytes` bytes, cut between characters; a cut text ends with `…`.
fn cut(text: &str, bytes: usize) -> String {
    const ELLIPSIS: char = '…';
    if text.len() <= bytes {
        return text.to_owned();
    }
    let room = bytes.saturating_sub(ELLIPSIS.len_utf8());
    format!("{}{ELLIPSIS}", &text[..text.floor_char_boundary(room)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pagers::pagerduty::tests::page;

    /// ES-1
    #[test]
    fn the_details_hold_priority_template_text_and_rollback_command() {
        let event = trigger(&page());
        let details = &event["payload"]["custom_details"];
        assert_eq!(details["priority"], "P2");
        assert_eq!(details["template"], "autosave-incident");
        assert_eq!(details["text"], "🚨 AutoSave B violation");
        assert_eq!(details["rollback"]["command"], "phasegate rollback --target autosave --phase B");
        assert_eq!(details["metric"], "save_latency_p95");
        assert_eq!(event["payload"]["severity"], "error");
    }

    /// ES-1, ES-3
    #[test]
    fn an_escalation_and_a_resolution_name_the_same_dedup_key() {
        let first = trigger(&page());
        let escalated = TriggerPage { priority: "P1".to_owned(), severity: Severity::Critical, ..page() };
        let escalated = trigger(&escalated);
        assert_eq!(first["dedup_key"], escalated["dedup_key"]);
        assert_eq!(first["dedup_key"], resolve(&page().dedup_key)["dedup_key"]);
        assert_eq!(escalated["payload"]["severity"], "critical");
    }

    #[test]
    fn a_summary_is_cut_between_characters() {
        for summary in ["é".repeat(2000), "🚨".repeat(700), format!("a{}", "日本".repeat(400))] {
            let event = trigger(&TriggerPage { summary: summary.clone(), ..page() });
            let sent = event["payload"]["summary"].as_str().unwrap();
            assert!(sent.len() <= 1024 && sent.len() > 1000, "{}", sent.len());
            assert!(summary.starts_with(sent.strip_suffix('…').unwrap()));
        }
        let exact = "x".repeat(1024);
        let event = trigger(&TriggerPage { summary: exact.clone(), ..page() });
        assert_eq!(event["payload"]["summary"], exact);
    }

    #[test]
    fn an_event_stays_under_its_size_limit_whatever_the_texts_hold() {
        let worst = "\u{1}".repeat(2_000_000);
        let event = trigger(&TriggerPage {
            summary: worst.clone(),
            source: worst.clone(),
            service: worst.clone(),
            text: worst.clone(),
            rollback_command: Some(worst.clone()),
            details: json!({ "worst": worst }),
            ..page()
        });
        assert!(event.to_string().len() < 512 * 1000);
        let fitting = json!({ "long": "x".repeat(DETAILS_BYTES - 100) });
        let event = trigger(&TriggerPage { text: "\u{1}".repeat(2_000_000), details: fitting, ..page() });
        assert!(event.to_string().len() < 512 * 1000);
    }
}
