//! Turns a step's effects into outbox rows and notifications. Pure, but for fresh ids.
//!
//! What to do was decided by the machine; here it becomes complete: texts rendered, channels and the
//! schedule of commands filled in from the policy. Executing makes no choices.

use crate::audit::AuditDraft;
use crate::notifiers::{Address, Message, RUNBOOK};
use crate::pagers::PAGER;
use crate::placeholder::PlaceholderError;
use crate::policy::{NotificationPolicy, TargetPolicy};
use crate::template::Templates;
use serde_json::{Value, json};
use shared_types::story::Hop;
use shared_types::{IncidentId, TargetName, Timestamp};
use uuid::Uuid;

use super::notification::{Notification, NotificationKind};
use super::storm::{self, Summary};
use super::{
    CheckPageAcknowledged, NewMessage, PageNotice, PostMessage, PushDirective, ResolvePage, RetrySchedule,
    RunTransition, SetPagePriority, Severity, TriggerPage, WriteChecklist, WriteRca, WriteRunbookEntry,
    buttons,
};
use crate::rollout::watch::millis;
use crate::rollout::{Effect, Incident, Notice, NoticeKind, Step, Transition};
use crate::story::texts::{self, Text};

/// Everything that is committed together.
#[derive(Debug, Clone)]
pub struct Plan {
    pub step: Step,
    pub messages: Vec<NewMessage>,
    pub notifications: Vec<Notification>,
    /// Dedup keys of effects to take back.
    pub cancels: Vec<String>,
    /// What the caller is answered; kept for a repeat.
    pub answer: Value,
    /// The rows of the audit log (GO-4), one an event that changed anything.
    pub audit: Vec<AuditDraft>,
}

/// What a target's effects are made with.
#[derive(Debug, Clone, Copy)]
pub struct LowerContext<'a> {
    pub target: &'a TargetName,
    pub policy: &'a TargetPolicy,
    pub templates: &'a Templates,
    pub now: Timestamp,
}

/// The dedup key of a transition's command, by which it can be taken back.
#[must_use]
pub fn transition_key(id: Uuid) -> String {
    format!("transition:{id}")
}

/// Lowers all effects of a step, in their order.
///
/// # Errors
/// A text with an unfilled placeholder, which a loaded template does not have.
pub fn lower(
    context: &LowerContext<'_>,
    mut step: Step,
    version: u64,
    answer: Value,
) -> Result<Plan, PlaceholderError> {
    let mut lowering =
        Lowering { context: *context, version, messages: vec![], notifications: vec![], cancels: vec![] };
    for effect in std::mem::take(&mut step.effects) {
        lowering.make(&mut step, effect)?;
    }
    let Lowering { messages, notifications, cancels, .. } = lowering;
    Ok(Plan { step, messages, notifications, cancels, answer, audit: Vec::new() })
}

struct Lowering<'a> {
    context: LowerContext<'a>,
    version: u64,
    messages: Vec<NewMessage>,
    notifications: Vec<Notification>,
    cancels: Vec<String>,
}

