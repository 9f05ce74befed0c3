//! Does the reporter's effects and settles what came of them.
//!
//! One arm an effect. What changes a machine is applied in the transaction that records the outcome.

mod checklist;
mod daily;
mod effects;
mod page_event;
pub mod rca;
mod runbook;
mod transition;

use std::time::Duration;

use async_trait::async_trait;
use domain::stored::Document as _;
use serde_json::json;
use service_kit::db::{Db, DbError};
use service_kit::outbox::{Claim, Handler, Outcome, Recorded};
use shared_types::story::hop::{Directed, Sent};
use shared_types::story::{Hop, LoggedHop};
use shared_types::{Actor, IncidentId, Timestamp, Via};
use uuid::Uuid;

pub use effects::Effects;
use effects::plain;
#[cfg(test)]
pub(crate) use transition::carry_out;

use crate::evidence;
use crate::reporter::Cause;
use crate::store::{Changed, Settled};
use domain::effects::{
    ApplyPageEvent, CheckPageAcknowledged, PageAcknowledgement, PostMessage, PushDirective, ResolvePage,
    RunTransition, SetPagePriority, TellSlackUser, TriggerPage, Verb, WriteChecklist, WriteDailyReport,
    WriteRca, WriteRunbookEntry,
};
use domain::rollout::Event;

/// Says in an outcome that a newer directive made this one needless.
const SUPERSEDED: &str = "superseded";

/// A decoded claim; the only place that knows all verbs.
enum Work {
    Post(PostMessage),
    Tell(TellSlackUser),
    Trigger(TriggerPage),
    SetPriority(SetPagePriority),
    Resolve(ResolvePage),
    Check(CheckPageAcknowledged),
    Run(RunTransition),
    Direct(PushDirective),
    Write(WriteRunbookEntry),
    WriteRca(WriteRca),
    WriteChecklist,
    PageEvent(ApplyPageEvent),
    Daily(WriteDailyReport),
}

fn decode(claim: &Claim) -> Result<Work, Outcome> {
    fn of<V: Verb>(claim: &Claim, wrap: fn(V) -> Work) -> Result<Work, Outcome> {
        claim.read().map(wrap)
    }
    match claim.kind.as_str() {
        kind if PostMessage::is_kind(kind) => of(claim, Work::Post),
        TellSlackUser::KIND => of(claim, Work::Tell),
        TriggerPage::KIND => of(claim, Work::Trigger),
        SetPagePriority::KIND => of(claim, Work::SetPriority),
        ResolvePage::KIND => of(claim, Work::Resolve),
        CheckPageAcknowledged::KIND => of(claim, Work::Check),
        RunTransition::KIND => of(claim, Work::Run),
        PushDirective::KIND => of(claim, Work::Direct),
        WriteRunbookEntry::KIND => of(claim, Work::Write),
        WriteChecklist::KIND => of(claim, |_: WriteChecklist| Work::WriteChecklist),
        WriteRca::KIND => of(claim, Work::WriteRca),
        ApplyPageEvent::KIND => of(claim, Work::PageEvent),
        WriteDailyReport::KIND => of(claim, Work::Daily),
        other => Err(Outcome::Never { reason: format!("no effect is called {other}") }),
    }
}

#[async_trait]
impl Handler for Effects {
    async fn handle(&self, claim: &Claim) -> Outcome {
        match decode(claim) {
            Ok(Work::Post(it)) => self.post(claim, &it).await,
            Ok(Work::Tell(it)) => self.messenger.tell(&it).await,
            Ok(Work::Trigger(it)) => self.pager.trigger(&it).await,
            Ok(Work::SetPriority(it)) => self.pager.set_priority(&it).await,
            Ok(Work::Resolve(it)) => self.pager.resolve(&it).await,
            Ok(Work::Check(it)) => self.pager.acknowledged(&it).await,
            Ok(Work::Run(it)) => transition::run(self, claim, &it).await,
            Ok(Work::Direct(it)) => self.direct(&it).await,
            Ok(Work::Write(it)) => runbook::write(self, claim, &it).await,
            Ok(Work::WriteRca(it)) => rca::write(self, &it).await,
            Ok(Work::WriteChecklist) => checklist::write(self).await,
            Ok(Work::PageEvent(it)) => page_event::handle(&it),
            Ok(Work::Daily(it)) => daily::write(self, it).await,
            Err(outcome) => outcome,
        }
    }

    /// Long enough for a command, its read-back and the ending of its children.
    fn lease(&self, kind: &str) -> Duration {
        const USUAL: Duration = Duration::from_secs(60);
        if kind != RunTransition::KIND {
            return USUAL;
        }
        let longest = self.reporter.rules().policy.targets.values().map(|it| it.transitions.timeout).max();
        longest.unwrap_or_default() * 5 / 2 + Duration::from_secs(15)
    }

