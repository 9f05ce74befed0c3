//! What the system checks itself, with the figures it goes by (EV-2).

use crate::pagers::PAGER;
use crate::policy::EvidenceItem;

use super::finding::{Figure, Lack};
use crate::rollout::state::Incident;
use crate::rollout::state::evidence::Facts;
use crate::story::figures::{format_number, format_ratio};

/// How far dashboard and message may be apart.
pub const AGREES_WITHIN: f64 = 0.05;
/// What decimal fractions lose in binary is no difference.
const ROUNDING: f64 = 1e-9;

/// What the system's own check of an item says, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub figures: Vec<Figure>,
    pub result: CheckResult,
}

/// How a check comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckResult {
    /// Nothing here can be checked by the system.
    Unchecked,
    Holds,
    /// It does not hold, for this; a person may find it good all the same.
    Fails(Lack),
    /// Somebody has to do this first; no signature stands in for it.
    Lacks(Lack),
}

impl Checked {
    fn of(figures: impl IntoIterator<Item = Figure>, result: CheckResult) -> Self {
        Self { figures: figures.into_iter().collect(), result }
    }

    pub(super) fn lack(&self) -> Option<&Lack> {
        match &self.result {
            CheckResult::Fails(lack) | CheckResult::Lacks(lack) => Some(lack),
            CheckResult::Unchecked | CheckResult::Holds => None,
        }
    }
}

/// The item that a page ticks off.
const PAGER_ITEM: &str = PAGER.name;

/// Checks an item.
#[must_use]
pub fn check(incident: &Incident, item: &EvidenceItem) -> Checked {
    let facts = &incident.evidence.facts;
    match item.item.as_str() {
        PAGER_ITEM if item.auto => check_page(incident, facts),
        "rca" if item.auto => check_rca(incident),
        "dashboard" if item.auto => check_figures(facts),
        "retry_log" if facts.exhausted.is_empty() => {
            Checked::of([Figure::NoRetryExhausted], CheckResult::Unchecked)
        }
        "retry_log" => {
            let figure = Figure::RetriesExhausted { windows: facts.exhausted.clone() };
            Checked::of([figure], CheckResult::Unchecked)
        }
        _ => Checked::of([], CheckResult::Unchecked),
    }
}

fn check_page(incident: &Incident, facts: &Facts) -> Checked {
    let Some(page) = &facts.page else { return Checked::of([], CheckResult::Fails(Lack::Page)) };
    let acknowledged = incident.acknowledged.as_ref().filter(|_| page.in_text);
    let figure = Figure::Page {
        template: page.template.clone(),
        command: page.command.clone(),
        at: page.at,
        acknowledged_at: acknowledged.map(|it| it.at),
        by: acknowledged.map(|it| it.by.clone()),
    };
    let due_at = incident.acknowledge_by;
    let result = match acknowledged {
        _ if !page.in_text => CheckResult::Fails(Lack::CommandInPage),
        None => CheckResult::Fails(Lack::Acknowledgement),
        Some(it) if it.at > due_at => CheckResult::Fails(Lack::AcknowledgementInTime { due_at }),
        Some(_) => CheckResult::Holds,
    };
    Checked::of([figure], result)
}

fn check_rca(incident: &Incident) -> Checked {
    let rca = &incident.rca;
    let due_at = rca.due_at;
    let Some(submitted_at) = rca.first_submitted_at else {
        return Checked::of([], CheckResult::Lacks(Lack::Analysis { due_at }));
    };
    let confirmation = rca.confirmation.as_ref();
    let figure = Figure::Analysis {
        submitted_at,
        due_at,
        confirmed_at: confirmation.map(|it| it.at),
        by: confirmation.map(|it| it.by.clone()),
    };
    let result = match confirmation {
        None => CheckResult::Lacks(Lack::Confirmation),
        Some(_) if submitted_at > due_at => CheckResult::Fails(Lack::AnalysisInTime),
        Some(_) => CheckResult::Holds,
    };
    Checked::of([figure], result)
}

fn check_figures(facts: &Facts) -> Checked {
    let Some(fact) = &facts.figures else { return Checked::of([], CheckResult::Fails(Lack::Figures)) };
    let mut figures = vec![Figure::Phase { phase: fact.phase.clone() }];
    let mut names = if fact.same_phase { Vec::new() } else { vec!["phase".to_owned()] };
    for (name, message, card) in &fact.pairs {
        let apart = message.zip(*card).map(|(message, card)| difference(message, card));
        let agrees = match apart {
            Some(apart) => apart <= AGREES_WITHIN + ROUNDING,
            None => message.is_none() && card.is_none(),
        };
        if !agrees {
            names.push(name.clone());
        }
        figures.push(Figure::Compared {
            name: name.clone(),
            message: format_number(*message),
            card: format_number(*card),
            apart: apart.map(format_ratio),
        });
    }
    let result =
        if names.is_empty() { CheckResult::Holds } else { CheckResult::Fails(Lack::Agreement { names }) };
    Checked::of(figures, result)
}

/// How far two figures are apart, relative to the card's; two zeros agree.
fn difference(message: f64, card: f64) -> f64 {
    let apart = (message - card).abs();
    if apart == 0.0 { 0.0 } else { apart / card.abs().max(f64::MIN_POSITIVE) }
}
