//! The rules a history is held to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::{History, Incident, Move, Notification, Outcome, PageEvent};

/// What a history shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What must not be; empty for a history that holds.
    pub wrong: Vec<String>,
    pub rollbacks: usize,
    /// Attempts whose outcome nobody knew.
    pub unknown: usize,
    /// Second copies, each of them marked by an unknown outcome.
    pub duplicates: usize,
}

/// Judges.
#[must_use]
pub fn judge(history: &History) -> Findings {
    let mut findings = Findings {
        unknown: history
            .notifications
            .iter()
            .flat_map(|it| &it.attempts)
            .filter(|it| **it == Outcome::Unknown)
            .count(),
        ..Findings::default()
    };
    every_violation_has_its_incident(history, &mut findings);
    every_incident_has_its_rollbacks(history, &mut findings);
    every_incident_was_told(history, &mut findings);
    copies_are_accounted_for(history, &mut findings);
    pages_keep_their_key(history, &mut findings);
    findings
}

fn every_violation_has_its_incident(history: &History, findings: &mut Findings) {
    let mut opened = BTreeSet::new();
    for incident in &history.incidents {
        if !opened.insert(incident.epoch) {
            findings.wrong.push(format!("epoch {} has a second incident: {}", incident.epoch, incident.id));
        }
    }
    let covered: BTreeSet<u64> = history.incidents.iter().flat_map(|it| it.covers.clone()).collect();
    for epoch in history.violating_epochs.difference(&covered) {
        findings.wrong.push(format!("epoch {epoch} was violated and has no incident"));
    }
}

/// The flag went down exactly as the incidents say, one phase at a time, and each phase was left once.
fn every_incident_has_its_rollbacks(history: &History, findings: &mut Findings) {
    let height = |phase: &str| history.phases.iter().position(|it| it == phase);
    let mut downs = Vec::new();
    let mut at: Option<&str> = None;
    for it in &history.moves {
        let Move { from, to } = it;
        if at.is_some_and(|at| at != from.as_str()) {
            findings.wrong.push(format!("the flag left {from}, where it was not"));
        }
        at = Some(to);
        match (height(from), height(to)) {
            (Some(from), Some(to)) if to == from + 1 => {}
            (Some(from), Some(to)) if from == to + 1 => downs.push(it.clone()),
            _ => findings.wrong.push(format!("the flag went from {from} to {to}: not one phase")),
        }
    }
    findings.rollbacks = downs.len();
    let said: Vec<Move> = history.incidents.iter().flat_map(|it| it.rollbacks.clone()).collect();
    if said != downs {
        findings.wrong.push(format!("rollbacks: the incidents say {said:?}, the flag says {downs:?}"));
    }
    for Incident { id, rollbacks, .. } in &history.incidents {
        let left: BTreeSet<&str> = rollbacks.iter().map(|it| it.from.as_str()).collect();
        if rollbacks.is_empty() || left.len() < rollbacks.len() {
            findings.wrong.push(format!("{id} has the rollbacks {rollbacks:?}"));
        }
    }
}

fn every_incident_was_told(history: &History, findings: &mut Findings) {
    for it in history.notifications.iter().filter(|it| !it.is_done()) {
        findings.wrong.push(format!("{} to {} was lost: {}", it.kind, it.channel, it.text));
    }
    for incident in &history.incidents {
        let told = |kind: &str| {
            history
                .notifications
                .iter()
                .filter(|it| it.kind == kind && it.incident.as_ref() == Some(&incident.id))
                .count()
        };
        let (texts, pages, entries) = (told("incident"), told("page"), told("rollback"));
        let rollbacks = incident.rollbacks.len();
        if texts == 0 || pages == 0 || entries != rollbacks {
            let what = format!("{texts} texts, {pages} pages, {entries} runbook entries");
            findings.wrong.push(format!("{} was told by {what} for {rollbacks} rollbacks", incident.id));
        }
    }
}

fn copies_are_accounted_for(history: &History, findings: &mut Findings) {
    let mut sent: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (channel, text) in &history.messages {
        *sent.entry((channel, text)).or_default() += 1;
    }
    for id in &history.runbook {
        *sent.entry(("runbook", id)).or_default() += 1;
    }
    for event in history.page_events.iter().filter(|it| it.action == "trigger") {
        *sent.entry(("pagerduty", &event.summary)).or_default() += 1;
    }
    let mut allowed: BTreeMap<(&str, &str), RangeInclusive<usize>> = BTreeMap::new();
    for it in &history.notifications {
        let copies = it.copies();
        let entry = allowed.entry((&it.channel, key_of(it))).or_insert(0..=0);
        *entry = entry.start() + copies.start()..=entry.end() + copies.end();
    }
    for (key, allowed) in &allowed {
        let copies = sent.remove(key).unwrap_or(0);
        if !allowed.contains(&copies) {
            findings.wrong.push(format!("{key:?}: {copies} copies where {allowed:?} are accounted for"));
        }
        findings.duplicates += copies.saturating_sub(*allowed.start());
    }
    for (key, copies) in sent {
        findings.wrong.push(format!("{key:?}: {copies} copies of what nobody wrote down"));
    }
}

/// What a copy is recognised by at its receiver.
fn key_of(it: &Notification) -> &str {
    match it.channel.as_str() {
        "runbook" => &it.id,
        "pagerduty" => it.text.lines().next().unwrap_or_default(),
        _ => &it.text,
    }
}

/// One key an incident, one incident a key, resolved in the end and not triggered after that.
fn pages_keep_their_key(history: &History, findings: &mut Findings) {
    let mut keys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut resolved = BTreeSet::new();
    for PageEvent { action, dedup_key, summary } in &history.page_events {
        match action.as_str() {
            "trigger" if resolved.contains(dedup_key.as_str()) => {
                findings.wrong.push(format!("{dedup_key} was triggered after it was resolved"));
            }
            "trigger" => {
                keys.entry(summary).or_default().insert(dedup_key);
            }
            _ => {
                resolved.insert(dedup_key.as_str());
            }
        }
    }
    for (summary, keys) in keys.iter().filter(|(_, keys)| keys.len() > 1) {
        findings.wrong.push(format!("`{summary}` was triggered under {keys:?}"));
    }
    for incident in &history.incidents {
        // The release before had no time in it.
        let of_it = |key: &&&str| key.rsplit('/').take(2).any(|part| part == incident.id.as_str());
        let used: BTreeSet<&str> = keys.values().flatten().copied().filter(|key| of_it(&key)).collect();
        let is_resolved = used.iter().all(|key| resolved.contains(*key));
        if used.len() != 1 || !is_resolved {
            let what = if is_resolved { "resolved" } else { "not resolved" };
            findings.wrong.push(format!("{} was paged under {used:?}, {what}", incident.id));
        }
    }
}
