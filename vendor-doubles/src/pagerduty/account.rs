//! How PagerDuty makes incidents of events: by dedup key, one open at a time. Pure.

use serde_json::Value;
use shared_types::Timestamp;

/// An event that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct PagerDutyEvent {
    pub at: Timestamp,
    /// `trigger`, `acknowledge`, `resolve`
    pub action: String,
    pub dedup_key: String,
    /// `payload`; null but for a trigger.
    pub payload: Value,
}

/// An incident as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct PagerDutyIncident {
    pub id: String,
    pub dedup_key: String,
    pub status: PagerDutyStatus,
    pub opened_at: Timestamp,
    /// Of its newest trigger.
    pub severity: String,
    pub summary: String,
    pub details: Value,
    /// Set by the REST API only.
    pub priority: Option<String>,
    /// How many triggers it holds.
    pub triggers: u32,
    pub acknowledgements: Vec<(Timestamp, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum PagerDutyStatus {
    Triggered,
    Acknowledged,
    Resolved,
}

impl PagerDutyStatus {
    pub(super) fn as_str(self) -> &'static str {
        self.into()
    }
}

pub(super) struct Account {
    pub(super) incidents: Vec<PagerDutyIncident>,
    pub(super) events: Vec<PagerDutyEvent>,
    lookups_to_miss: u32,
}

impl Account {
    pub(super) fn new(lookups_to_miss: u32) -> Self {
        Self { incidents: Vec::new(), events: Vec::new(), lookups_to_miss }
    }

    /// A trigger joins the open incident with its key or opens one; after a resolve that is a new one.
    /// An acknowledge or resolve of a key that is not open changes nothing, and is taken all the same.
    pub(super) fn take(&mut self, event: PagerDutyEvent) {
        match event.action.as_str() {
            "trigger" => self.trigger(&event),
            "acknowledge" => {
                self.acknowledge(&event.dedup_key, None, event.at);
            }
            _ => {
                self.resolve(&event.dedup_key);
            }
        }
        self.events.push(event);
    }

    /// False if no incident with that key is open.
    pub(super) fn acknowledge(&mut self, dedup_key: &str, by: Option<&str>, at: Timestamp) -> bool {
        let Some(open) = self.open(dedup_key) else { return false };
        open.status = PagerDutyStatus::Acknowledged;
        open.acknowledgements.push((at, by.unwrap_or("Events API v2").to_owned()));
        true
    }

    /// False if no incident with that key is open.
    pub(super) fn resolve(&mut self, dedup_key: &str) -> bool {
        let Some(open) = self.open(dedup_key) else { return false };
        open.status = PagerDutyStatus::Resolved;
        true
    }

    /// Incidents as the REST API lists them, newest first; new ones are missed for a while.
    pub(super) fn lookup(&mut self, incident_key: Option<&str>) -> Vec<&PagerDutyIncident> {
        if self.lookups_to_miss > 0 {
            self.lookups_to_miss -= 1;
            return Vec::new();
        }
        let wanted = |incident: &&PagerDutyIncident| incident_key.is_none_or(|key| incident.dedup_key == key);
        self.incidents.iter().rev().filter(wanted).collect()
    }

    fn trigger(&mut self, event: &PagerDutyEvent) {
        let text = |name: &str| event.payload[name].as_str().unwrap_or_default().to_owned();
        let (severity, summary) = (text("severity"), text("summary"));
        let details = event.payload["custom_details"].clone();
        if let Some(open) = self.open(&event.dedup_key) {
            open.severity = severity;
            open.details = details;
            open.triggers += 1;
            return;
        }
        self.incidents.push(PagerDutyIncident {
            id: format!("PINC{:04}", self.incidents.len() + 1),
            dedup_key: event.dedup_key.clone(),
            status: PagerDutyStatus::Triggered,
            opened_at: event.at,
            severity,
            summary,
            details,
            priority: None,
            triggers: 1,
            acknowledgements: Vec::new(),
        });
    }

    fn open(&mut self, dedup_key: &str) -> Option<&mut PagerDutyIncident> {
        let is_open = |incident: &&mut PagerDutyIncident| {
            incident.dedup_key == dedup_key && incident.status != PagerDutyStatus::Resolved
        };
        self.incidents.iter_mut().find(is_open)
    }
}
