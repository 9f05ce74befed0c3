//! The promises, each checked after every run. What each means to users stands in `docs/reliability.md`.

mod approvals;
mod audit;
mod drift;
mod evidence;
mod failures;
mod forged;
mod holds;
mod losses;
mod notices;
mod people;
mod restored;
mod reviews;
mod weighed;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::effects::notification::NotificationState;
use domain::rollout::state::Stage;
use service_kit::outbox::Recorded;
use shared_types::decision::Cause;
use shared_types::incident::IncidentState;
use shared_types::rollout::TransitionKind;
use shared_types::story::{EscalationReason, Hop, HopKind};
use shared_types::{Decision, Timestamp, Verdict};

use crate::facts::Facts;
use crate::outside::{Ledger, Moved, Settlement};
use crate::replica::Service;
use crate::spec::Script;
use crate::telemetry::Sent;
use crate::world::{BEGIN, VIOLATION};

/// What a check finds.
type Findings = Vec<String>;
type Check = fn(&Facts) -> Findings;

/// All of them, by name.
pub const CHECKS: &[(&str, Check)] = &[
    ("no task panics, and none goes in circles", sound),
    ("every accepted event is counted once", counted_once),
    ("every batch has exactly one decision", one_decision_a_batch),
    ("silence is heard in time", silence_is_heard),
    ("absent data never counts as compliance", absence_is_not_compliance),
    ("every decision reaches the reporter", decisions_arrive),
    ("every violation of the current epoch belongs to one incident", one_incident_a_violation),
    ("a required rollback is carried out or visibly failed", rollbacks_happen),
    ("at most one effective rollback an incident and phase, one phase down", rollbacks_are_single),
    ("who takes a rollout back at once gets it to `off` in one move", failures::aborts_end_at_off),
    ("an attempt that comes late has no effect", late_attempts_have_none),
    ("nothing moves up while an incident is open", no_move_up_in_an_incident),
    ("every message is accepted at least once or visibly dead", messages_arrive),
    ("every incident reaches people by Slack and by PagerDuty", people::hear_of_each_incident),
    ("what is given up is told in another way, once", losses::are_told),
    ("a move up that failed is told", failures::failed_moves_are_told),
    ("what a rollback leaves behind that failed or waits is measured on", failures::are_measured_on),
    ("no channel gets two messages within a second", people::channels_are_paced),
    ("what was made up is believed by nobody", forged::is_not_believed),
    ("silence before a stay is not of it", failures::silence_is_of_its_stay),
    ("duplicates only where an outcome was unknown", duplicates_are_explained),
    ("one dedup key an incident, no page after its resolution", pages_keep_their_key),
    ("escalated once, if and only if nobody acknowledged in time", escalates_once),
    ("what is done at PagerDuty counts once, what is forged never", people::acts_at_pagerduty_count),
    ("retries follow their schedule, and their exhaustion is told once", retries_on_schedule),
    ("who lost the lease records nothing", fenced),
    ("no text has an unfilled place", texts_are_filled),
    ("only listed transitions", transitions_are_listed),
    ("all queues drain once the trouble is over", queues_drain),
    ("nothing moves up without the approvals it asks for", approvals::moves_are_approved),
    ("nothing moves up before every checklist is complete", evidence::moves_are_proven),
    ("a review opens once, if and only if the cause is overdue", reviews::open_once),
    ("an approved review forces one rollback", reviews::approvals_force_one_rollback),
    ("nothing starts by itself while it is frozen", holds::frozen_stands_still),
    ("no more rollbacks start by themselves than the budget has", holds::budget_is_kept),
    ("nothing moves up on a spent budget", holds::spent_budgets_block),
    ("the audit log is one unbroken chain", audit::chain_is_whole),
    ("what changes the state stands in the audit log, once", audit::acts_are_recorded),
    ("a pause of the collector ends by itself and is in the audit log, once", audit::pauses_end),
    ("every decision comes out the same again", weighed::decisions_are_recomputed),
    ("what is proven is rolled back, and nothing else", weighed::proof_rolls_back),
    ("doubt neither feeds nor breaks a run, and nothing moves up on it", weighed::doubt_is_passed_over),
    (
        "a gap as long as is tolerated is told, a longer one pages, and none rolls back",
        weighed::gaps_are_tolerated,
    ),
    ("a flag set by hand is told, and nothing moves up on it", drift::is_told_and_blocks),
    ("a notice closes with the next compliant window, and asks for no cause", notices::close_by_themselves),
    ("after a restore no number is given out again", restored::numbers_are_new),
    ("a rollback that a lost past required is made or told", restored::rollbacks_are_not_lost),
    ("nothing moves up on a past that is lost", restored::nothing_moves_up_behind),
];

