//! What two versions say of one target.

use std::collections::BTreeMap;
use std::time::Duration;

use shared_types::PhaseId;
use shared_types::decision::ViolationAction;

use super::super::render::threshold_text;
use super::super::units::format_duration;
use super::super::{
    Advance, AdvanceCondition, Collection, DailyReport, EvidenceItem, GatePolicy, MetricPolicy,
    NotificationPolicy, Notifications, Paging, PhasePolicy, RcaPolicy, RollbackBudget, TargetPolicy,
    Transitions,
};
use super::{Changes, Effect};
use crate::template::values::format_number;

pub(super) fn compare(name: &str, old: &TargetPolicy, new: &TargetPolicy, list: &mut Changes) {
    let before = list.0.len();
    let TargetPolicy {
        title,
        collection: into_batches,
        metrics: measured,
        gate: judged,
        phases: steps,
        transitions: moves,
        notifications: told,
        paging: paged,
        rca: analysed,
        evidence: asked,
    } = new;
    list.text(name, "title", &old.title, title);
    collection(name, &old.collection, into_batches, list);
    metrics(name, &old.metrics, measured, list);
    gate(name, &old.gate, judged, list);
    phases(name, old, new, steps, list);
    transitions(name, &old.transitions, moves, list);
    notifications(name, &old.notifications, told, list);
    paging(name, &old.paging, paged, list);
    rca(name, &old.rca, analysed, list);
    evidence(name, &old.evidence, asked, list);
    if list.0.len() == before && old != new {
        list.add(name, "something differs that has no words here; compare the files", Effect::Other);
    }
}

fn collection(place: &str, old: &Collection, new: &Collection, list: &mut Changes) {
    let Collection { source, window, grace, delayed_after, retry, source_timeout } = new;
    list.text(place, "source", &old.source.words(), &source.words());
    list.time(place, "window", old.window, *window);
    list.time(place, "grace", old.grace, *grace);
    list.more_is_looser(place, "delayed_after", old.delayed_after, *delayed_after, format_duration);
    list.text(place, "collection retry", &times(&old.retry), &times(retry));
    list.time(place, "source_timeout", old.source_timeout, *source_timeout);
}

fn times(times: &[Duration]) -> String {
    let times: Vec<String> = times.iter().map(|time| format_duration(*time)).collect();
    format!("[{}]", times.join(", "))
}

fn metrics(place: &str, old: &[MetricPolicy], new: &[MetricPolicy], list: &mut Changes) {
    for metric in new {
        let MetricPolicy { name, kind, display, on_violation } = metric;
        let Some(before) = old.iter().find(|it| it.name == *name) else {
            list.add(place, format!("metric {name} is new: {}", kind.words()), Effect::Stricter);
            continue;
        };
        list.text(place, &format!("metric {name}:"), &before.kind.words(), &kind.words());
        list.text(place, &format!("metric {name} shown in"), before.display.symbol(), display.symbol());
        let action = |action: ViolationAction| format!("{action:?}").to_lowercase();
        list.less_is_looser(
            place,
            &format!("on violation of {name}:"),
            before.on_violation,
            *on_violation,
            action,
        );
    }
    for metric in old.iter().filter(|it| new.iter().all(|new| new.name != it.name)) {
        list.add(place, format!("metric {} is left out", metric.name), Effect::Looser);
    }
}

fn gate(place: &str, old: &GatePolicy, new: &GatePolicy, list: &mut Changes) {
    let GatePolicy { warn_ratio, min_samples } = new;
    let percent = |ratio: f64| format!("{}%", format_number(Some(ratio * 100.0)));
    list.more_is_looser(place, "warn_ratio", old.warn_ratio, *warn_ratio, percent);
    list.more_is_looser(place, "min_samples", old.min_samples, *min_samples, |it| it.to_string());
}

fn phases(name: &str, old: &TargetPolicy, new: &TargetPolicy, steps: &[PhasePolicy], list: &mut Changes) {
    let order = |target: &TargetPolicy| names(target.phases.iter().map(|it| &it.id));
    let (before, after) = (order(old), order(new));
    if before != after {
        let fewer = old.phases.iter().any(|it| new.phase(&it.id).is_none());
        let effect = if fewer { Effect::Looser } else { Effect::Other };
        list.add(name, format!("phases {before} → {after}"), effect);
    }
    for step in steps {
        let Some(before) = old.phase(&step.id) else { continue };
        phase(&format!("{name} phase {}", step.id), (old, before), (new, step), list);
    }
}

