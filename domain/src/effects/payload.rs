//! Everything the reporter does to the outside world, as verb structs.
//!
//! A verb struct is the payload of an outbox row: complete (executing makes no choices), absolute (a
//! transition names the phase to reach, not a step) and small.

use crate::stored::{Document, Form, Step};
use serde::{Deserialize, Serialize};
use shared_types::rollout::TransitionKind;
use shared_types::{Directive, Epoch, IncidentId, PhaseId, TargetName, Timestamp};
use uuid::Uuid;

use super::buttons::ButtonAct;
use super::severity::Severity;
use crate::executors::{Request, stored};
use crate::notifiers::slack::Slack;

/// A verb struct. Its kind as a document is the outbox row's `kind`, also the metric label.
pub trait Verb: Document {
    /// The receiver this waits in line for; see `service_kit::outbox`.
    fn lane(&self) -> String;
}

/// Tells people something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostMessage {
    /// The row of the notifications table that keeps text, attempts and outcome (NO-5).
    pub notification: Uuid,
    pub target: TargetName,
    /// Who tells them; the release before knew one.
    #[serde(default = "only_one")]
    pub notifier: String,
    /// Where, as the notifier has it.
    pub channel: String,
    /// Ready to be sent: rendered for the notifier, values escaped (NO-3).
    pub text: String,
    /// What people can do about it there, where the messenger can carry that.
    pub buttons: Vec<ButtonAct>,
    /// Messages of one incident form a thread in each channel.
    pub incident: Option<IncidentId>,
    /// Sent only after the dashboard file shows this revision (DE-1).
    pub after_dashboard: Option<u64>,
}

fn only_one() -> String {
    Slack::NAME.to_owned()
}

impl PostMessage {
    /// Whether outbox rows of that kind hold one.
    #[must_use]
    pub fn is_kind(kind: &str) -> bool {
        kind == Self::KIND || kind == Slack::ROW_KIND
    }
}

/// Tells somebody who has pressed a button, and nobody else, what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellSlackUser {
    /// Slack's id of the channel.
    pub channel: String,
    /// Slack's id of the user.
    pub user: String,
    /// Ready to be sent.
    pub text: String,
}

/// Opens a page at PagerDuty, or raises the one with the same dedup key (ES-1, ES-3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerPage {
    pub notification: Uuid,
    pub incident: IncidentId,
    pub target: TargetName,
    /// Always the same for an incident.
    pub dedup_key: String,
    /// One line; the vendor module cuts it to the vendor's limit.
    pub summary: String,
    /// Which system is affected.
    pub source: String,
    /// The policy's name of the PagerDuty service.
    pub service: String,
    pub severity: Severity,
    /// `P2`, `P1`: Events v2 has no such field, so it goes into `custom_details.priority`.
    pub priority: String,
    /// Template id, into `custom_details.template`.
    pub template: String,
    /// The rendered template, unescaped, into `custom_details.text`.
    pub text: String,
    /// The human form of the rollback, into `custom_details.rollback.command`; none when nothing is rolled back.
    pub rollback_command: Option<String>,
    /// Further `custom_details` (phase, epoch, metric, window, decision): a JSON object.
    pub details: serde_json::Value,
    pub opened_at: Timestamp,
}

/// Sets the priority field of the PagerDuty incident; needs the REST token, without it nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPagePriority {
    pub incident: IncidentId,
    pub target: TargetName,
    pub dedup_key: String,
    /// `P2`, `P1`: the name of a priority of the account.
    pub priority: String,
}

/// Resolves the page (ES-4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvePage {
    pub incident: IncidentId,
    pub target: TargetName,
    pub dedup_key: String,
}

/// Asks PagerDuty whether somebody has acknowledged, because its webhook can be lost; due shortly before an
/// escalation. Needs the REST token. `Done` carries [`PageAcknowledgement`] or null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckPageAcknowledged {
    pub incident: IncidentId,
    pub target: TargetName,
    pub dedup_key: String,
}

/// Who acknowledged a page, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageAcknowledgement {
    pub at: Timestamp,
    pub by: String,
}