impl Lowering<'_> {
    fn make(&mut self, step: &mut Step, effect: Effect) -> Result<(), PlaceholderError> {
        match effect {
            Effect::Notify(notice) => self.notify(step, &notice)?,
            Effect::Page { notice, severity, priority } => self.page(step, &notice, severity, priority)?,
            Effect::PageNotice(notice) => self.page_notice(&notice)?,
            Effect::SetPagePriority { incident, priority } => {
                let (target, dedup_key) = self.page_of(step, &incident);
                let key = format!("priority:{incident}:{priority}");
                let verb = SetPagePriority { incident: incident.clone(), target, dedup_key, priority };
                self.enqueue(&verb, key, incident.to_string());
            }
            Effect::CheckPage { incident, at } => {
                let (target, dedup_key) = self.page_of(step, &incident);
                let key = format!("check-page:{incident}");
                let verb = CheckPageAcknowledged { incident: incident.clone(), target, dedup_key };
                self.messages.push(NewMessage::of(&verb, key, incident.to_string(), at));
            }
            Effect::ResolvePage { incident } => {
                let (target, dedup_key) = self.page_of(step, &incident);
                let key = format!("resolve:{incident}");
                let verb = ResolvePage { incident: incident.clone(), target, dedup_key };
                self.enqueue(&verb, key, incident.to_string());
            }
            Effect::WriteRca { incident, prepare } => {
                let key = format!("rca:{incident}:{}", self.version);
                let verb =
                    WriteRca { incident: incident.clone(), target: self.context.target.clone(), prepare };
                self.enqueue(&verb, key, incident.to_string());
            }
            Effect::WriteChecklist => {
                let key = format!("checklist:{}:{}", self.context.target, self.version);
                let verb = WriteChecklist { target: self.context.target.clone() };
                let subject = subject(step.incident.as_ref().map(|it| &it.id), self.context.target);
                self.enqueue(&verb, key, subject);
            }
            Effect::Run(transition) => self.run(&transition),
            Effect::CancelRun(id) => self.cancels.push(transition_key(id)),
            Effect::Direct(directive) => {
                let incident = step.target.incident.clone();
                let subject = subject(incident.as_ref(), self.context.target);
                let key = format!("directive:{}:{}", directive.target, directive.sequence);
                self.enqueue(&PushDirective { directive, incident }, key, subject);
            }
        }
        Ok(())
    }

    /// Pages are of the incident that the step is about.
    fn page_of(&self, step: &Step, incident: &IncidentId) -> (TargetName, String) {
        let target = self.context.target.clone();
        let about = step.incident.as_ref().filter(|it| it.id == *incident);
        let key = about.map_or_else(|| Incident::plain_key(&target, incident), Incident::dedup_key);
        (target, key)
    }

    fn text(&self, notice: &Notice) -> Result<Text, PlaceholderError> {
        texts::text(self.context.target, self.context.policy, self.context.templates, notice)
    }

    fn notify(&mut self, step: &mut Step, notice: &Notice) -> Result<(), PlaceholderError> {
        if let NoticeKind::Rollback(transition) = &notice.kind {
            return self.write_runbook(step, notice, transition);
        }
        let Some(address) = address(self.context.policy, notice) else { return Ok(()) };
        let summary;
        let notice = match storm::in_place_of(step, notice, address, self.context.policy) {
            Summary::Itself => notice,
            Summary::Storm(notice) => {
                summary = notice;
                &summary
            }
            Summary::Told => return Ok(()),
        };
        let message = self.text(notice)?.message;
        // DE-1: an ok text follows the dashboard.
        let after_dashboard = (notice.kind == NoticeKind::Ok).then_some(self.version);
        self.post(notice, address, &message, after_dashboard);
        Ok(())
    }

    fn post(&mut self, notice: &Notice, address: &Address, message: &Message, after_dashboard: Option<u64>) {
        let text = address.render(message);
        let id = self.keep(notice, notice.kind.name(), address.channel(), &text);
        let verb = PostMessage {
            notification: id,
            target: self.context.target.clone(),
            notifier: address.notifier().to_owned(),
            channel: address.channel().to_owned(),
            text,
            buttons: buttons::of(self.context.target, notice),
            incident: notice.incident.clone(),
            after_dashboard,
            of_loss: matches!(notice.kind, NoticeKind::GivenUp(_)),
        };
        let subject = notice_subject(notice, self.context.target);
        let key = format!("{}:{id}", address.notifier());
        let row = NewMessage::of(&verb, key, subject, self.context.now);
        self.messages.push(NewMessage { pace: address.pace(), ..row });
    }

    fn keep(&mut self, notice: &Notice, kind: NotificationKind, channel: &str, text: &str) -> Uuid {
        let id = Uuid::now_v7();
        self.notifications.push(Notification {
            id,
            target: self.context.target.clone(),
            kind,
            channel: channel.to_owned(),
            text: text.to_owned(),
            incident: notice.incident.clone(),
            decision: notice.decision.as_ref().map(|it| it.decision_id).filter(|id| !id.is_nil()),
        });
        id
    }

    /// RB-5, RB-8: the text and the runbook go into the log; the runbook is kept with the incident.
    fn write_runbook(
        &mut self,
        step: &mut Step,
        notice: &Notice,
        transition: &Transition,
    ) -> Result<(), PlaceholderError> {
        let shop = self.context;
        let text = self.text(notice)?;
        let plain = text.message.plain();
        let runbook = texts::runbook(shop.target, shop.policy, shop.templates, notice, transition)?;
        if let Some(incident) = step.incident.as_mut() {
            incident.runbook = Some(runbook.clone());
        }
        let (template, told) = (text.template.clone(), plain.clone());
        step.hop(shop.now, Hop::RollbackTold { transition: transition.id, template, text: told });
        let id = self.keep(notice, notice.kind.name(), RUNBOOK.name, &plain);
        let verb = WriteRunbookEntry {
            notification: id,
            target: shop.target.clone(),
            incident: notice.incident.clone(),
            at: shop.now,
            text: plain,
            runbook,
        };
        let subject = notice_subject(notice, shop.target);
        self.enqueue(&verb, format!("runbook:{id}"), subject);
        let policy = &shop.policy.notifications.rollback;
        // The runbook log has it already.
        if policy.channel.notifier() != RUNBOOK.name && policy.phases.contains(&notice.phase) {
            self.post(notice, &policy.channel, &text.message, None);
        }
        Ok(())
    }

    fn page(
        &mut self,
        step: &Step,
        notice: &Notice,
        severity: Severity,
        priority: String,
    ) -> Result<(), PlaceholderError> {
        let (Some(incident), Some(about)) = (&notice.incident, step.incident.as_ref()) else { return Ok(()) };
        let of_storm = storm::page_of(step, notice, self.context.policy);
        let text = self.text(of_storm.as_ref().unwrap_or(notice))?;
        let plain = text.message.plain();
        let id = self.keep(notice, NotificationKind::Page, PAGER.name, &plain);
        let decision = notice.decision.as_ref();
        let verb = TriggerPage {
            notification: id,
            incident: incident.clone(),
            target: self.context.target.clone(),
            dedup_key: about.dedup_key(),
            summary: plain.lines().next().unwrap_or_default().to_owned(),
            source: format!("phasegate/{}", self.context.target),
            service: self.context.policy.paging.service.clone(),
            severity,
            priority,
            template: text.template,
            text: plain,
            rollback_command: notice.command.clone(),
            details: json!({
                "phase": notice.phase,
                "epoch": about.epoch,
                "metric": about.metric,
                "window": about.window,
                "decision": decision.map(|it| it.decision_id),
                "cause": decision.map(|it| it.cause),
            }),
            opened_at: about.opened_at,
        };
        self.enqueue(&verb, format!("page:{id}"), incident.to_string());
        Ok(())
    }

    /// NO-7: one page for all that is lost on the same way, of an incident, or else of a day. OP-3: one for each time that a
    /// store is found to be behind.
    fn page_notice(&mut self, notice: &Notice) -> Result<(), PlaceholderError> {
        let shop = self.context;
        let about = match &notice.kind {
            NoticeKind::GivenUp(loss) => {
                let day = || shop.now.to_jiff().strftime("%Y%m%d").to_string();
                let about = notice.incident.as_ref().map_or_else(day, ToString::to_string);
                format!("given-up/{about}/{}", loss.lane)
            }
            NoticeKind::StoreBehind { .. } | NoticeKind::RollbackLost { .. } => {
                format!("store-behind/{}", shop.now.as_millis())
            }
            _ => return Ok(()),
        };
        let plain = self.text(notice)?.message.plain();
        let id = self.keep(notice, notice.kind.name(), PAGER.name, &plain);
        let verb = PageNotice {
            notification: id,
            target: shop.target.clone(),
            incident: notice.incident.clone(),
            dedup_key: format!("phasegate/{}/{about}", shop.target),
            summary: plain.lines().next().unwrap_or_default().to_owned(),
            source: format!("phasegate/{}", shop.target),
            service: shop.policy.paging.service.clone(),
            text: plain,
            at: shop.now,
        };
        self.enqueue(&verb, format!("page-notice:{id}"), notice_subject(notice, shop.target));
        Ok(())
    }

    fn run(&mut self, it: &Transition) {
        let transitions = &self.context.policy.transitions;
        let verb = RunTransition {
            transition: it.id,
            target: self.context.target.clone(),
            kind: it.kind,
            from: it.from.clone(),
            to: it.to.clone(),
            epoch: it.epoch,
            incident: it.incident.clone(),
            request: it.request.clone(),
            timeout_ms: millis(transitions.timeout),
            settle_ms: millis(transitions.settle),
            users: self.context.policy.users_asked(&it.to),
        };
        let retry = RetrySchedule::then_dead(transitions.retry.iter().copied());
        let subject = subject(it.incident.as_ref(), self.context.target);
        let row = NewMessage::of(&verb, transition_key(it.id), subject, self.context.now);
        self.messages.push(NewMessage { retry, ..row });
    }

    fn enqueue<E: super::Effect>(&mut self, effect: &E, dedup_key: String, subject: String) {
        self.messages.push(NewMessage::of(effect, dedup_key, subject, self.context.now));
    }
}

