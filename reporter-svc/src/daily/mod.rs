//! The daily report (DA-5): what was judged on a civil day, by itself in the phases the policy names, on demand always.
//!
//! Level-triggered: each tick asks whether the newest report that is due was made. That it was stands in a table whose
//! key is target and day, written together with the message and the file it leads to; so it is made once by whatever
//! number of replicas and restarts. A service that slept over the hour makes it when it wakes; of several days slept
//! through only the newest.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::effects::NewMessage;
use jiff::civil::Date;
use service_kit::db::DbError;
use shared_types::daily::{DailyIncident, DailyReport};
use shared_types::{PhaseId, TargetName, Timestamp};
use uuid::Uuid;

use crate::reporter::Reporter;
use crate::store::{After, DailyMade, IncidentFilter};
use domain::effects::notification::{Notification, NotificationKind};
use domain::effects::{PostMessage, WriteDailyReport};
use domain::notifiers::{Address, RUNBOOK};
use domain::rollout::{Incident, TargetState, Terms};
use domain::story::views;

use domain::story::Tally;
use domain::story::daily::{markdown, message};
use domain::story::day::{Day, DueReport, Zone, time_of};

/// Rows read at once.
const PAGE: u32 = 500;

/// The newest day whose report each target has, so that the database is asked once a day.
#[derive(Debug, Default)]
pub struct ReportsMade(Mutex<BTreeMap<TargetName, Date>>);

/// A report, and the zone its times are shown in.
#[derive(Debug, Clone, PartialEq)]
pub struct ZonedReport {
    pub report: DailyReport,
    pub zone: Zone,
}

impl Reporter {
    /// The report of a day; of the last whole one if none is named. `None`: the policy has no such target.
    ///
    /// # Errors
    /// The database's; inside: the day cannot be told.
    pub async fn daily(
        &self,
        target: &TargetName,
        date: Option<Date>,
    ) -> Result<Option<Result<ZonedReport, jiff::Error>>, DbError> {
        let rules = self.rules();
        let (Some(terms), Some(stored)) = (self.terms(&rules, target), self.store.target(target).await?)
        else {
            return Ok(None);
        };
        let zone = Zone::of(terms.policy.notifications.daily_report.as_ref());
        let date = match date {
            Some(date) => Ok(date),
            None => zone.date_of(terms.now).yesterday(),
        };
        match date.and_then(|date| zone.day(date)) {
            Ok(day) => Ok(Some(Ok(self.tell_of(&stored.state, terms, day).await?))),
            Err(error) => Ok(Some(Err(error))),
        }
    }

    /// Makes the reports that are due; returns how many that were.
    ///
    /// # Errors
    /// The database's; what is not made is made by the next tick.
    pub async fn make_daily_reports(&self, now: Timestamp) -> Result<usize, DbError> {
        let (rules, mut made) = (self.rules(), 0);
        for (target, policy) in &rules.policy.targets {
            let Some(daily) = &policy.notifications.daily_report else { continue };
            let Ok(due) = Zone::of(Some(daily)).newest_due(time_of(daily), now) else { continue };
            if self.daily_made.is_made(target, due.day.date) {
                continue;
            }
            let terms = Terms { policy, policy_version: &rules.policy.version, now };
            made += usize::from(self.make_daily(target, terms, &daily.phases, due).await?);
        }
        Ok(made)
    }

    async fn make_daily(
        &self,
        target: &TargetName,
        terms: Terms<'_>,
        phases: &[PhaseId],
        due: DueReport,
    ) -> Result<bool, DbError> {
        let Some(stored) = self.store.target(target).await? else { return Ok(false) };
        let state = stored.state;
        // One that came into the phase later has nothing to report of that morning.
        if !phases.contains(&state.phase) || state.since.is_none_or(|since| since > due.due_at) {
            return Ok(false);
        }
        let date = due.day.date;
        if self.store.daily_made(target, &date.to_string()).await? {
            self.daily_made.keep(target, date);
            return Ok(false);
        }
        let told = self.tell_of(&state, terms, due.day).await?;
        let channel = terms.policy.notifications.daily_report.as_ref().map(|it| &it.channel);
        let made = self.store.make_daily(&made_of(&told, channel, terms.now), terms.now).await?;
        self.daily_made.keep(target, date);
        if made {
            tracing::info!(target_name = %target, %date, "daily report made");
        }
        Ok(made)
    }