/// What every check found.
#[must_use]
pub fn check(facts: &Facts) -> BTreeMap<&'static str, Findings> {
    let all = CHECKS.iter().map(|(name, check)| (*name, check(facts)));
    all.filter(|(_, findings)| !findings.is_empty()).collect()
}

fn sound(facts: &Facts) -> Findings {
    let mut found: Findings = facts.panics.iter().map(|task| format!("{task} panicked")).collect();
    if facts.livelock {
        found.push("things go on without the time moving".to_owned());
    }
    found
}

/// Saves, errors and drifts of all batches, against what the application was told and what it has sent.
fn counted_once(facts: &Facts) -> Findings {
    let closed: u64 = facts.collected.iter().flat_map(|it| it.batch.counters.values()).sum();
    let counted = closed + facts.open;
    let mut found = Vec::new();
    let accepted = facts.sent.accepted;
    if counted != accepted {
        found.push(format!("{accepted} events were accepted, {counted} are in batches"));
    }
    let sent = u64::try_from(facts.sent.stored.len()).unwrap_or(u64::MAX);
    if counted > sent {
        found.push(format!("{sent} events were sent, {counted} are in batches"));
    }
    let Sent { late, duplicates, malformed, refused, .. } = facts.sent;
    if counted + late + duplicates + malformed < sent {
        found
            .push(format!("of {sent} events only {counted} are counted, {late} late, {malformed} malformed"));
    }
    if malformed + refused > 0 && facts.spec.spread().is_zero() {
        found.push(format!("{malformed} good events were called malformed, and {refused} pushes refused"));
    }
    found
}

fn one_decision_a_batch(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let judged: BTreeMap<_, _> = facts.judged.iter().map(|(start, id)| (*start, id)).collect();
    let slo = facts.decided.iter().filter(|it| it.cause == Cause::Slo);
    let mut by_window: BTreeMap<_, u32> = BTreeMap::new();
    slo.for_each(|decision| *by_window.entry(decision.window.start).or_default() += 1);
    for it in facts.collected.iter().filter(|it| it.sent) {
        let start = it.batch.window.start;
        // What closed at the very end may be on its way.
        let recent = it.batch.collected_at.plus(Duration::from_secs(600)) > facts.end;
        let refused = facts.effects.iter().any(|(_, effect)| {
            effect.kind == "deliver_batch"
                && effect.state == "dead"
                && effect.subject.ends_with(&start.basic_format())
        });
        if !recent && !refused && (!judged.contains_key(&start) || !it.delivered) {
            found.push(format!("the batch of {} was never judged", it.batch.window));
        }
        if by_window.get(&start).is_some_and(|count| *count != 1) {
            found.push(format!("the batch of {} has several decisions", it.batch.window));
        }
    }
    found
}

/// In the script that takes the collector away: the window it leaves open is decided on when it is overdue.
fn silence_is_heard(facts: &Facts) -> Findings {
    if facts.spec.script != Script::Silence {
        return Vec::new();
    }
    let start = Timestamp::from_millis(BEGIN).plus(Duration::from_secs(60 * VIOLATION));
    let limit = start.plus(facts.policy.collection.window + facts.policy.collection.delayed_after);
    let heard =
        |it: &&Decision| it.window.start == start && it.decided_at <= limit.plus(Duration::from_secs(60));
    match facts.decided.iter().find(heard) {
        Some(_) => Vec::new(),
        None => vec![format!("nothing was decided on the window from {start} by {limit}")],
    }
}

