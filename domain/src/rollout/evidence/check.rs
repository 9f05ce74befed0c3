//! What the system checks itself, with the figures it goes by (EV-2).

use crate::policy::EvidenceItem;
use crate::story::figures::format_number;

use crate::rollout::state::Incident;
use crate::rollout::state::evidence::Facts;

/// How far dashboard and message may be apart.
pub const AGREES_WITHIN: f64 = 0.05;
/// What decimal fractions lose in binary is no difference.
const ROUNDING: f64 = 1e-9;

/// What the system's own check of an item says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// Nothing here can be checked by the system.
    Unchecked { figures: Option<String> },
    /// It holds, by these figures.
    Holds { figures: String },
    /// It does not hold, for this; a person may find it good all the same.
    Fails { figures: Option<String>, missing: String },
    /// Somebody has to do this first; no signature stands in for it.
    Lacks { figures: Option<String>, missing: String },
}

impl Checked {
    pub(super) fn figures(&self) -> Option<String> {
        match self {
            Self::Unchecked { figures } | Self::Fails { figures, .. } | Self::Lacks { figures, .. } => {
                figures.clone()
            }
            Self::Holds { figures } => Some(figures.clone()),
        }
    }

    pub(super) fn missing(&self) -> Option<&str> {
        match self {
            Self::Fails { missing, .. } | Self::Lacks { missing, .. } => Some(missing),
            Self::Unchecked { .. } | Self::Holds { .. } => None,
        }
    }
}

/// Checks an item.
#[must_use]
pub fn check(incident: &Incident, item: &EvidenceItem) -> Checked {
    let facts = &incident.evidence.facts;
    match item.item.as_str() {
        "pagerduty" if item.auto => check_page(incident, facts),
        "rca" if item.auto => check_rca(incident),
        "dashboard" if item.auto => check_figures(facts),
        "retry_log" => Checked::Unchecked {
            figures: Some(match facts.exhausted.as_slice() {
                [] => "no retry was exhausted".to_owned(),
                windows => format!("retries exhausted in {}", windows.join(", ")),
            }),
        },
        _ => Checked::Unchecked { figures: None },
    }
}

fn check_page(incident: &Incident, facts: &Facts) -> Checked {
    let fails =
        |figures: Option<String>, missing: &str| Checked::Fails { figures, missing: missing.to_owned() };
    let Some(page) = &facts.page else { return fails(None, "PagerDuty has not accepted a page") };
    let command = page.command.as_deref().unwrap_or("none, nothing was rolled back");
    let paged = format!("template {}, command {command}, accepted at {}", page.template, page.at);
    if !page.in_text {
        return fails(Some(paged), "the page does not hold the rollback command");
    }
    let Some(acknowledged) = &incident.acknowledged else {
        return fails(Some(paged), "nobody has acknowledged it");
    };
    let figures = format!("{paged}, acknowledged at {} by {}", acknowledged.at, acknowledged.by);
    if acknowledged.at > incident.acknowledge_by {
        let late = format!("the acknowledgement was due at {}", incident.acknowledge_by);
        return fails(Some(figures), &late);
    }
    Checked::Holds { figures }
}

fn check_rca(incident: &Incident) -> Checked {
    let rca = &incident.rca;
    let Some(submitted) = rca.first_submitted_at else {
        let missing = format!("the root cause analysis, due at {}", rca.due_at);
        return Checked::Lacks { figures: None, missing };
    };
    let figures = format!("submitted at {submitted}, due at {}", rca.due_at);
    let Some(confirmation) = &rca.confirmation else {
        return Checked::Lacks { figures: Some(figures), missing: "the confirmation of the RCA".to_owned() };
    };
    let figures = format!("{figures}, confirmed at {} by {}", confirmation.at, confirmation.by);
    if submitted > rca.due_at {
        return Checked::Fails {
            figures: Some(figures),
            missing: "it was submitted after it was due".to_owned(),
        };
    }
    Checked::Holds { figures }
}

fn check_figures(facts: &Facts) -> Checked {
    let Some(fact) = &facts.figures else {
        let missing = "no message with figures has been sent since the incident opened".to_owned();
        return Checked::Fails { figures: None, missing };
    };
    let mut shown = Vec::new();
    let mut apart: Vec<&str> = if fact.same_phase { Vec::new() } else { vec!["phase"] };
    for (name, message, card) in &fact.pairs {
        let number = |it: &Option<f64>| format_number(*it);
        let mut line = format!("{name} {} in the message, {} on the card", number(message), number(card));
        match (message, card) {
            (Some(message), Some(card)) => {
                let by = difference(*message, *card);
                line.push_str(&format!(" ({} % apart)", format_number(Some(by * 100.0))));
                if by > AGREES_WITHIN + ROUNDING {
                    apart.push(name);
                }
            }
            (None, None) => {}
            _ => apart.push(name),
        }
        shown.push(line);
    }
    let figures = format!("phase {}; {}", fact.phase, shown.join("; "));
    match apart.as_slice() {
        [] => Checked::Holds { figures },
        names => Checked::Fails {
            figures: Some(figures),
            missing: format!("message and card do not agree on {}", names.join(", ")),
        },
    }
}

/// How far two figures are apart, relative to the card's; two zeros agree.
fn difference(message: f64, card: f64) -> f64 {
    let apart = (message - card).abs();
    if apart == 0.0 { 0.0 } else { apart / card.abs().max(f64::MIN_POSITIVE) }
}
