//! The audit log against what it tells of: the chain by its hashes, the rows by what the tables say has happened (GO-4).

use std::collections::BTreeMap;
use std::time::Duration;

use collector_svc::effects::TellAct;
use collector_svc::state::PAUSE_MAX;
use domain::audit::{GENESIS, hash_of};
use domain::stored::Document as _;
use serde_json::Value;
use shared_types::AuditEntry;
use shared_types::story::HopKind;

use super::Findings;
use crate::facts::Facts;

/// Hops that only a step of the machine leaves, and what a row says of it.
const HOPS: [HopKind; 5] =
    [HopKind::Escalated, HopKind::Acknowledged, HopKind::Recovered, HopKind::Closed, HopKind::PhaseChanged];

/// No gap, no row that was changed, none that stands elsewhere than it was put.
pub(super) fn chain_is_whole(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let mut last: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for row in &facts.audit {
        let place = format!("row {} of {}", row.seq, row.stream);
        let (seq, hash) = last.get(row.stream.as_str()).copied().unwrap_or((0, GENESIS));
        if row.seq != seq + 1 {
            found.push(format!("{place} follows row {seq}"));
        }
        if row.prev_hash != hash {
            found.push(format!("{place} is not chained to the row before"));
        }
        if row.hash != hash_of(row) {
            found.push(format!("{place} is not what its hash says"));
        }
        last.insert(&row.stream, (row.seq, &row.hash));
    }
    found
}

/// What changed the state stands in the log, once.
pub(super) fn acts_are_recorded(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let about = |action: &str, subject: &str| {
        facts.audit.iter().filter(|it| it.action == action && it.subject.as_deref() == Some(subject)).count()
    };
    for received in &facts.received {
        let id = received.decision.decision_id.to_string();
        let rows = about("decision.received", &id);
        if rows != 1 {
            let it = &received.decision;
            let what = format!("{} of epoch {}, stale: {}", it.verdict.as_str(), it.epoch, received.stale);
            found.push(format!("the decision on {} ({what}) has {rows} rows", it.window));
        }
    }
    let mut epoch = 0;
    for row in &facts.audit {
        let Some(Value::Array(change)) = row.detail.pointer("/changed/epoch") else { continue };
        let change: Vec<u64> = change.iter().filter_map(Value::as_u64).collect();
        // Whoever goes on from a restored store leaves out what was given out before.
        let leaves_out = row.action == "store.accepted" && change.first() == Some(&epoch);
        if change != [epoch, epoch + 1] && !leaves_out {
            found.push(format!("row {} goes from epoch {change:?} where {epoch} was", row.seq));
        }
        epoch = change.last().copied().unwrap_or(epoch);
    }
    let now = facts.target.as_ref().map_or(0, |it| it.epoch);
    if epoch != now {
        found.push(format!("the rows lead to epoch {epoch}, the target is in {now}"));
    }
    found.extend(hops_are_recorded(facts));
    found
}

/// What was done at the collector stands in the log once; no pause is longer than the longest, and none goes on (CO-7).
pub(super) fn pauses_end(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let mut paused = None;
    for (_, effect) in facts.effects.iter().filter(|(_, it)| it.kind == TellAct::KIND) {
        let Ok(TellAct { act }) = serde_json::from_value(effect.payload.clone()) else {
            found.push(format!("{} is no act", effect.payload));
            continue;
        };
        let id = act.id.to_string();
        let tells = |row: &&AuditEntry| row.subject.as_deref() == Some(&id);
        let rows = facts.audit.iter().filter(tells).count();
        let is_lost = facts.past.as_ref().is_some_and(|it| it.audit.iter().any(|row| tells(&row)));
        if rows > 1 || (rows == 0 && effect.state == "done" && !is_lost) {
            found.push(format!(
                "{} at {} is {} and has {rows} rows",
                act.kind.deed().as_str(),
                act.at,
                effect.state
            ));
        }
        paused = act.paused_until;
        if paused.is_some_and(|until| until > act.at.plus(PAUSE_MAX)) {
            found.push(format!("a pause at {} lasts until {paused:?}", act.at));
        }
    }
    let patience = Duration::from_secs(600) + facts.spec.spread();
    if let Some(until) = paused.filter(|until| until.plus(patience) < facts.end) {
        found.push(format!("the pause until {until} goes on"));
    }
    found
}

/// What an incident's log tells of its steps, the audit log tells as well.
fn hops_are_recorded(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    for (incident, timeline) in &facts.incidents {
        let id = incident.id.as_str();
        for kind in HOPS {
            let told = timeline.iter().filter(|it| it.hop.is(kind)).count();
            let rows: usize =
                facts.audit.iter().filter(|row| is_about(row, id)).map(|row| hops(row, kind)).sum();
            if told != rows {
                found.push(format!("{id} was {kind} {told} times, the audit log says {rows}"));
            }
        }
    }
    found
}

/// Where the audit log first tells of such a step of an incident: the order of commits, whatever the clocks say.
pub(super) fn first(facts: &Facts, incident: &str, kind: HopKind) -> Option<usize> {
    facts.audit.iter().position(|row| is_about(row, incident) && hops(row, kind) > 0)
}

pub(super) fn is_about(row: &AuditEntry, incident: &str) -> bool {
    let named = row.detail.get("incident").and_then(Value::as_str);
    named.or(row.subject.as_deref()) == Some(incident)
}

pub(super) fn hops(row: &AuditEntry, kind: HopKind) -> usize {
    let hops = row.detail.get("hops").and_then(Value::as_array);
    hops.map_or(0, |hops| hops.iter().filter(|hop| hop.as_str() == Some(kind.into())).count())
}