fn absence_is_not_compliance(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let mut compliant: BTreeMap<u64, BTreeSet<_>> = BTreeMap::new();
    let mut before: BTreeMap<u64, u64> = BTreeMap::new();
    for decision in &facts.decided {
        let windows = compliant.entry(decision.epoch).or_default();
        if decision.cause == Cause::Slo && decision.verdict.is_compliant() {
            windows.insert(decision.window.start);
        }
        let Some(gate) = decision.gate.as_ref() else { continue };
        if gate.compliant_batches > u64::try_from(windows.len()).unwrap_or(u64::MAX) {
            found.push(format!(
                "{} compliant windows are claimed in {}",
                gate.compliant_batches, decision.window
            ));
        }
        let earlier = before.insert(decision.epoch, gate.compliant_batches).unwrap_or(0);
        if decision.cause != Cause::Slo && gate.compliant_batches > earlier {
            found.push(format!("the absence of {} counts as compliance", decision.window));
        }
    }
    found
}

fn decisions_arrive(facts: &Facts) -> Findings {
    // Also in what was lost with the reporter's store.
    let received = facts.received.iter().chain(facts.past.iter().flat_map(|it| &it.received));
    let arrived: BTreeSet<_> = received.map(|it| it.decision.decision_id).collect();
    let outbox: BTreeSet<_> = facts.decided.iter().map(|it| it.decision_id.to_string()).collect();
    let mut found: Findings = facts
        .decided
        .iter()
        .filter(|it| {
            !arrived.contains(&it.decision_id) && it.decided_at.plus(Duration::from_secs(600)) < facts.end
        })
        .map(|it| format!("the decision on {} ({}) never arrived", it.window, it.cause.as_str()))
        .collect();
    let unsent = facts.judged.iter().filter(|(_, id)| !outbox.contains(id));
    found.extend(unsent.map(|(start, _)| format!("the decision on the window from {start} was never sent")));
    found
}

fn one_incident_a_violation(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    for it in facts.received.iter().filter(|it| !it.stale) {
        let decision = &it.decision;
        if decision.verdict == Verdict::Violation && it.incident.is_none() {
            found.push(format!("the violation of {} has no incident", decision.window));
        }
    }
    // The truth about epochs is the order of the moves, not what the reporter says is stale.
    let mut open = BTreeMap::new();
    for (incident, _) in
        facts.incidents.iter().filter(|(incident, _)| incident.state() == IncidentState::Open)
    {
        *open.entry(incident.target.clone()).or_insert(0) += 1;
    }
    found.extend(
        open.iter()
            .filter(|(_, count)| **count > 1)
            .map(|(target, _)| format!("{target} has several open incidents")),
    );
    for (incident, _) in &facts.incidents {
        let subject = &incident.subject;
        // What stays open while a person goes on from a restored store goes on into the stay that begins with that.
        let lost = facts.target.as_ref().and_then(|it| it.lost);
        let went_on = lost.is_some_and(|it| (incident.epoch + 1..=subject.epoch).contains(&it.before));
        let of_another = subject.epoch != incident.epoch && !went_on && !facts.is_lost(subject.epoch);
        // One that a person's failed rollback has opened stands on the first decision after it that asks for one.
        let asked_first = subject.epoch > incident.epoch
            && incident.rollbacks == 1
            && facts.received.iter().any(|it| {
                it.decision.decision_id == subject.decision_id && it.decision.rollback_required && !it.stale
            });
        if of_another && incident.rollbacks <= 1 && !asked_first && !subject.decision_id.is_nil() {
            found.push(format!("{} stands on a decision of epoch {}", incident.id, subject.epoch));
        }
    }
    found
}