fn phase(
    place: &str,
    (old_target, old): (&TargetPolicy, &PhasePolicy),
    (new_target, new): (&TargetPolicy, &PhasePolicy),
    list: &mut Changes,
) {
    let PhasePolicy { id: _, name, audience_percent, thresholds, advance: up } = new;
    list.text(place, "name", &old.name, name);
    let percent = |percent: f64| format!("{}%", format_number(Some(percent)));
    list.more_is_looser(place, "audience", old.audience_percent, *audience_percent, percent);
    for metric in &new_target.metrics {
        let before = old_target.metrics.iter().find(|it| it.name == metric.name);
        let (Some(before), Some(limit)) = (before, thresholds.get(&metric.name)) else { continue };
        let Some(old_limit) = old.thresholds.get(&metric.name) else { continue };
        let (from, to) = (threshold_text(before, old), threshold_text(metric, new));
        if from != to {
            // Thresholds of two units say nothing by their numbers.
            let effect = match before.display == metric.display {
                true if metric.kind.direction().is_looser(*limit, *old_limit) => Effect::Looser,
                true => Effect::Stricter,
                false => Effect::Other,
            };
            list.add(place, format!("{} {from} → {to}", metric.name), effect);
        }
    }
    advance(place, &old.advance, up, list);
}

fn advance(place: &str, old: &Advance, new: &Advance, list: &mut Changes) {
    let Advance { condition, critical_alerts, incident_notifications, approvals } = new;
    match (old.condition, *condition) {
        (AdvanceCondition::CompliantBatches(old), AdvanceCondition::CompliantBatches(new)) => {
            list.less_is_looser(place, "moves up after compliant batches:", old, new, |it| it.to_string());
        }
        (AdvanceCondition::CompliantFor(old), AdvanceCondition::CompliantFor(new)) => {
            list.less_is_looser(place, "moves up after compliance of", old, new, format_duration);
        }
        (old, new) => list.text(place, "moves up after", &condition_text(old), &condition_text(new)),
    }
    let rows = [
        ("critical alerts", old.critical_alerts, *critical_alerts),
        ("incident notifications", old.incident_notifications, *incident_notifications),
    ];
    for (what, old, new) in rows {
        if old != new {
            let looser = new.is_none_or(|new| old.is_some_and(|old| new > old));
            let show = |most: Option<u64>| most.map_or_else(|| "not asked".to_owned(), |it| it.to_string());
            let effect = if looser { Effect::Looser } else { Effect::Stricter };
            list.add(place, format!("{what} allowed: {} → {}", show(old), show(new)), effect);
        }
    }
    list.asked(place, "approvals", &old.approvals, approvals);
}

fn condition_text(condition: AdvanceCondition) -> String {
    match condition {
        AdvanceCondition::CompliantBatches(count) => format!("{count} compliant batches in a row"),
        AdvanceCondition::CompliantFor(time) => format!("compliance of {}", format_duration(time)),
    }
}

fn transitions(place: &str, old: &Transitions, new: &Transitions, list: &mut Changes) {
    let Transitions {
        rollback,
        promote,
        verify,
        timeout,
        retry,
        recovery_watch,
        recovery_cadence,
        budget: most,
    } = new;
    list.text(place, "rollback command", &words(&old.rollback), &words(rollback));
    list.text(place, "promote command", &words(&old.promote), &words(promote));
    match (&old.verify, verify) {
        (Some(_), None) => {
            list.add(place, "verify is left out: moves are not read back any more", Effect::Looser);
        }
        (None, Some(new)) => list.add(place, format!("verify is new: {}", words(new)), Effect::Stricter),
        (Some(old), Some(new)) => list.text(place, "verify command", &words(old), &words(new)),
        (None, None) => {}
    }
    list.time(place, "command timeout", old.timeout, *timeout);
    list.text(place, "command retry", &times(&old.retry), &times(retry));
    list.less_is_looser(place, "recovery watch", old.recovery_watch, *recovery_watch, format_duration);
    list.time(place, "recovery cadence", old.recovery_cadence, *recovery_cadence);
    budget(place, old.budget, *most, list);
}

fn words(command: &[String]) -> String {
    let quoted = command.iter().map(|word| {
        if word.is_empty() || word.contains(char::is_whitespace) { format!("{word:?}") } else { word.clone() }
    });
    format!("`{}`", quoted.collect::<Vec<_>>().join(" "))
}