    async fn settle(
        &self,
        _db: &Db,
        claim: &Claim,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<Recorded, DbError> {
        let work = decode(claim);
        let settled = match &work {
            Ok(Work::Run(it)) => return transition::settle(self, claim, it, outcome, now).await,
            Ok(Work::WriteRca(it)) => return rca::settle(self, claim, it, outcome, now).await,
            Ok(Work::PageEvent(it)) => return page_event::settle(self, claim, it, outcome, now).await,
            Ok(Work::Check(it)) => return self.settle_check(claim, it, outcome, now).await,
            Ok(Work::Post(it)) => {
                told(sent(it.notification, &it.channel), it.incident.as_ref(), outcome, now)
            }
            Ok(Work::Trigger(it)) => {
                let sent = sent(it.notification, domain::effects::lower::PAGERDUTY);
                let sent = Sent { priority: Some(it.priority.clone()), ..sent };
                told(sent, Some(&it.incident), outcome, now)
            }
            Ok(Work::Write(it)) => {
                let sent = sent(it.notification, domain::notifiers::Runbook::NAME);
                told(sent, it.incident.as_ref(), outcome, now)
            }
            Ok(Work::Resolve(it)) => {
                let hop = if logged(outcome) { Hop::PageResolutionLogged } else { Hop::PageResolved };
                let hop = Some(LoggedHop { at: now, hop });
                Settled { incident: Some(&it.incident), hop, ..plain() }
            }
            Ok(Work::Direct(it)) => {
                let directive = &it.directive;
                let directed = Directed {
                    phase: directive.phase.clone(),
                    collect: directive.collect,
                    sequence: directive.sequence,
                };
                let hop = match outcome {
                    Outcome::Done(answer) if answer.get(SUPERSEDED).is_some() => {
                        Hop::DirectiveSuperseded(directed)
                    }
                    _ => Hop::DirectiveDelivered(directed),
                };
                let hop = Some(LoggedHop { at: now, hop });
                Settled { incident: it.incident.as_ref(), hop, ..plain() }
            }
            Ok(Work::SetPriority(_) | Work::Tell(_) | Work::Daily(_) | Work::WriteChecklist) | Err(_) => {
                plain()
            }
        };
        let recorded = self.reporter.store.settle(claim, outcome, settled, now).await?;
        if let (Ok(Work::Trigger(it)), Recorded::Done) = (&work, recorded) {
            self.look_at_evidence(&it.incident).await;
        }
        Ok(recorded)
    }
}

fn sent(notification: Uuid, channel: &str) -> Sent {
    Sent { notification, channel: channel.to_owned(), priority: None }
}

/// Whether the effect went to the log only (NO-6).
fn logged(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done(answer) if answer.get("logged").is_some())
}

fn told<'a>(sent: Sent, incident: Option<&'a IncidentId>, outcome: &Outcome, now: Timestamp) -> Settled<'a> {
    let notification = Some(sent.notification);
    let hop = if logged(outcome) { Hop::NotificationLogged(sent) } else { Hop::NotificationSent(sent) };
    Settled { notification, incident, hop: Some(LoggedHop { at: now, hop }) }
}

impl Effects {
    /// EV-2: the page is accepted. Whatever hinders this now is made up for before the next act.
    async fn look_at_evidence(&self, incident: &IncidentId) {
        if let Err(error) = evidence::refresh(&self.reporter, incident).await {
            tracing::warn!(%incident, error = %format!("{error:#}"), "the evidence could not be looked at");
        }
    }

    async fn post(&self, claim: &Claim, it: &PostMessage) -> Outcome {
        if let Some(version) = it.after_dashboard
            && let Err(error) = self.publisher.ensure(&it.target, version).await
        {
            return Outcome::Failed { reason: format!("the dashboard is not up to date: {error}") };
        }
        let thread = match &it.incident {
            Some(incident) => self.reporter.store.thread(incident, &it.channel).await.ok().flatten(),
            None => None,
        };
        let thread = thread.as_ref().and_then(|answer| answer.get("ts")).and_then(|ts| ts.as_str());
        self.notifiers.post(it, thread, claim.unknowns > 0).await
    }

    /// Only the newest directive is worth sending.
    async fn direct(&self, it: &PushDirective) -> Outcome {
        let target = &it.directive.target;
        let stored = self.reporter.store.target(target).await;
        let newest = match &stored {
            Ok(stored) => stored.as_ref().and_then(|it| it.state.directive.as_ref()),
            Err(error) => {
                return Outcome::Postponed { after: Duration::from_secs(1), reason: error.to_string() };
            }
        };
        if newest.is_some_and(|newest| newest.sequence > it.directive.sequence) {
            return Outcome::Done(json!({ SUPERSEDED: true }));
        }
        self.collector.deliver_put(&format!("/v1/targets/{target}/directive"), &it.directive).await
    }

    /// ES-3: what PagerDuty knows of an acknowledgement is applied with the outcome.
    async fn settle_check(
        &self,
        claim: &Claim,
        it: &CheckPageAcknowledged,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<Recorded, DbError> {
        let found = match outcome {
            Outcome::Done(answer) => serde_json::from_value::<PageAcknowledgement>(answer.clone()).ok(),
            _ => None,
        };
        let Some(found) = found else {
            return self.reporter.store.settle(claim, outcome, plain(), now).await;
        };
        let cause = Cause {
            actor: Actor::service(&found.by, Via::Pagerduty),
            incident: Some(&it.incident),
            settle: Some((claim, outcome)),
            at: Some(now),
            ..Cause::default()
        };
        let event = Event::Acknowledged { by: found.by, at: found.at };
        let changed = self.reporter.apply(&it.target, cause, &|_| event.clone()).await?;
        self.recorded(claim, outcome, now, changed).await
    }

    /// What recording did; an effect of a target that is not in the policy any more is recorded alone.
    async fn recorded(
        &self,
        claim: &Claim,
        outcome: &Outcome,
        now: Timestamp,
        changed: Changed,
    ) -> Result<Recorded, DbError> {
        match changed {
            Changed::Applied { recorded: Some(recorded), .. }
            | Changed::Rejected { recorded: Some(recorded), .. } => Ok(recorded),
            Changed::Fenced => Ok(Recorded::Fenced),
            _ => self.reporter.store.settle(claim, outcome, plain(), now).await,
        }
    }
}
