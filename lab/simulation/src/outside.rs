//! What the services act on: Slack, PagerDuty and the flag. Everything accepted is written down for the checks; what the
//! service is told of it is another matter.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::effects::{
    CheckPageAcknowledged, PageAcknowledgement, PageNotice, PostMessage, ResolvePage, RunTransition,
    SetPagePriority, TellUser, TriggerPage,
};
use domain::executors::{Report, command, share};
use domain::policy::TargetPolicy;
use domain::rollout::state::Stage;
use reporter_svc::executors::{Executor, ReadBack, Turn};
use reporter_svc::notifiers::Notifier;
use reporter_svc::pagers::Pager;
use reporter_svc::store::Store;
use serde_json::json;
use service_kit::outbox::{Outcome, Recorded};
use shared_types::rollout::TransitionKind;
use shared_types::{Epoch, PhaseId, Timestamp, Via};

use crate::boundary::Kind;
use crate::faults::{CommandFate, VendorFate};
use crate::pagerduty::PageEvent;
use crate::replica::Service;
use crate::scheduler::Scheduler;

/// A text that Slack accepted.
#[derive(Debug, Clone)]
pub struct Posted {
    pub at: Timestamp,
    pub channel: String,
    pub notification: String,
    pub text: String,
    /// Whether the service knew that it may be there already.
    pub resend: bool,
}

/// An event that PagerDuty accepted.
#[derive(Debug, Clone)]
pub struct Paged {
    /// None: it resolves.
    pub notification: Option<String>,
    pub incident: String,
    pub dedup_key: String,
    pub text: String,
}

/// A command that moved the flag, or could have.
#[derive(Debug, Clone)]
pub struct Moved {
    pub transition: String,
    /// Which of all attempts it was.
    pub fence: u64,
    pub kind: TransitionKind,
    pub epoch: Epoch,
    pub incident: Option<String>,
    pub from: PhaseId,
    /// What the flag served before and after.
    pub before: PhaseId,
    pub after: PhaseId,
    /// An incident was open, and no rollback stood ready behind this command.
    pub against_an_incident: bool,
    /// The first since the store was put back: it could not know what the flag serves.
    pub unaware: bool,
    /// The flag was set by hand before: what stands in `before` was not served.
    pub tampered: bool,
}

/// An outcome that a worker wrote down.
#[derive(Debug, Clone)]
pub struct Settlement {
    pub service: Service,
    pub effect: String,
    pub kind: String,
    pub fence: i64,
    /// Unknown outcomes before this claim.
    pub unknowns: u32,
    /// Whether this outcome is one more.
    pub unknown: bool,
    pub failed: bool,
    pub step: u32,
    pub at: Timestamp,
    pub recorded: Recorded,
}

/// An event of PagerDuty's that the reporter has answered.
#[derive(Debug, Clone)]
pub struct Told {
    pub event: PageEvent,
    pub status: u16,
    /// When the answer came.
    pub at: Timestamp,
}

/// The flag was set by hand.
#[derive(Debug, Clone)]
pub struct Tampering {
    pub at: Timestamp,
    pub phase: PhaseId,
    /// By whoever did it, or by a command.
    pub ended: Option<Timestamp>,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub posted: Vec<Posted>,
    pub paged: Vec<Paged>,
    pub moved: Vec<Moved>,
    pub settled: Vec<Settlement>,
    /// Unknown outcomes before each claim, by service, effect and fencing token.
    pub claims: BTreeMap<(Service, String, i64), u32>,
    /// By dedup key, as PagerDuty knows them.
    pub acknowledged: BTreeMap<String, PageAcknowledgement>,
    pub told: Vec<Told>,
    pub flag: Option<PhaseId>,
    /// What somebody set it to by hand, oldest first.
    pub tampered: Vec<Tampering>,
    /// No command has set it since the reporter's store was put back.
    pub unaware: bool,
}

impl Ledger {
    /// As [`Outside::served`].
    #[must_use]
    pub fn served(&self) -> PhaseId {
        let tampered = self.tampered.last().filter(|it| it.ended.is_none()).map(|it| it.phase.clone());
        tampered.or_else(|| self.flag.clone()).unwrap_or_else(PhaseId::off)
    }
}

/// Shared by all replicas.
#[derive(Clone, Default)]
pub struct Outside(Arc<Mutex<Ledger>>);

