//! What PagerDuty tells us of its incidents: webhooks, version 3.
//!
//! - <https://developer.pagerduty.com/docs/webhooks-overview>
//! - <https://developer.pagerduty.com/docs/verifying-webhook-signatures>
//!
//! The header `X-PagerDuty-Signature` holds one `v1=<hex>` a secret in use, so that secrets can be changed; any may match.
//! There is no time in what is signed: a repeat is known by the event's id alone.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use shared_types::Timestamp;

use service_kit::vendors::signature::is_signed;

/// The header with the signatures, in lower case.
pub const SIGNATURE_HEADER: &str = "x-pagerduty-signature";
/// Ids are kept and compared; longer ones are not PagerDuty's.
const LONGEST_ID: usize = 200;
const LONGEST_NAME: usize = 255;

/// An event, as far as it concerns us.
#[derive(Debug, Clone, PartialEq)]
pub struct PageEvent {
    pub id: String,
    /// `incident.acknowledged`, …
    pub kind: String,
    /// Of PagerDuty's incident; none: the event is about something else.
    pub page: Option<PageName>,
    pub occurred_at: Timestamp,
    /// Who did it.
    pub by: String,
    /// A user, and not a rule or an integration.
    pub by_person: bool,
}

/// How an incident is known at PagerDuty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageName {
    /// PagerDuty's own id.
    pub id: String,
    /// The dedup key of the event that opened it; PagerDuty leaves it out at times.
    pub incident_key: Option<String>,
}

/// Whether one of the header's signatures is right for the body as it came.
#[must_use]
pub fn is_genuine(secret: &SecretString, header: &str, body: &[u8]) -> bool {
    // A handful at most; the rest is not looked at.
    let signatures = header.split(',').take(16).filter_map(|it| it.trim().strip_prefix("v1="));
    // All are looked at, so that the time taken does not tell which was right.
    signatures.map(|hex| is_signed(secret, &[body], hex)).fold(false, |any, right| any | right)
}

#[derive(Deserialize)]
struct Envelope {
    event: EventBody,
}

#[derive(Deserialize)]
struct EventBody {
    id: String,
    event_type: String,
    occurred_at: Timestamp,
    #[serde(default)]
    agent: Option<Agent>,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct Agent {
    #[serde(default)]
    summary: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

/// Reads a body whose signature was right.
///
/// # Errors
/// One line that says what is not as PagerDuty documents it.
pub fn read(body: &[u8]) -> Result<PageEvent, String> {
    let Envelope { event } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let word =
        |text: &str| (1..=LONGEST_ID).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
    if !word(&event.id) || !word(&event.event_type) {
        return Err("`id` and `event_type` are not short words".to_owned());
    }
    let text = |name: &str| event.data[name].as_str().filter(|text| word(text)).map(str::to_owned);
    let about_incident = event.data["type"] == "incident";
    // A key that is none of ours is kept as it is: it must not be taken for one that was left out.
    let incident_key = event.data["incident_key"].as_str().map(visible);
    let page = text("id").filter(|_| about_incident).map(|id| PageName { id, incident_key });
    let agent = event.agent.as_ref();
    let by = agent.and_then(|it| it.summary.as_deref()).map(visible).filter(|name| !name.is_empty());
    Ok(PageEvent {
        by: by.unwrap_or_else(|| "pagerduty".to_owned()),
        by_person: agent.is_some_and(|it| it.kind.as_deref() == Some("user_reference")),
        page,
        id: event.id,
        kind: event.event_type,
        occurred_at: event.occurred_at,
    })
}

/// A name as it may stand in a log.
fn visible(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pagers::incident_of;

    fn body() -> Value {
        serde_json::json!({ "event": {
            "id": "01BZ1M4YQ3", "event_type": "incident.acknowledged", "resource_type": "incident",
            "occurred_at": "2026-11-22T10:20:00.123Z",
            "agent": { "id": "P1", "summary": "Ana", "type": "user_reference" },
            "client": null,
            "data": { "id": "PINC0001", "type": "incident", "incident_key": "phasegate/autosave/INC-20261122-001" }
        }})
    }

    fn read_value(body: &Value) -> Result<PageEvent, String> {
        read(body.to_string().as_bytes())
    }

    /// ES-3
    #[test]
    fn an_acknowledgement_is_read_as_documented() {
        let event = read_value(&body()).unwrap();
        assert_eq!(
            (event.kind.as_str(), event.by.as_str(), event.by_person),
            ("incident.acknowledged", "Ana", true)
        );
        assert_eq!(event.occurred_at, Timestamp::parse("2026-11-22T10:20:00.123Z").unwrap());
        let page = event.page.unwrap();
        let (target, incident) = incident_of(page.incident_key.as_deref().unwrap()).unwrap();
        assert_eq!(
            (target.as_str(), incident.as_str(), page.id.as_str()),
            ("autosave", "INC-20261122-001", "PINC0001")
        );
    }

    /// ES-3: what is missing or of another kind is not an error; what cannot be kept is.
    #[test]
    fn what_pagerduty_leaves_out_is_not_missed() {
        let mut bare = body();
        bare["event"]["agent"] = Value::Null;
        bare["event"]["data"] = serde_json::json!({ "message": "Hello", "type": "ping" });
        let event = read_value(&bare).unwrap();
        assert_eq!((event.page, event.by.as_str(), event.by_person), (None, "pagerduty", false));
        let mut strange = body();
        strange["event"]["id"] = "x\u{0}".into();
        assert!(read_value(&strange).is_err());
        assert!(read(b"{}").is_err() && read(b"\xff").is_err());
    }

    /// ES-3: any signature may match, nothing else does.
    #[test]
    fn one_right_signature_is_enough_and_a_wrong_one_is_not() {
        // HMAC-SHA256 of "{}" under "secret".
        let secret = SecretString::from("secret");
        let right = "77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13";
        let other = right.replace('7', "8");
        for header in
            [format!("v1={right}"), format!("v1={other}, v1={right}"), format!("v2=x,v1={right},v1=")]
        {
            assert!(is_genuine(&secret, &header, b"{}"), "{header}");
        }
        for header in [String::new(), right.to_owned(), format!("v1={other}"), format!("v2={right}")] {
            assert!(!is_genuine(&secret, &header, b"{}"), "{header}");
        }
        assert!(!is_genuine(&secret, &format!("v1={right}"), b"{ }"), "of another body");
        assert!(!is_genuine(&SecretString::from("other"), &format!("v1={right}"), b"{}"));
    }
}
