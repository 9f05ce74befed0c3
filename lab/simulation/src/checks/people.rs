//! What reaches people, and what they do at PagerDuty (NO-4, ES-1, ES-3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::pagers::PAGER;
use domain::rollout::Incident;
use shared_types::Timestamp;
use shared_types::story::HopKind;

use super::Findings;
use crate::facts::Facts;
use crate::outside::Told;
use crate::pagerduty::{Act, FORGER};

const PATIENCE: Duration = Duration::from_secs(600);

/// Each incident is told by Slack and by PagerDuty: one text at least was accepted by each, or its effect is visibly dead.
pub(super) fn hear_of_each_incident(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let slack: BTreeSet<&str> = facts.books.posted.iter().map(|it| it.notification.as_str()).collect();
    let pages: BTreeSet<&str> =
        facts.books.paged.iter().filter_map(|it| it.notification.as_deref()).collect();
    let effects = facts.effects.iter().filter(|(_, it)| it.state == "dead");
    let dead: BTreeSet<&str> = effects.filter_map(|(_, it)| it.payload["notification"].as_str()).collect();
    for (incident, _) in &facts.incidents {
        if incident.opened_at.plus(PATIENCE + facts.spec.spread()) > facts.end {
            continue;
        }
        for (way, channel, accepted) in [("Slack", "#", &slack), ("PagerDuty", PAGER.name, &pages)] {
            let texts = facts.notifications.iter().filter(|it| it.incident.as_ref() == Some(&incident.id));
            let mut ids = texts.filter(|it| it.channel.starts_with(channel)).map(|it| it.id.to_string());
            if !ids.any(|id| accepted.contains(id.as_str()) || dead.contains(id.as_str())) {
                found.push(format!("nobody was told of {} by {way}", incident.id));
            }
        }
    }
    found
}

/// NO-3, NO-8: whichever replica sends them. Only where nothing goes wrong: who stood still in a send comes back to it.
pub(super) fn channels_are_paced(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let mut last: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for it in facts.books.posted.iter().filter(|_| facts.spec.calm && facts.spec.crash.is_none()) {
        let before = last.insert(&it.channel, it.at);
        if before.is_some_and(|before| it.at < before.plus(Duration::from_secs(1))) {
            found.push(format!("{} got two messages at {}", it.channel, it.at));
        }
    }
    found
}

/// What somebody did at PagerDuty and its webhook told is taken over, once; what is forged is refused.
pub(super) fn acts_at_pagerduty_count(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let mut taken: BTreeMap<(Act, &str), &Told> = BTreeMap::new();
    for it in facts.histories().flat_map(|it| &it.told) {
        let refused = it.status == 401;
        if refused != (it.event.by == FORGER) {
            found.push(format!(
                "{:?} of {} by {} was answered {}",
                it.event.act, it.event.incident, it.event.by, it.status
            ));
        }
    }
    for it in facts.books.told.iter().filter(|it| it.status != 401) {
        taken.entry((it.event.act, &it.event.incident)).or_insert(it);
    }
    for (incident, timeline) in &facts.incidents {
        let id = incident.id.as_str();
        let settled = |act| {
            let it = taken.get(&(act, id))?;
            (it.at.plus(PATIENCE + facts.spec.spread()) < facts.end).then_some(())
        };
        let resolved = timeline.iter().filter(|it| it.hop.is(HopKind::PageResolvedByPerson)).count();
        if resolved > 1 || settled(Act::Resolved).is_some_and(|()| resolved == 0) {
            found.push(format!(
                "the page of {id} was resolved by a person, which its log says {resolved} times"
            ));
        }
        if settled(Act::Acknowledged).is_some_and(|()| is_unaware(incident)) {
            found.push(format!("{id} was acknowledged at PagerDuty, and does not know it"));
        }
    }
    found
}

/// What is closed before it heard of it has nothing to learn.
fn is_unaware(incident: &Incident) -> bool {
    incident.acknowledged.is_none() && incident.closed_at.is_none()
}