impl Outside {
    /// The books.
    pub fn books(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What commands have set the flag to.
    #[must_use]
    pub fn flag(&self) -> PhaseId {
        self.books().flag.clone().unwrap_or_else(PhaseId::off)
    }

    /// What it serves: what somebody set it to by hand, else the same.
    #[must_use]
    pub fn served(&self) -> PhaseId {
        self.books().served()
    }

    /// The reporter's store is put back to when these books were copied: what it has done since then it does not know. Gives back
    /// the books with all of it.
    pub fn put_back(&self, copied: &Ledger) -> Ledger {
        let mut books = self.books();
        let all = books.clone();
        books.posted.truncate(copied.posted.len());
        books.paged.truncate(copied.paged.len());
        books.moved.truncate(copied.moved.len());
        books.told.truncate(copied.told.len());
        let since = books.settled.split_off(copied.settled.len());
        books.settled.extend(since.into_iter().filter(|it| it.service != Service::Reporter));
        books.claims.retain(|claim, _| claim.0 != Service::Reporter || copied.claims.contains_key(claim));
        books.unaware = true;
        all
    }

    /// Somebody sets it by hand; none: back to what it was.
    pub fn tamper(&self, phase: Option<PhaseId>, at: Timestamp) {
        let mut books = self.books();
        if let Some(before) = books.tampered.last_mut() {
            before.ended.get_or_insert(at);
        }
        books.tampered.extend(phase.map(|phase| Tampering { at, phase, ended: None }));
    }
}

/// One reporter's ways to the outside.
pub struct Ports {
    pub scheduler: Scheduler,
    pub outside: Outside,
    pub policy: Arc<TargetPolicy>,
    pub store: Store,
}

impl Ports {
    /// Asks a vendor: `accept` is its effect.
    async fn ask(&self, what: &str, accept: impl FnOnce(&mut Ledger) + Send) -> Outcome {
        self.scheduler.boundary(Kind::Ask, what).await.ok();
        let fate = self.scheduler.draw(|faults, rng, now| faults.vendor(now, rng));
        let effect =
            matches!(fate, VendorFate::Accepts | VendorFate::AcceptsSilently | VendorFate::AcceptsAndFails);
        if effect {
            accept(&mut self.outside.books());
        }
        if fate != VendorFate::Accepts {
            self.scheduler.met("vendor failures");
            self.scheduler.note(&format!("{what}: {fate:?}"));
        }
        self.scheduler.boundary(Kind::Effect, what).await.ok();
        let reason = || format!("{fate:?}");
        let outcome = match fate {
            VendorFate::Accepts => Outcome::Done(json!({ "ts": "1.0", "channel": "C1" })),
            VendorFate::AcceptsSilently | VendorFate::AcceptsAndFails | VendorFate::IsSilent => {
                Outcome::Unknown { reason: reason() }
            }
            VendorFate::Refuses | VendorFate::Throttles => Outcome::Failed { reason: reason() },
            VendorFate::AsksForPatience => {
                Outcome::Postponed { after: Duration::from_secs(30), reason: reason() }
            }
            VendorFate::RefusesForEver => Outcome::Never { reason: reason() },
        };
        self.scheduler.boundary(Kind::Told, what).await.ok();
        outcome
    }

    /// Where a request leads: it is obeyed, whatever it says.
    fn led_to(&self, words: &str, before: &PhaseId) -> Option<PhaseId> {
        match words.split_once("--phase ").and_then(|(_, rest)| rest.split(' ').next()) {
            Some(name) => PhaseId::parse(name).ok(),
            None => self.policy.below(before),
        }
    }

    /// A replica that stood still in an attempt comes back to it, but what it started has been ended by its supervisor.
    async fn is_superseded(&self, it: &RunTransition, turn: &Turn) -> bool {
        let stored = self.store.target(&it.target).await.ok().flatten();
        stored.is_some_and(|stored| stored.state.fence != turn.fence)
    }

    /// A move up that has begun may end under an incident, if the rollback stands ready behind it (`Superseded`).
    async fn is_against_an_incident(&self, it: &RunTransition) -> bool {
        if it.kind == TransitionKind::Rollback {
            return false;
        }
        let stored = self.store.target(&it.target).await.ok().flatten();
        stored.is_some_and(|stored| {
            stored.state.incident.is_some() && !matches!(stored.state.stage, Stage::Superseded { .. })
        })
    }
}

#[async_trait]
impl Notifier for Ports {
    fn name(&self) -> &'static str {
        "slack"
    }

    async fn post(&self, message: &PostMessage, _thread: Option<&str>, resend: bool) -> Outcome {
        let scheduler = self.scheduler.clone();
        let posted = |books: &mut Ledger| {
            books.posted.push(Posted {
                at: scheduler.now(),
                channel: message.channel.clone(),
                notification: message.notification.to_string(),
                text: message.text.clone(),
                resend,
            });
        };
        self.ask("slack", posted).await
    }