    async fn tell_of(&self, state: &TargetState, terms: Terms<'_>, day: Day) -> Result<ZonedReport, DbError> {
        let rollout = views::rollout(state, &terms);
        let (windows, slos) = self.tally(&state.target, &day).await?.finish();
        let report = DailyReport {
            target: state.target.clone(),
            title: terms.policy.title.clone(),
            date: day.date.to_string(),
            time_zone: day.zone.name.clone(),
            so_far: day.window.end > terms.now,
            day: day.window,
            made_at: terms.now,
            phase: rollout.phase,
            epoch: rollout.epoch,
            state: rollout.state,
            windows,
            slos,
            incidents: self.incidents_of(state, &day).await?,
            gate: rollout.gate,
            asked: rollout.blockers,
        };
        Ok(ZonedReport { report, zone: day.zone })
    }

    async fn tally(&self, target: &TargetName, day: &Day) -> Result<Tally, DbError> {
        let (mut tally, mut after) = (Tally::default(), None::<After>);
        loop {
            let page = self.store.decisions_of_windows(target, day.window, after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(tally) };
            after = Some((last.window.end.as_millis(), last.decision_id.to_string()));
            page.iter().for_each(|(decision, stale)| tally.take(decision, *stale));
        }
    }

    /// Those that opened on the day, and the one that is open and opened before it ended.
    async fn incidents_of(&self, state: &TargetState, day: &Day) -> Result<Vec<DailyIncident>, DbError> {
        let filter = IncidentFilter { target: Some(state.target.clone()), ..IncidentFilter::default() };
        // No id comes before the empty one: those that opened before the day ended.
        let mut after: Option<After> = Some((day.window.end.as_millis(), String::new()));
        let mut found: Vec<Incident> = Vec::new();
        loop {
            let page = self.store.incidents(&filter, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.opened_at.as_millis(), last.id.to_string()));
            let before = last.opened_at < day.window.start;
            let wanted =
                |it: &Incident| it.opened_at >= day.window.start || state.incident.as_ref() == Some(&it.id);
            found.extend(page.into_iter().filter(wanted));
            if before {
                break;
            }
        }
        found.sort_by_key(|it| it.opened_at);
        let view = |it: Incident| DailyIncident {
            state: it.state(),
            id: it.id,
            metric: it.metric,
            phase: it.phase,
            opened_at: it.opened_at,
            recovered_at: it.recovered_at,
        };
        Ok(found.into_iter().map(view).collect())
    }
}

impl ReportsMade {
    fn is_made(&self, target: &TargetName, date: Date) -> bool {
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.get(target).is_some_and(|made| *made >= date)
    }

    fn keep(&self, target: &TargetName, date: Date) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(target.clone(), date);
    }
}

/// The file always; the message where it is to go anywhere else.
fn made_of(told: &ZonedReport, address: Option<&Address>, now: Timestamp) -> DailyMade {
    let report = &told.report;
    let (target, date) = (report.target.clone(), report.date.clone());
    let file =
        WriteDailyReport { target: target.clone(), date: date.clone(), text: markdown(report, &told.zone) };
    let mut messages = vec![NewMessage::of(&file, format!("daily:{target}:{date}"), target.to_string(), now)];
    let mut notification = None;
    if let Some(address) = address.filter(|it| it.notifier() != RUNBOOK.name) {
        let id = Uuid::now_v7();
        let text = address.render(&message(report));
        let verb = PostMessage {
            notification: id,
            target: target.clone(),
            notifier: address.notifier().to_owned(),
            channel: address.channel().to_owned(),
            text: text.clone(),
            incident: None,
            after_dashboard: None,
            buttons: Vec::new(),
            of_loss: false,
        };
        let key = format!("{}:{id}", address.notifier());
        let row = NewMessage::of(&verb, key, target.to_string(), now);
        messages.push(NewMessage { pace: address.pace(), ..row });
        notification = Some(Notification {
            id,
            target: target.clone(),
            kind: NotificationKind::Daily,
            channel: address.channel().to_owned(),
            text,
            incident: None,
            decision: None,
        });
    }
    DailyMade { target, date, messages, notification }
}