fn rollbacks_happen(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let succeeded = |id: &str| {
        facts
            .books
            .moved
            .iter()
            .any(|it| it.kind == TransitionKind::Rollback && it.incident.as_deref() == Some(id))
    };
    for it in facts.received.iter().filter(|it| !it.stale && it.decision.rollback_required) {
        let Some(id) = &it.incident else { continue };
        let incident = facts.incidents.iter().find(|(incident, _)| incident.id.as_str() == id);
        let Some((incident, _)) = incident else {
            found.push(format!("{id} is not there"));
            continue;
        };
        let recent = incident.opened_at.plus(Duration::from_secs(900)) > facts.end;
        let failed = facts
            .target
            .as_ref()
            .is_some_and(|it| matches!(it.stage, Stage::RollbackFailed(_) | Stage::Waiting(_)));
        if !recent && !failed && !succeeded(id) && !succeeded_by_hand(facts, id) {
            found.push(format!("{id} asks for a rollback that never was"));
        }
    }
    if let Some(target) = &facts.target
        && matches!(target.stage, Stage::Idle)
        && !facts.books.unaware
        && facts.books.flag.as_ref().is_some_and(|flag| *flag != target.phase)
        // What somebody has set already by hand is not commanded again.
        && facts.books.served() != target.phase
    {
        found.push(format!("the flag serves {:?}, the rollout stands in {}", facts.books.flag, target.phase));
    }
    found
}

/// An incident that was opened while a rollback was under way has adopted it.
fn succeeded_by_hand(facts: &Facts, id: &str) -> bool {
    let incident = facts.incidents.iter().find(|(incident, _)| incident.id.as_str() == id);
    let rollback = incident.zip(facts.target.as_ref()).and_then(|((it, _), target)| it.rollback_of(target));
    rollback.is_some_and(|it| it.finished_at.is_some())
}

fn rollbacks_are_single(facts: &Facts) -> Findings {
    facts.histories().flat_map(|books| single_rollbacks(facts, books)).collect()
}

fn single_rollbacks(facts: &Facts, books: &Ledger) -> Findings {
    let (mut found, mut done) = (Vec::new(), BTreeMap::new());
    let mut promoted = None;
    let aborts = failures::aborts(facts);
    let moved = books.moved.iter().filter(|it| it.before != it.after);
    for it in moved.filter(|it| !aborts.contains(it.transition.as_str())) {
        if it.kind == TransitionKind::Promote {
            promoted = Some((it.epoch, &it.after));
            continue;
        }
        // An epoch is one stay in one phase: no incident leaves it twice, nor do two incidents. After a restore that a person has
        // accepted the phase on record may not be what is served: then nobody leaves it; or it was left, and is served again
        // since a move up that is lost.
        let count = done.entry(it.epoch).or_insert(0);
        *count += u32::from(!it.unaware || it.before == it.from && !served_again(facts, it));
        if *count > 1 {
            found.push(format!("{} was left {count} times in epoch {}", it.from, it.epoch));
        }
        // A move up that the rollback has overtaken may have had its effect: the rollout never got there.
        let overtaken = promoted == Some((it.epoch, &it.before)) || it.unaware || it.tampered;
        if facts.policy.below(&it.from).as_ref() != Some(&it.after) || (it.before != it.from && !overtaken) {
            found.push(format!("a rollback from {} went from {} to {}", it.from, it.before, it.after));
        }
    }
    found
}

/// Whether a move up in what is lost led to what a command after the restore found.
fn served_again(facts: &Facts, found: &Moved) -> bool {
    let mut lost =
        facts.past.iter().flat_map(|past| past.books.moved.iter().filter(|it| past.began(it.epoch)));
    lost.rfind(|it| it.before != it.after)
        .is_some_and(|it| it.kind == TransitionKind::Promote && it.after == found.before)
}

/// RB-10: each effect is of a later attempt than the one before it.
fn late_attempts_have_none(facts: &Facts) -> Findings {
    // After a restore numbers grow as long as clocks do.
    let since = |it: &&Moved| facts.past.is_some() && !it.unaware;
    let past = facts.past.iter().flat_map(|it| &it.books.moved);
    let moved: Vec<&Moved> = past.chain(facts.books.moved.iter().skip_while(since)).collect();
    let late = moved.windows(2).filter(|it| it[1].fence <= it[0].fence);
    let late = late.filter(|it| !it[1].unaware || facts.spec.spread().is_zero());
    late.map(|it| format!("attempt {} had its effect after attempt {}", it[1].fence, it[0].fence)).collect()
}

fn no_move_up_in_an_incident(facts: &Facts) -> Findings {
    let moved = facts.histories().flat_map(|it| &it.moved);
    let against = moved.filter(|it| it.against_an_incident && it.before != it.after);
    against.map(|it| format!("from {} to {} while an incident was open", it.before, it.after)).collect()
}