    async fn tell(&self, _it: &TellUser) -> Outcome {
        self.ask("slack answer", |_| {}).await
    }
}

#[async_trait]
impl Pager for Ports {
    async fn trigger(&self, page: &TriggerPage) -> Outcome {
        let paged = Paged {
            notification: Some(page.notification.to_string()),
            incident: page.incident.to_string(),
            dedup_key: page.dedup_key.clone(),
            text: page.text.clone(),
        };
        self.ask("pagerduty trigger", |books| books.paged.push(paged)).await
    }

    /// Of no incident: its key is its own.
    async fn notice(&self, notice: &PageNotice) -> Outcome {
        let paged = Paged {
            notification: Some(notice.notification.to_string()),
            incident: notice.dedup_key.clone(),
            dedup_key: notice.dedup_key.clone(),
            text: notice.text.clone(),
        };
        self.ask("pagerduty notice", |books| books.paged.push(paged)).await
    }

    async fn set_priority(&self, _priority: &SetPagePriority) -> Outcome {
        self.ask("pagerduty priority", |_| {}).await
    }

    async fn resolve(&self, page: &ResolvePage) -> Outcome {
        let paged = Paged {
            notification: None,
            incident: page.incident.to_string(),
            dedup_key: page.dedup_key.clone(),
            text: String::new(),
        };
        self.ask("pagerduty resolve", |books| books.paged.push(paged)).await
    }

    async fn acknowledged(&self, page: &CheckPageAcknowledged) -> Outcome {
        let found = self.outside.books().acknowledged.get(&page.dedup_key).cloned();
        match self.ask("pagerduty poll", |_| {}).await {
            Outcome::Done(_) => Outcome::Done(json!(found)),
            other => other,
        }
    }

    fn via(&self) -> Via {
        Via::Pagerduty
    }
}

#[async_trait]
impl Executor for Ports {
    fn name(&self) -> &'static str {
        command::NAME
    }

    async fn run(&self, it: &RunTransition, turn: &Turn) -> Result<Report, Outcome> {
        let what = format!("command {} {} to {}", it.kind.as_str(), it.from, it.to);
        self.scheduler.boundary(Kind::Ask, &what).await.ok();
        let fate = self.scheduler.draw(|faults, rng, now| faults.command(now, rng));
        let against_an_incident = self.is_against_an_incident(it).await;
        if self.is_superseded(it, turn).await {
            self.scheduler.note(&format!("{what}: its supervisor had ended it before another began"));
            return Err(Outcome::Unknown { reason: "its lease was over".to_owned() });
        }
        if fate != CommandFate::Fails {
            let (before, tampered) = (self.outside.flag(), self.outside.served() != self.outside.flag());
            let Some(after) = self.led_to(&it.request.words, &before) else {
                return Err(Outcome::Failed { reason: "usage".to_owned() });
            };
            self.scheduler.note(&format!("the flag goes from {before} to {after}"));
            if it.kind == TransitionKind::Rollback && before != after {
                self.scheduler.met("rollbacks");
            }
            let (kind, from, epoch, transition) =
                (it.kind, it.from.clone(), it.epoch, it.transition.to_string());
            let incident = it.incident.as_ref().map(ToString::to_string);
            self.outside.tamper(None, self.scheduler.now());
            let mut books = self.outside.books();
            books.flag = Some(after.clone());
            let unaware = std::mem::take(&mut books.unaware);
            books.moved.push(Moved {
                transition,
                fence: turn.fence,
                kind,
                epoch,
                incident,
                from,
                before,
                after,
                against_an_incident,
                unaware,
                tampered,
            });
        }
        if fate != CommandFate::Works {
            self.scheduler.met("command failures");
            self.scheduler.note(&format!("{what}: {fate:?}"));
        }
        self.scheduler.boundary(Kind::Effect, &what).await.ok();
        let outcome = match fate {
            CommandFate::Works => Ok(Report { detail: "done".into(), duration_ms: 7, ..command::exited(0) }),
            CommandFate::Fails => Err(Outcome::Failed { reason: "exit status 1".to_owned() }),
            CommandFate::IsCutOff => Err(Outcome::Unknown { reason: "ended from outside".to_owned() }),
        };
        self.scheduler.boundary(Kind::Told, &what).await.ok();
        outcome
    }

    async fn read_back(&self, it: &RunTransition) -> Result<ReadBack, Outcome> {
        let served = self.outside.served().to_string();
        let started = command::Started::of(&it.request);
        let as_asked = started.is_ok_and(|started| share::is_served(&it.to, &started.served, &served));
        Ok(ReadBack { served, as_asked })
    }
}