/// Where a notice goes; none: the policy does not send it in this phase.
fn address<'p>(policy: &'p TargetPolicy, notice: &Notice) -> Option<&'p Address> {
    let notifications = &policy.notifications;
    let by_phase = |it: &'p NotificationPolicy| it.phases.contains(&notice.phase).then_some(&it.channel);
    match notice.kind {
        NoticeKind::Ok => by_phase(&notifications.ok),
        NoticeKind::Warn => by_phase(&notifications.warn),
        NoticeKind::Hold | NoticeKind::Gap | NoticeKind::Vanished => Some(&notifications.warn.channel),
        NoticeKind::Incident
        | NoticeKind::StillHeld(_)
        | NoticeKind::Unproven { .. }
        | NoticeKind::Storm(_) => by_phase(&notifications.incident),
        NoticeKind::RcaReminder { .. } => Some(&notifications.incident.channel),
        NoticeKind::Escalation
        | NoticeKind::RollbackFailed { .. }
        | NoticeKind::RollbackWaiting
        | NoticeKind::GivenUp(_)
        | NoticeKind::StoreBehind { .. }
        | NoticeKind::RollbackLost { .. }
        | NoticeKind::ReviewOpened { .. }
        | NoticeKind::ReviewDecided { .. } => Some(&notifications.escalation_channel),
        // The rollout channel, where somebody can answer.
        NoticeKind::ApprovalAsked(_) | NoticeKind::Frozen { .. } | NoticeKind::Unfrozen { .. } => {
            Some(&notifications.ok.channel).filter(|it| it.reaches_people())
        }
        NoticeKind::Drifted { .. }
        | NoticeKind::DriftOver { .. }
        | NoticeKind::ServedUnread { .. }
        | NoticeKind::MoveFailed { .. } => {
            let rollout = Some(&notifications.ok.channel).filter(|it| it.reaches_people());
            Some(rollout.unwrap_or(&notifications.escalation_channel))
        }
        NoticeKind::Rollback(_) => None,
    }
}

fn subject(incident: Option<&IncidentId>, target: &TargetName) -> String {
    incident.map_or_else(|| target.to_string(), ToString::to_string)
}

fn notice_subject(notice: &Notice, target: &TargetName) -> String {
    match (&notice.incident, &notice.decision) {
        (Some(incident), _) => incident.to_string(),
        (None, Some(decision)) => decision.decision_id.to_string(),
        (None, None) => target.to_string(),
    }
}
