//! What follows a verdict: commands, messages, pages, the root cause analysis and the checklist.

use std::collections::BTreeMap;

use shared_types::PhaseId;

use super::metrics::known_metric;
use super::phases::whole;
use super::{Checked, Path, duration, name, names, positive, retry, text, window};
use crate::executors::{ExecutorKind as _, ExecutorPolicy, command};
use crate::kinds::Kinds;
use crate::notifiers::Address;
use crate::policy::at::At;
use crate::policy::raw::{
    RawBudget, RawDailyReport, RawEvidence, RawNotification, RawNotifications, RawPaging, RawProposal,
    RawRca, RawTransitions,
};
use crate::policy::section::{Node, Section, Tree};
use crate::policy::{
    Collection, DailyReport, EvidenceItem, MetricPolicy, NotificationPolicy, Notifications, Paging,
    RcaPolicy, RollbackBudget, Transitions,
};

pub(super) fn transitions(
    at: &At<RawTransitions>,
    kinds: &Kinds,
    collection: &Collection,
    path: &Path,
) -> Checked<Transitions> {
    let raw = &at.value;
    let recovery = path.key("recovery");
    let recovery_watch = positive(&raw.recovery.watch, &recovery.key("watch"))?;
    let cadence_path = recovery.key("cadence");
    let recovery_cadence = window(&raw.recovery.cadence, &cadence_path)?;
    if recovery_cadence <= collection.grace || recovery_cadence > recovery_watch {
        let found = &raw.recovery.cadence.value.0;
        let message = format!("expected more than `collection.grace` and at most the watch, found `{found}`");
        return Err(raw.recovery.cadence.wrong(&cadence_path, message));
    }
    Ok(Transitions {
        executor: executor(at, kinds, path)?,
        timeout: positive(&raw.timeout, &path.key("timeout"))?,
        retry: retry(&raw.retry, &path.key("retry"))?,
        recovery_watch,
        recovery_cadence,
        budget: raw
            .budget
            .as_ref()
            .map(|raw| budget(raw, &path.key("budget")))
            .transpose()?
            .unwrap_or_default(),
    })
}

/// The times of that many rollbacks are remembered, so the number has a bound.
fn budget(raw: &RawBudget, path: &Path) -> Checked<RollbackBudget> {
    const MOST: u64 = 1000;
    let number_path = path.key("automatic_rollbacks");
    let automatic_rollbacks = whole(&raw.automatic_rollbacks, 1, &number_path)?;
    if automatic_rollbacks > MOST {
        let message = format!("expected at most {MOST}, found `{automatic_rollbacks}`");
        return Err(raw.automatic_rollbacks.wrong(&number_path, message));
    }
    Ok(RollbackBudget { automatic_rollbacks, per: positive(&raw.per, &path.key("per"))? })
}

/// The commands that stand right here, or the one flag system below `flag`.
fn executor(at: &At<RawTransitions>, kinds: &Kinds, path: &Path) -> Checked<ExecutorPolicy> {
    let raw = &at.value;
    let commands = [("rollback", &raw.rollback), ("promote", &raw.promote), ("verify", &raw.verify)];
    let Some(flag) = &raw.flag else {
        let given =
            commands.into_iter().filter_map(|(key, raw)| Some((key.to_owned(), raw.as_ref()?.tree())));
        let tree = Tree(Node::Map(given.collect()));
        let section = Section::new(&At { value: tree, line: at.line, column: at.column }, &path.0);
        let planner = command::Command.check(&section)?;
        return Ok(ExecutorPolicy::new(command::NAME, planner));
    };
    let path = path.key("flag");
    if let Some((key, _)) = commands.into_iter().find(|(_, raw)| raw.is_some()) {
        let message = format!("expected commands or a flag system, found `{key}` beside it");
        return Err(flag.wrong(&path, message));
    }
    let named: Vec<&str> =
        kinds.executors().iter().map(|it| it.name()).filter(|it| *it != command::NAME).collect();
    let [(name, settings)] = flag.value.0.as_slice() else {
        return Err(flag.wrong(&path, format!("expected one flag system of {}", named.join(", "))));
    };
    let kind = kinds.executor(name).filter(|it| named.contains(&it.name())).ok_or_else(|| {
        let message = format!("the flag system `{name}` is not known; known here: {}", named.join(", "));
        settings.wrong(&path.key(name), message)
    })?;
    let planner = kind.check(&Section::new(settings, &path.key(name).0))?;
    Ok(ExecutorPolicy::new(kind.name(), planner))
}

pub(super) fn notifications(
    raw: &RawNotifications,
    kinds: &Kinds,
    metrics: &[MetricPolicy],
    phases: &[PhaseId],
    path: &Path,
) -> Checked<Notifications> {
    let mut values = BTreeMap::new();
    for (placeholder, metric) in &raw.values.0 {
        let path = path.key("values").key(placeholder);
        if crate::template::values::INCIDENT.contains(&placeholder.as_str()) {
            return Err(metric.wrong(&path, format!("`{placeholder}` is already the name of a placeholder")));
        }
        known_metric(&metric.value, metric, metrics, &path)?;
        values.insert(placeholder.clone(), metric.value.clone());
    }
    let one = |raw: &RawNotification, key: &str| notification(raw, kinds, phases, &path.key(key));
    let daily_report = raw.daily_report.as_ref();
    Ok(Notifications {
        templates: text(&raw.templates, &path.key("templates"))?,
        values,
        ok: one(&raw.ok, "ok")?,
        warn: one(&raw.warn, "warn")?,
        incident: one(&raw.incident, "incident")?,
        rollback: one(&raw.rollback, "rollback")?,
        escalation_channel: address(&raw.escalation_channel, kinds, true, &path.key("escalation_channel"))?,
        daily_report: daily_report
            .map(|raw| daily(raw, kinds, phases, &path.key("daily_report")))
            .transpose()?,
    })
}