fn notifications(place: &str, old: &Notifications, new: &Notifications, list: &mut Changes) {
    let Notifications {
        templates,
        values,
        ok,
        warn,
        incident,
        rollback,
        escalation_channel,
        daily_report: daily,
    } = new;
    list.text(place, "directory of texts", &old.templates, templates);
    list.text(place, "values of texts", &pairs(&old.values), &pairs(values));
    let rows = [
        ("ok", &old.ok, ok),
        ("warn", &old.warn, warn),
        ("incident", &old.incident, incident),
        ("rollback", &old.rollback, rollback),
    ];
    for (kind, old, new) in rows {
        let NotificationPolicy { template, channel, phases } = new;
        list.text(place, &format!("text of {kind}"), &old.template, template);
        list.text(place, &format!("channel of {kind}"), &old.channel, channel);
        phases_told(place, kind, &old.phases, phases, list);
    }
    list.text(place, "escalation channel", &old.escalation_channel, escalation_channel);
    list.text(place, "daily report", &daily_text(old.daily_report.as_ref()), &daily_text(daily.as_ref()));
}

fn phases_told(place: &str, kind: &str, old: &[PhaseId], new: &[PhaseId], list: &mut Changes) {
    if old != new {
        let silent = old.iter().any(|phase| !new.contains(phase));
        let effect = if silent { Effect::Looser } else { Effect::Other };
        list.add(place, format!("{kind} is sent in {} → {}", names(old.iter()), names(new.iter())), effect);
    }
}

fn names<'a>(phases: impl Iterator<Item = &'a PhaseId>) -> String {
    let names: Vec<&str> = phases.map(PhaseId::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn pairs(values: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = values.iter().map(|(name, metric)| format!("{name}={metric}")).collect();
    if pairs.is_empty() { "none".to_owned() } else { pairs.join(" ") }
}

fn daily_text(daily: Option<&DailyReport>) -> String {
    match daily {
        None => "none".to_owned(),
        Some(DailyReport { phases, at, time_zone, channel }) => {
            format!("in {} at {at} {time_zone} to {channel}", names(phases.iter()))
        }
    }
}

fn paging(place: &str, old: &Paging, new: &Paging, list: &mut Changes) {
    let Paging { service, priority, acknowledge_within, escalate_after, escalate_to } = new;
    list.text(place, "paged service", &old.service, service);
    // P1 is the highest: a later letter or number is a lower priority.
    list.more_is_looser(place, "page priority", old.priority.as_str(), priority.as_str(), str::to_owned);
    list.more_is_looser(
        place,
        "acknowledge within",
        old.acknowledge_within,
        *acknowledge_within,
        format_duration,
    );
    list.more_is_looser(place, "escalate after", old.escalate_after, *escalate_after, format_duration);
    list.more_is_looser(place, "escalate to", old.escalate_to.as_str(), escalate_to.as_str(), str::to_owned);
}

fn rca(place: &str, old: &RcaPolicy, new: &RcaPolicy, list: &mut Changes) {
    let RcaPolicy { due, approver, overdue_proposes_rollback } = new;
    list.more_is_looser(place, "RCA due after", old.due, *due, format_duration);
    list.text(place, "RCA approver", &old.approver, approver);
    list.less_is_looser(
        place,
        "an overdue RCA proposes a rollback:",
        old.overdue_proposes_rollback,
        *overdue_proposes_rollback,
        |it| it.to_string(),
    );
}

fn budget(place: &str, old: RollbackBudget, new: RollbackBudget, list: &mut Changes) {
    let RollbackBudget { automatic_rollbacks, per } = new;
    let number = |it: u64| it.to_string();
    list.less_is_looser(place, "automatic rollbacks", old.automatic_rollbacks, automatic_rollbacks, number);
    list.more_is_looser(place, "automatic rollbacks are counted per", old.per, per, format_duration);
}

fn evidence(place: &str, old: &[EvidenceItem], new: &[EvidenceItem], list: &mut Changes) {
    let items = |of: &[EvidenceItem]| -> Vec<String> { of.iter().map(|it| it.item.clone()).collect() };
    list.asked(place, "evidence", &items(old), &items(new));
    for it in new {
        let EvidenceItem { item, owner, auto, after } = it;
        let Some(before) = old.iter().find(|it| it.item == *item) else { continue };
        list.text(place, &format!("evidence {item} signed by"), &before.owner, owner);
        list.text(place, &format!("evidence {item} auto"), &before.auto.to_string(), &auto.to_string());
        list.asked(place, &format!("evidence {item} after"), &before.after, after);
    }
}