fn messages_arrive(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let posted: BTreeSet<&str> = facts.books.posted.iter().map(|it| it.notification.as_str()).collect();
    let paged: BTreeSet<&str> =
        facts.books.paged.iter().filter_map(|it| it.notification.as_deref()).collect();
    for it in facts.notifications.iter().filter(|it| it.channel != "runbook") {
        let id = it.id.to_string();
        let there = posted.contains(id.as_str()) || paged.contains(id.as_str());
        let old = it.created_at.plus(Duration::from_secs(600)) < facts.end;
        match it.state {
            NotificationState::Sent if !there => {
                found.push(format!("{} `{}` is told to be sent", it.kind, it.text));
            }
            NotificationState::Pending if old => {
                found.push(format!("{} of {} is still on its way", it.kind, it.created_at));
            }
            _ => {}
        }
    }
    found
}

fn duplicates_are_explained(facts: &Facts) -> Findings {
    facts.histories().flat_map(unexplained_duplicates).collect()
}

fn unexplained_duplicates(books: &Ledger) -> Findings {
    let mut accepted: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for it in &books.posted {
        let (times, marked) = accepted.entry(it.notification.as_str()).or_default();
        *times += 1;
        *marked += u32::from(it.resend);
    }
    accepted
        .into_iter()
        .filter(|(_, (times, marked))| *times > 1 && *marked == 0)
        .map(|(_, (times, _))| format!("a text was accepted {times} times, and no resend was marked"))
        .collect()
}

fn pages_keep_their_key(facts: &Facts) -> Findings {
    facts.histories().flat_map(changed_keys).collect()
}

fn changed_keys(books: &Ledger) -> Findings {
    let (mut found, mut resolved) = (Vec::new(), BTreeSet::new());
    let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
    for it in &books.paged {
        // Behind an incident's id stands when it was opened.
        let key = it.dedup_key.as_str();
        let opened = key.rsplit_once('/').filter(|(_, last)| last.bytes().all(|it| it.is_ascii_digit()));
        let names = key == it.incident || opened.map_or(key, |(before, _)| before).ends_with(&it.incident);
        if !names || *keys.entry(&it.incident).or_insert(key) != key {
            found.push(format!("the key of {} is {}", it.incident, it.dedup_key));
        }
        match it.notification {
            None => {
                resolved.insert(it.incident.clone());
            }
            Some(_) if resolved.contains(&it.incident) => {
                found.push(format!("{} is paged after its resolution", it.incident));
            }
            Some(_) => {}
        }
    }
    found
}

fn escalates_once(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let slack = facts.spec.spread() + Duration::from_secs(300);
    for (incident, timeline) in &facts.incidents {
        let times = timeline.iter().filter(|it| it.hop.is(HopKind::Escalated)).count();
        let notices = facts
            .notifications
            .iter()
            .filter(|it| it.kind == "escalation" && it.incident.as_ref() == Some(&incident.id))
            .count();
        if times > 1 || notices > 1 {
            found.push(format!("{} was escalated {times} times, told {notices} times", incident.id));
        }
        let silence = EscalationReason::Unacknowledged;
        let by_silence =
            timeline.iter().any(|it| matches!(it.hop, Hop::Escalated { how, .. } if how == silence));
        let place = |kind| audit::first(facts, incident.id.as_str(), kind);
        if let (Some(acknowledged), Some(escalated)) =
            (place(HopKind::Acknowledged), place(HopKind::Escalated))
            && acknowledged < escalated
            && by_silence
        {
            found.push(format!("{} was escalated after it was acknowledged", incident.id));
        }
        let due = incident.opened_at.plus(facts.policy.paging.escalate_after + slack);
        if times == 0 && incident.acknowledged.is_none() && incident.closed_at.is_none() && due < facts.end {
            found.push(format!("{} was never escalated", incident.id));
        }
    }
    found
}