fn notification(
    raw: &RawNotification,
    kinds: &Kinds,
    phases: &[PhaseId],
    path: &Path,
) -> Checked<NotificationPolicy> {
    Ok(NotificationPolicy {
        template: name(&raw.template, &path.key("template"))?,
        channel: address(&raw.channel, kinds, false, &path.key("channel"))?,
        phases: known_phases(&raw.phases, phases, &path.key("phases"))?,
    })
}

fn daily(raw: &RawDailyReport, kinds: &Kinds, phases: &[PhaseId], path: &Path) -> Checked<DailyReport> {
    let two_digits = |text: &str| match text.as_bytes() {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    };
    let time = raw
        .at
        .value
        .split_once(':')
        .and_then(|(hour, minute)| Some((two_digits(hour)?, two_digits(minute)?)));
    if !time.is_some_and(|(hour, minute)| hour < 24 && minute < 60) {
        let message = format!("expected a time of day such as \"09:00\", found `{}`", raw.at.value);
        return Err(raw.at.wrong(&path.key("at"), message));
    }
    // The zones built into the program: which are known must not depend on the machine.
    if jiff::tz::TimeZoneDatabase::bundled().get(&raw.time_zone.value).is_err() {
        let message =
            format!("expected an IANA time zone such as Asia/Tokyo, found `{}`", raw.time_zone.value);
        return Err(raw.time_zone.wrong(&path.key("time_zone"), message));
    }
    Ok(DailyReport {
        phases: known_phases(&raw.phases, phases, &path.key("phases"))?,
        at: raw.at.value.clone(),
        time_zone: raw.time_zone.value.clone(),
        channel: address(&raw.channel, kinds, false, &path.key("channel"))?,
    })
}

fn known_phases(raw: &[At<String>], phases: &[PhaseId], path: &Path) -> Checked<Vec<PhaseId>> {
    names(raw, path)?;
    let known: Vec<&str> = phases.iter().map(PhaseId::as_str).collect();
    let one = |(index, raw): (usize, &At<String>)| {
        let found = phases.iter().find(|phase| phase.as_str() == raw.value);
        found.cloned().ok_or_else(|| {
            let message = format!("`{}` is not a phase; expected one of {}", raw.value, known.join(", "));
            raw.wrong(&path.index(index), message)
        })
    };
    raw.iter().enumerate().map(one).collect()
}

/// Where a message goes; `asking`: somebody has to be able to act there.
fn address(raw: &At<String>, kinds: &Kinds, asking: bool, path: &Path) -> Checked<Address> {
    Address::parse(&raw.value, kinds, asking).map_err(|expected| raw.wrong(path, expected))
}

pub(super) fn paging(raw: &RawPaging, path: &Path) -> Checked<Paging> {
    let acknowledge_within = positive(&raw.acknowledge_within, &path.key("acknowledge_within"))?;
    let escalate_path = path.key("escalate_after");
    let escalate_after = duration(&raw.escalate_after, &escalate_path)?;
    if escalate_after < acknowledge_within {
        let message =
            format!("expected at least `acknowledge_within`, found `{}`", raw.escalate_after.value.0);
        return Err(raw.escalate_after.wrong(&escalate_path, message));
    }
    let priority = priority(&raw.priority, &path.key("priority"))?;
    let escalate_to_path = path.key("escalate_to");
    let escalate_to = self::priority(&raw.escalate_to, &escalate_to_path)?;
    if escalate_to > priority {
        let message = format!("expected {priority} or a higher priority, found `{escalate_to}`");
        return Err(raw.escalate_to.wrong(&escalate_to_path, message));
    }
    let service = text(&raw.service, &path.key("service"))?;
    Ok(Paging { service, priority, acknowledge_within, escalate_after, escalate_to })
}

/// `P1` to `P5`; as texts they sort from the highest priority to the lowest.
fn priority(raw: &At<String>, path: &Path) -> Checked<String> {
    if matches!(raw.value.as_bytes(), [b'P', b'1'..=b'5']) {
        return Ok(raw.value.clone());
    }
    Err(raw.wrong(path, format!("expected a priority from P1 to P5, found `{}`", raw.value)))
}

pub(super) fn rca(raw: &RawRca, path: &Path) -> Checked<RcaPolicy> {
    Ok(RcaPolicy {
        due: positive(&raw.due, &path.key("due"))?,
        approver: name(&raw.approver, &path.key("approver"))?,
        overdue_proposes_rollback: matches!(raw.overdue.propose.value, RawProposal::Rollback),
    })
}

/// The checklist. `after` looks only upwards, so that no items wait for each other.
pub(super) fn evidence(raw: &[At<RawEvidence>], path: &Path) -> Checked<Vec<EvidenceItem>> {
    let mut items: Vec<EvidenceItem> = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let (raw, path) = (&raw.value, path.index(index));
        let item = name(&raw.item, &path.key("item"))?;
        let listed = |name: &str| items.iter().any(|earlier| earlier.item == name);
        if listed(&item) {
            return Err(raw.item.wrong(&path.key("item"), format!("the item `{item}` stands there twice")));
        }
        let after = names(&raw.after, &path.key("after"))?;
        if let Some(index) = after.iter().position(|name| !listed(name)) {
            let message = format!("expected an item listed above this one, found `{}`", after[index]);
            return Err(raw.after[index].wrong(&path.key("after").index(index), message));
        }
        items.push(EvidenceItem {
            item,
            owner: name(&raw.owner, &path.key("owner"))?,
            auto: raw.auto,
            after,
        });
    }
    Ok(items)
}
