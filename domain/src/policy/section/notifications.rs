//! `notifications`: which message goes where.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use shared_types::PhaseId;

use super::channel::address;
use super::daily_report::{self, DailyReport, RawDailyReport};
use super::metric_kind::RawMetric;
use super::metrics::known_metric;
use super::phases::known_phases;
use crate::kinds::Kinds;
use crate::notifiers::Address;
use crate::policy::at::{At, Entries};
use crate::policy::check::{Path, WrongPlaces};
use crate::policy::diff::changes::{Changes, Effect, phase_names};
use crate::policy::forms::{name, text};

/// Which message goes where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawNotifications {
    /// Directory of the texts, relative to the working directory: `<id>.txt` each, `rollback.md` and `rca.md`.
    templates: At<String>,
    /// Placeholders that stand for a metric's observed value, and the metric.
    #[serde(default)]
    values: Entries<String>,
    /// After a batch without findings.
    ok: RawNotification,
    /// After a batch near its limits.
    warn: RawNotification,
    /// When an incident opens.
    pub(in crate::policy) incident: RawNotification,
    /// When a rollback starts.
    rollback: RawNotification,
    /// Where an incident that nobody acknowledged is told again, to people who can act.
    escalation_channel: At<String>,
    /// The daily report, if one is wanted.
    daily_report: Option<RawDailyReport>,
}

/// One kind of message.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct RawNotification {
    /// Id of the text: its file name without `.txt`.
    template: At<String>,
    /// Where it is sent.
    channel: At<String>,
    /// The phases in which it is sent by itself.
    pub(in crate::policy) phases: At<Vec<At<String>>>,
}

pub(crate) const EXAMPLE: &str = r##"notifications:
  templates: templates/alerts
  values: { p95: pay_latency_p95, err_rate: error_rate }
  ok: { template: checkout-ok, channel: "#checkout-rollout", phases: [B] }
  warn: { template: checkout-warn, channel: "#checkout-rollout", phases: [A, B] }
  incident: { template: checkout-incident, channel: "#incident-checkout", phases: [A, B] }
  rollback: { template: checkout-rollback, channel: runbook, phases: [A, B] }
  escalation_channel: "#incident"
  daily_report: { phases: [B], at: "09:00", time_zone: Asia/Tokyo, channel: "#checkout-rollout" }
"##;

#[derive(Debug, Clone, PartialEq)]
pub struct Notifications {
    /// Directory of the templates, relative to the working directory.
    pub templates: String,
    /// Placeholder → metric name.
    pub values: BTreeMap<String, String>,
    pub ok: NotificationPolicy,
    pub warn: NotificationPolicy,
    pub incident: NotificationPolicy,
    pub rollback: NotificationPolicy,
    pub escalation_channel: Address,
    pub daily_report: Option<DailyReport>,
}

impl Notifications {
    /// Every address that it names; one may be there twice.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        let sent = [&self.ok, &self.warn, &self.incident, &self.rollback].map(|it| &it.channel);
        let daily = self.daily_report.as_ref().map(|it| &it.channel);
        sent.into_iter().chain([&self.escalation_channel]).chain(daily)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct NotificationPolicy {
    /// Template id = file name without `.txt`.
    pub template: String,
    pub channel: Address,
    /// Where it is sent by itself.
    pub phases: Vec<PhaseId>,
}

pub(crate) fn check(
    raw: &RawNotifications,
    kinds: &Kinds,
    metrics: &Entries<RawMetric>,
    phases: Option<&[PhaseId]>,
    path: &Path,
    wrong: &mut WrongPlaces,
) -> Option<Notifications> {
    let templates = wrong.note(text(&raw.templates, &path.key("templates")));
    let mut values = BTreeMap::new();
    for (placeholder, metric) in &raw.values.0 {
        let path = path.key("values").key(placeholder);
        if crate::template::names::INCIDENT.contains(&placeholder.as_str()) {
            wrong.add(metric.wrong(&path, format!("`{placeholder}` is already the name of a placeholder")));
        }
        wrong.note(known_metric(&metric.value, metric, metrics, &path));
        values.insert(placeholder.clone(), metric.value.clone());
    }
    let mut one = |raw: &RawNotification, key: &str| notification(raw, kinds, phases, &path.key(key), wrong);
    let (ok, warn) = (one(&raw.ok, "ok"), one(&raw.warn, "warn"));
    let (incident, rollback) = (one(&raw.incident, "incident"), one(&raw.rollback, "rollback"));
    let escalation = address(&raw.escalation_channel, kinds, true, &path.key("escalation_channel"));
    let escalation_channel = wrong.note(escalation);
    let daily_report = raw.daily_report.as_ref();
    let daily_report =
        daily_report.map(|raw| daily_report::check(raw, kinds, phases, &path.key("daily_report"), wrong));
    Some(Notifications {
        templates: templates?,
        values,
        ok: ok?,
        warn: warn?,
        incident: incident?,
        rollback: rollback?,
        escalation_channel: escalation_channel?,
        daily_report: match daily_report {
            Some(report) => Some(report?),
            None => None,
        },
    })
}

fn notification(
    raw: &RawNotification,
    kinds: &Kinds,
    phases: Option<&[PhaseId]>,
    path: &Path,
    wrong: &mut WrongPlaces,
) -> Option<NotificationPolicy> {
    let template = wrong.note(name(&raw.template, &path.key("template")));
    let channel = wrong.note(address(&raw.channel, kinds, false, &path.key("channel")));
    let phases = wrong.note(known_phases(&raw.phases.value, phases, &path.key("phases")));
    Some(NotificationPolicy { template: template?, channel: channel?, phases: phases? })
}

pub(crate) fn diff(place: &str, old: &Notifications, new: &Notifications, list: &mut Changes) {
    let Notifications { templates, values, ok, warn, incident, rollback, escalation_channel, daily_report } =
        new;
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
        list.text(place, &format!("channel of {kind}"), old.channel.channel(), channel.channel());
        phases_told(place, kind, &old.phases, phases, list);
    }
    list.text(place, "escalation channel", old.escalation_channel.channel(), escalation_channel.channel());
    list.text(
        place,
        "daily report",
        &daily_report::words(old.daily_report.as_ref()),
        &daily_report::words(daily_report.as_ref()),
    );
}

fn phases_told(place: &str, kind: &str, old: &[PhaseId], new: &[PhaseId], list: &mut Changes) {
    if old != new {
        let silent = old.iter().any(|phase| !new.contains(phase));
        let effect = if silent { Effect::Looser } else { Effect::Other };
        list.add(
            place,
            format!("{kind} is sent in {} → {}", phase_names(old.iter()), phase_names(new.iter())),
            effect,
        );
    }
}

fn pairs(values: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = values.iter().map(|(name, metric)| format!("{name}={metric}")).collect();
    if pairs.is_empty() { "none".to_owned() } else { pairs.join(" ") }
}