fn retries_on_schedule(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let mut exhausted: BTreeMap<&str, usize> = BTreeMap::new();
    for it in facts.books.settled.iter().filter(|it| it.kind == "deliver_batch" || it.kind == "RunTransition")
    {
        let Recorded::Retrying(next) = it.recorded else { continue };
        let schedule = &facts.policy.collection.retry;
        let step = usize::try_from(it.step).unwrap_or(usize::MAX);
        let wanted = schedule.get(step).or(schedule.last()).copied().unwrap_or_default();
        if it.failed && next.since(it.at) != wanted {
            found.push(format!(
                "{} waits {} s after failure {}",
                it.kind,
                next.since(it.at).as_secs(),
                step + 1
            ));
        }
        if it.failed && it.kind == "deliver_batch" && step == schedule.len() {
            *exhausted.entry(it.effect.as_str()).or_default() += 1;
        }
    }
    for (id, times) in exhausted {
        let batch = facts.effects.iter().find(|(_, effect)| effect.id == id);
        let Some((_, batch)) = batch else { continue };
        let told = facts.effects.iter().filter(|(service, effect)| {
            *service == Service::Collector
                && effect.kind == "deliver_event"
                && effect.subject == batch.subject
                && effect.payload.to_string().contains("retry_exhausted")
        });
        let told = told.count();
        if told != 1 {
            found.push(format!(
                "retries of {} were exhausted {times} times and told {told} times",
                batch.subject
            ));
        }
    }
    found
}

/// A claim that finds the row leased counts one unknown outcome more; then the claim before has recorded nothing.
fn fenced(facts: &Facts) -> Findings {
    facts.histories().flat_map(recorded_too_late).collect()
}

fn recorded_too_late(books: &Ledger) -> Findings {
    let settled = books.settled.iter().filter(|it| it.recorded != Recorded::Fenced && !it.unknown);
    let next = |it: &Settlement| books.claims.get(&(it.service, it.effect.clone(), it.fence + 1));
    settled
        .filter(|it| next(it).is_some_and(|unknowns| *unknowns > it.unknowns))
        .map(|it| format!("{} recorded {:?} although its lease was lost", it.kind, it.recorded))
        .collect()
}

fn texts_are_filled(facts: &Facts) -> Findings {
    let posted = facts.histories().flat_map(|it| &it.posted).map(|it| &it.text);
    let paged = facts.histories().flat_map(|it| &it.paged).map(|it| &it.text);
    let holes = ["{", "}", "null", "NaN"];
    let holed = posted.chain(paged).filter(|text| holes.iter().any(|hole| text.contains(hole)));
    holed.map(|text| format!("`{text}`")).collect()
}

fn transitions_are_listed(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let moved = facts.histories().flat_map(|it| &it.moved);
    let promotions = moved.filter(|it| it.kind == TransitionKind::Promote && it.before != it.after);
    // Beside a flag that a person has set, what was commanded before is not what was served.
    for it in promotions.filter(|it| !it.unaware && !it.tampered) {
        let (before, after) = (facts.policy.position(&it.before), facts.policy.position(&it.after));
        if before.zip(after).is_none_or(|(before, after)| before + 1 != after) {
            found.push(format!("a promotion went from {} to {}", it.before, it.after));
        }
    }
    let states = |incident: &domain::rollout::Incident| {
        (incident.state(), incident.recovered_at.is_some(), incident.closed_at.is_some())
    };
    for (incident, _) in &facts.incidents {
        let listed = matches!(
            states(incident),
            (IncidentState::Open, false, false)
                | (IncidentState::Recovered, true, false)
                | (IncidentState::Closed, true, true)
        );
        if !listed {
            found.push(format!("{} stands in {:?}", incident.id, states(incident)));
        }
    }
    found
}

fn queues_drain(facts: &Facts) -> Findings {
    let patience = Duration::from_secs(600);
    let stuck = facts.effects.iter().filter(|(_, it)| {
        let waits = it.state == "ready" || it.state == "leased";
        let by_design = it.kind == "CheckPageAcknowledged" && it.due_at > facts.end;
        waits && !by_design && it.enqueued_at.plus(patience + facts.spec.spread()) < facts.end
    });
    stuck
        .map(|(service, it)| {
            let why = it.last_error.as_deref().unwrap_or("nobody tried");
            format!("{} {} of {} still waits: {why}", service.name(), it.kind, it.enqueued_at)
        })
        .collect()
}