/// Has the policy's executor move the target, then read back what is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunTransition {
    pub transition: Uuid,
    pub target: TargetName,
    pub kind: TransitionKind,
    /// The phase it expects to leave.
    pub from: PhaseId,
    /// The phase to be at afterwards.
    pub to: PhaseId,
    /// The epoch in which it was decided.
    pub epoch: Epoch,
    pub incident: Option<IncidentId>,
    /// What its executor does.
    pub request: Request,
    /// For doing it, and again for reading it back.
    pub timeout_ms: u64,
}

/// Gives the collector a directive (CO-6); an older one than the newest is not sent any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushDirective {
    pub directive: Directive,
    pub incident: Option<IncidentId>,
}

/// Appends a line to the runbook log; writing it again is harmless, it is recognised by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteRunbookEntry {
    pub notification: Uuid,
    pub target: TargetName,
    pub incident: Option<IncidentId>,
    pub at: Timestamp,
    /// The rendered `autosave-rollback` text.
    pub text: String,
    /// The rendered runbook (`rollback.md`), Markdown (RB-8).
    pub runbook: String,
}

/// Writes the file of an incident's root cause analysis as things stand when it is done: what a person wrote in it
/// stays (GO-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteRca {
    pub incident: IncidentId,
    pub target: TargetName,
    /// For the first time: the incident then shows that the file is there.
    pub prepare: bool,
}

/// Writes the follow-up tasks that are not done into `reports/checklist.md`, of all targets, as they stand then (EV-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteChecklist {
    /// Whose tasks changed.
    pub target: TargetName,
}

/// Takes over what somebody did at PagerDuty, as its webhook told (ES-3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyPageEvent {
    pub act: PageAct,
    /// Of the page, as the store names it: `pagerduty:<id>`.
    pub page: String,
    /// Ours, if the event held it.
    pub dedup_key: Option<String>,
    pub by: String,
    /// When it was done, by PagerDuty's clock.
    pub at: Timestamp,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageAct {
    Acknowledged,
    /// By a person; ours changes nothing.
    Resolved,
}

/// Writes a day's report; writing it again is harmless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteDailyReport {
    pub target: TargetName,
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Markdown.
    pub text: String,
}

macro_rules! verb {
    ($name:ident, |$it:ident| $lane:expr $(, $step:expr)*) => {
        impl Document for $name {
            const KIND: &'static str = stringify!($name);
            const STEPS: &'static [Step] = &[$($step),*];
        }
        impl Verb for $name {
            fn lane(&self) -> String {
                let $it = self;
                $lane
            }
        }
    };
}

verb!(PostMessage, |it| format!("{}/{}", it.notifier, it.channel));
verb!(TellSlackUser, |it| format!("slack-answer/{}", it.user));
verb!(TriggerPage, |it| format!("pagerduty/{}", it.target));
verb!(ResolvePage, |it| format!("pagerduty/{}", it.target));
verb!(SetPagePriority, |it| format!("pagerduty-rest/{}", it.target));
verb!(CheckPageAcknowledged, |it| format!("pagerduty-poll/{}", it.incident));
verb!(RunTransition, |it| format!("command/{}", it.target), stored::OF_RUN);
verb!(PushDirective, |it| format!("directive/{}", it.directive.target));
verb!(WriteRunbookEntry, |it| format!("runbook/{}", it.target));
verb!(ApplyPageEvent, |it| format!("page-event/{}", it.page));
verb!(WriteChecklist, |_it| "checklist".to_owned());
verb!(WriteRca, |it| format!("rca/{}", it.incident));
verb!(WriteDailyReport, |it| format!("daily/{}", it.target));

/// All of them.
pub const VERBS: &[Form] = &[
    Form::of::<PostMessage>(),
    Form::of::<TellSlackUser>(),
    Form::of::<TriggerPage>(),
    Form::of::<ResolvePage>(),
    Form::of::<SetPagePriority>(),
    Form::of::<CheckPageAcknowledged>(),
    Form::of::<RunTransition>(),
    Form::of::<PushDirective>(),
    Form::of::<WriteRunbookEntry>(),
    Form::of::<ApplyPageEvent>(),
    Form::of::<WriteChecklist>(),
    Form::of::<WriteRca>(),
    Form::of::<WriteDailyReport>(),
];
