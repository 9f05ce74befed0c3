//! What the store knows of an incident's evidence (EV-2), and when the machine is told.
//!
//! Level-triggered: [`refresh`] may run at any time and again; it reads the facts anew and applies them only where
//! they make a difference. It runs after a page was accepted and after every act on an incident, and before a move up.

pub mod document;

use domain::policy::TargetPolicy;
use domain::stored::{self, Document as _};
use domain::template::{Template, Templates};
use service_kit::db::DbError;
use service_kit::outbox::ListFilter;
use shared_types::incident::EvidenceBundle;
use shared_types::{Decision, IncidentId, TargetName};

use crate::reporter::{Cause, Reporter};
use crate::store::NotificationFilter;
use domain::effects::TriggerPage;
use domain::effects::notification::{NotificationState, NotificationView};
use domain::rollout::evidence::{self, Facts, FiguresFact, PageFact};
use domain::rollout::{Event, Incident};

/// More pages than an incident ever has.
const PAGES: u32 = 50;

/// The incident as it stands with the facts of this moment; nothing is written.
///
/// # Errors
/// The database's.
pub async fn fresh(reporter: &Reporter, mut incident: Incident) -> Result<Incident, DbError> {
    let known = &incident.evidence.facts;
    incident.evidence.facts =
        Facts { exhausted: known.exhausted.clone(), ..facts(reporter, &incident).await? };
    Ok(incident)
}

/// Tells the machine what the store knows, if that makes a difference to the checklist or to what is remembered of it.
///
/// # Errors
/// The database's.
pub async fn refresh(reporter: &Reporter, id: &IncidentId) -> Result<(), DbError> {
    let Some(before) = reporter.store.incident(id).await? else { return Ok(()) };
    let rules = reporter.rules();
    let Some(policy) = rules.policy.targets.get(&before.target) else { return Ok(()) };
    let target = before.target.clone();
    let now = fresh(reporter, before.clone()).await?;
    let open = reporter.store.target(&target).await?.map(|it| it.state.evidence_open).unwrap_or_default();
    let remembered = open.iter().find(|it| it.incident == *id).map(|it| &it.missing);
    let forgotten = remembered.is_some_and(|it| *it != evidence::missing(&now, policy));
    if evidence::view(&before, policy) == evidence::view(&now, policy) && !forgotten {
        return Ok(());
    }
    let cause = Cause { incident: Some(id), ..Cause::default() };
    let event = Event::EvidenceChecked { facts: now.evidence.facts };
    reporter.apply(&target, cause, &|_| event.clone()).await?;
    Ok(())
}

/// [`refresh`] of every incident that holds the target back.
///
/// # Errors
/// The database's.
pub async fn refresh_all(reporter: &Reporter, target: &TargetName) -> Result<(), DbError> {
    let open = reporter.store.target(target).await?.map(|it| it.state.evidence_open).unwrap_or_default();
    for it in open {
        refresh(reporter, &it.incident).await?;
    }
    Ok(())
}

/// The checklist as the API shows it.
#[must_use]
pub fn bundle(incident: &Incident, policy: Option<&TargetPolicy>) -> EvidenceBundle {
    let missing = policy.map(|policy| evidence::missing(incident, policy)).unwrap_or_default();
    EvidenceBundle {
        incident: incident.id.clone(),
        target: incident.target.clone(),
        complete: missing.is_empty(),
        missing,
        items: policy.map(|policy| evidence::view(incident, policy)).unwrap_or_default(),
    }
}

/// Without exhausted retries, which the machine notes itself.
async fn facts(reporter: &Reporter, incident: &Incident) -> Result<Facts, DbError> {
    let page = match &incident.evidence.facts.page {
        Some(first) => Some(first.clone()),
        None => first_page(reporter, incident).await?,
    };
    Ok(Facts { page, exhausted: Vec::new(), figures: figures(reporter, incident).await? })
}

async fn first_page(reporter: &Reporter, incident: &Incident) -> Result<Option<PageFact>, DbError> {
    let store = &reporter.store;
    let told = NotificationFilter {
        incident: Some(incident.id.clone()),
        kind: Some("page".to_owned()),
        state: Some(NotificationState::Sent.as_str().to_owned()),
        ..NotificationFilter::default()
    };
    let told = store.notifications(&told, None, PAGES).await?;
    let Some(first) = told.last() else { return Ok(None) };
    let sent = ListFilter {
        kind: Some(TriggerPage::KIND.to_owned()),
        subject: Some(incident.id.to_string()),
        ..ListFilter::default()
    };
    let sent = store.effects(&sent, None, PAGES).await?.items;
    let pages = sent.into_iter().filter_map(|it| stored::read_value::<TriggerPage>(it.payload).ok());
    let Some(page) = pages.into_iter().find(|it| it.notification == first.id) else { return Ok(None) };
    Ok(Some(PageFact {
        at: first.sent_at.unwrap_or(first.created_at),
        template: page.template,
        in_text: page.rollback_command.as_ref().is_none_or(|command| page.text.contains(command)),
        command: page.rollback_command,
    }))
}

async fn figures(reporter: &Reporter, incident: &Incident) -> Result<Option<FiguresFact>, DbError> {
    let target = &incident.target;
    let rules = reporter.rules();
    let (Some(policy), Some(templates)) = (rules.policy.targets.get(target), rules.templates.get(target))
    else {
        return Ok(None);
    };
    let Some((message, template)) = newest_message(reporter, incident, templates).await? else {
        return Ok(None);
    };
    let decision = match message.decision {
        Some(id) => reporter.store.decision(id).await?.map(|it| it.decision),
        None => None,
    };
    Ok(decision.map(|card| compared(policy, template, &message.text, &card)))
}

/// The newest message with figures that was sent since the incident opened.
async fn newest_message<'a>(
    reporter: &Reporter,
    incident: &Incident,
    templates: &'a Templates,
) -> Result<Option<(NotificationView, &'a Template)>, DbError> {
    let mut newest: Option<(NotificationView, &Template)> = None;
    for (kind, template) in [("ok", &templates.ok), ("warn", &templates.warn), ("hold", &templates.warn)] {
        let told = NotificationFilter {
            target: Some(incident.target.clone()),
            kind: Some(kind.to_owned()),
            state: Some(NotificationState::Sent.as_str().to_owned()),
            ..NotificationFilter::default()
        };
        let found = reporter.store.notifications(&told, None, 1).await?.into_iter().next();
        let Some(found) = found.filter(|it| it.created_at >= incident.opened_at) else { continue };
        if newest.as_ref().is_none_or(|(it, _)| it.created_at < found.created_at) {
            newest = Some((found, template));
        }
    }
    Ok(newest)
}

/// EV-1: what the message shows, read out of its kept text, beside its decision's figures, which the card shows.
#[must_use]
pub fn compared(policy: &TargetPolicy, template: &Template, text: &str, card: &Decision) -> FiguresFact {
    let shown = template.read(text).unwrap_or_default();
    let shown = |name: &str| shown.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let pair = |(placeholder, metric): (&String, &String)| {
        let observed = card.metrics.iter().find(|it| it.metric == *metric).and_then(|it| it.observed);
        let message = shown(placeholder).and_then(|value| value.trim().parse::<f64>().ok());
        (placeholder.clone(), message.filter(|it| it.is_finite()), observed)
    };
    FiguresFact {
        phase: card.phase.to_string(),
        same_phase: shown("phase") == Some(card.phase.as_str()),
        pairs: policy.notifications.values.iter().map(pair).collect(),
    }
}
