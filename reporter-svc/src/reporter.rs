//! The reporter's core: events in, one transaction each; ticks when something is due.
//!
//! Nothing is sent from here. Whatever an event causes is in the outbox when the transaction commits.

use std::sync::Arc;
use std::time::Duration;

use domain::audit::AuditDraft;
use domain::stored::plain;
use serde_json::Value;
use service_kit::ServiceName;
use service_kit::clock::Clock;
use service_kit::db::DbError;
use service_kit::mark::Acceptance;
use service_kit::outbox::{Claim, Outcome, Recorded};
use service_kit::rules::{PolicyVersions, Rules};
use shared_types::story::{Deed, LoggedHop};
use shared_types::{Actor, Decision, Epoch, IncidentId, TargetName, Timestamp, Via};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::changes::Changes;
use crate::counters;
use crate::daily::ReportsMade;
use crate::store::{Act, Change, Changed, Due, Given, Store, StoredTarget, decision_answer};
use domain::effects::lower::Plan;
use domain::effects::lower::{LowerContext, lower};
use domain::rollout::audit::EventRecord;
use domain::rollout::{self, Aggregate, Began, Context, Event, Reason, Refusal, Rejection, Step, Terms};
use domain::story::{views, words};

/// Targets that are looked at together.
const PAGE: u32 = 500;
/// Rows about refused decisions that a target's audit log takes a day; further ones are counted by the metric alone.
const REFUSED_A_DAY: u32 = 100;

/// See the module. Cheap to share; holds no state of its own.
pub struct Reporter {
    pub store: Store,
    /// What the policy says. Ask once for one piece of work: see [`Self::rules`].
    pub versions: PolicyVersions,
    pub clock: Arc<dyn Clock>,
    /// When this process began.
    pub(crate) begun: Timestamp,
    /// Made here: the dashboard, its streams and the audit's archive follow them.
    pub changes: Changes,
    /// Rung when a due time may have moved.
    pub due: Notify,
    /// Days whose reports are made.
    pub(crate) daily_made: ReportsMade,
}

/// An event, and what comes with it.
#[derive(Default)]
pub struct Cause<'a> {
    /// Who the audit log says did it (GO-4); by default phasegate itself.
    pub actor: Actor,
    /// The incident it is about; none: the open one.
    pub incident: Option<&'a IncidentId>,
    /// The event is about the transition under way: its incident, should none be open.
    pub of_transition: bool,
    pub decision: Option<&'a Decision>,
    pub act: Option<&'a Act>,
    pub settle: Option<(&'a Claim, &'a Outcome)>,
    pub retry: Option<&'a str>,
    /// The effect that was given up.
    pub lost: Option<&'a str>,
    /// When it happened, if not now.
    pub at: Option<Timestamp>,
}

/// Which event follows from what recording the outcome did; without an outcome it is asked with none.
pub type EventOf<'a> = &'a (dyn Fn(Option<Recorded>) -> Event + Send + Sync);

impl Reporter {
    /// Over a store whose tables are there.
    #[must_use]
    pub fn new(store: Store, versions: PolicyVersions, clock: Arc<dyn Clock>) -> Self {
        let (changes, due) = (Changes::default(), Notify::new());
        let begun = clock.now();
        Self { store, versions, clock, begun, changes, due, daily_made: ReportsMade::default() }
    }

    /// The policy and the texts of now: what is done about a decision, and by whose leave, goes by them, whichever
    /// version its window was judged by.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        self.versions.current()
    }

    /// What a target is measured against now, by these rules; none: it is not in the policy.
    #[must_use]
    pub fn terms<'r>(&self, rules: &'r Rules, target: &TargetName) -> Option<Terms<'r>> {
        let policy = rules.policy.targets.get(target)?;
        Some(Terms { policy, policy_version: &rules.policy.version, now: self.clock.now() })
    }

    /// Takes a decision in; a repeat is answered as the first time. One that cannot be so, or says something else under a
    /// known id, is refused, and the audit log says so (OP-4).
    ///
    /// # Errors
    /// The database's.
    pub async fn decide(&self, decision: &Decision) -> Result<Changed, DbError> {
        let event = Event::Decided(Box::new(decision.clone()));
        let actor = Actor::service("analyzer", Via::Analyzer);
        let cause = Cause { actor, decision: Some(decision), ..Cause::default() };
        let changed = self.apply(&decision.target, cause, &|_| event.clone()).await?;
        let why = match &changed {
            // OP-3: it is no lie, it is of a past that is lost here. The analyzer keeps it.
            Changed::Rejected { rejection, .. } if rejection.reason() == Reason::Behind => {
                self.neighbour_ahead(ServiceName::Analyzer, &decision.target, decision.epoch, 0).await?;
                return Ok(changed);
            }
            Changed::Differs => "another decision was taken in under this id".to_owned(),
            Changed::Rejected { rejection, .. } => rejection.to_string(),
            _ => return Ok(changed),
        };
        counters::decision_refused(&decision.target);
        let EventRecord { subject, mut detail, .. } = rollout::audit::told(&event);
        detail["refused"] = why.as_str().into();
        let actor = Actor::service("analyzer", Via::Analyzer);
        let act = AuditDraft { actor, action: Deed::DecisionRefused, subject, detail };
        // However often it is sent again, and whatever else is sent: all are counted.
        let now = self.clock.now();
        if self.store.note_at_most(Some(&decision.target), act, REFUSED_A_DAY, now).await? {
            tracing::warn!(target_name = %decision.target, decision = %decision.decision_id, why, "a decision is refused");
        }
        Ok(changed)
    }

    /// Holds what a neighbour says it was told last against what was told from here. To be called with what it said before the
    /// store is read: a directive is committed before it is told.
    ///
    /// # Errors
    /// The database's.
    pub async fn compare_told(
        &self,
        neighbour: ServiceName,
        target: &TargetName,
        epoch: Epoch,
        sequence: u64,
    ) -> Result<bool, DbError> {
        let Some(StoredTarget { state, .. }) = self.store.target(target).await? else { return Ok(false) };
        let ahead = epoch > state.epoch || sequence > state.directive.as_ref().map_or(0, |it| it.sequence);
        if ahead {
            self.neighbour_ahead(neighbour, target, epoch, sequence).await?;
        }
        Ok(ahead)
    }

    /// A neighbour was told what this store does not know: people are called once, and nothing moves up until a person has
    /// decided (OP-3).
    ///
    /// # Errors
    /// The database's.
    pub async fn neighbour_ahead(
        &self,
        neighbour: ServiceName,
        target: &TargetName,
        epoch: Epoch,
        sequence: u64,
    ) -> Result<(), DbError> {
        let known = self.store.target(target).await?.and_then(|it| it.state.behind);
        if known.as_ref().is_some_and(|it| it.epoch >= epoch && it.sequence >= sequence) {
            return Ok(());
        }
        let event = Event::NeighbourAhead { by: neighbour.to_string(), epoch, sequence };
        self.apply(target, Cause::default(), &|_| event.clone()).await?;
        tracing::error!(
            target_name = %target, %neighbour, epoch, sequence,
            "a neighbour was told more than this store knows: was it restored? See docs/backup.md"
        );
        Ok(())
    }

    /// Goes on from a restored store, as a person has decided: every target with numbers that nobody has heard of, and ids that
    /// no incident had.
    ///
    /// # Errors
    /// The database's; it is to be done again then.
    pub async fn accept_store(&self, acceptance: &Acceptance) -> Result<(), DbError> {
        self.store.skip_incident_ids(self.clock.now()).await?;
        let Acceptance { by, reason, .. } = acceptance;
        let mut after: Option<String> = None;
        loop {
            let page = self.store.targets(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.state.target.to_string());
            for StoredTarget { state, .. } in page {
                // Done at the database, where nobody asked who it was.
                let actor = Actor { verified: false, ..Actor::service(by, Via::Phasegate) };
                let cause = Cause { actor, ..Cause::default() };
                let event = Event::StoreAccepted { by: by.clone(), reason: reason.clone() };
                self.apply(&state.target, cause, &|_| event.clone()).await?;
            }
        }
        tracing::warn!(by, reason, "a restored store is gone on from: new epochs, new incident ids");
        Ok(())
    }

    /// Applies an event under the target's lock and commits all it causes.
    ///
    /// # Errors
    /// The database's.
    pub async fn apply(
        &self,
        target: &TargetName,
        cause: Cause<'_>,
        event: EventOf<'_>,
    ) -> Result<Changed, DbError> {
        let rules = self.rules();
        let (Some(policy), Some(templates)) = (rules.policy.targets.get(target), rules.templates.get(target))
        else {
            return Ok(Changed::UnknownTarget);
        };
        let now = cause.at.unwrap_or_else(|| self.clock.now());
        let new_transition = Uuid::now_v7();
        let lower_context = LowerContext { target, policy, templates, now };
        let decision = cause.decision;
        let policy_version = rules.policy.version.as_str();
        let plan = |before: &Aggregate, given: &Given| -> Result<Plan, Rejection> {
            let (new_incident, storm) = (given.new_incident.clone(), given.storm.clone());
            let context = Context { now, policy, policy_version, new_incident, new_transition, storm };
            let event = event(given.recorded);
            let told = rollout::audit::told(&event);
            let step = rollout::apply(before, event, &context)?;
            // A decision is kept even where it changes nothing: one of an older window that could not be judged, and came
            // late. So is a loss that nobody is told of.
            let kept = decision.is_some() || cause.lost.is_some();
            let mut rows = Vec::new();
            rows.extend(audit(&cause.actor, told, policy_version, before, &step, kept));
            let begun = if given.begins { rollout::begin_command(&step, &context) } else { None };
            let step = match begun {
                Some(Began { event, first, step: begun }) => {
                    let told = rollout::audit::told(&event);
                    rows.extend(audit(&Actor::default(), told, policy_version, &first, &begun, true));
                    step.followed_by(begun)
                }
                None => step,
            };
            let answer = answer(&step, decision, &context.terms());
            let plan = lower(&lower_context, step, given.version, answer).map_err(|error| {
                // A template that passed its check cannot fail; were it to, nothing half-rendered is sent.
                Rejection::from(Refusal::Unrenderable { error: error.to_string() })
            })?;
            Ok(Plan { audit: rows, ..plan })
        };
        let changed = self
            .store
            .change(Change {
                target,
                incident: cause.incident,
                of_transition: cause.of_transition,
                decision,
                act: cause.act,
                settle: cause.settle,
                retry: cause.retry,
                lost: cause.lost,
                window: policy.collection.window,
                now,
                plan: &plan,
            })
            .await?;
        if let Changed::Applied { step, .. } = &changed {
            self.tell(step);
        }
        Ok(changed)
    }

    /// Wakes whoever shows the state, and whoever waits for due times; logs what people look for.
    fn tell(&self, step: &Step) {
        self.changes.tell(&step.target.target);
        self.due.notify_one();
        for LoggedHop { hop, .. } in &step.timeline {
            let incident = step.incident.as_ref().map(|it| it.id.to_string()).unwrap_or_default();
            tracing::info!(target_name = %step.target.target, incident, kind = hop.kind(), "{}", words::hop(hop));
        }
    }

    /// Tells the machines that another policy is in force; the collector is told where windows have another length.
    ///
    /// # Errors
    /// The database's.
    pub async fn policy_changed(&self) -> Result<(), DbError> {
        let rules = self.rules();
        let window = |target: &TargetName| rules.policy.targets.get(target).map(|it| it.collection.window);
        let mut after: Option<String> = None;
        loop {
            let page = self.store.targets(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.state.target.to_string());
            for StoredTarget { state, .. } in page {
                let told = state.directive.as_ref().filter(|it| it.until.is_none());
                let told = told.map(|it| Duration::from_millis(it.cadence_ms));
                if told.is_some() && window(&state.target).is_some_and(|window| told != Some(window)) {
                    self.apply(&state.target, Cause::default(), &|_| Event::PolicyChanged).await?;
                }
            }
        }
    }

    /// Does whatever is due; returns how much that was.
    ///
    /// # Errors
    /// The database's.
    pub async fn tick(&self, now: Timestamp) -> Result<usize, DbError> {
        const AT_ONCE: u32 = 200;
        let due = self.store.due(now, AT_ONCE).await?;
        for Due { target, incident } in &due {
            let cause = Cause { incident: incident.as_ref(), at: Some(now), ..Cause::default() };
            match self.apply(target, cause, &|_| Event::Tick).await? {
                Changed::Applied { .. } => {}
                other => tracing::debug!(target_name = %target, ?other, "nothing to do for what was due"),
            }
        }
        Ok(due.len() + self.tell_losses().await?)
    }
}

/// GO-4: one row a step that changed anything, or whose cause is kept, whatever the event was, with the version of the policy it was measured
/// against.
fn audit(
    actor: &Actor,
    told: EventRecord,
    policy: &str,
    before: &Aggregate,
    step: &Step,
    kept: bool,
) -> Option<AuditDraft> {
    let followed = rollout::audit::followed(before, step, kept)?;
    let EventRecord { action, subject, mut detail } = told;
    if let (Some(detail), Value::Object(followed)) = (detail.as_object_mut(), followed) {
        detail.extend(followed);
        detail.insert("policy".to_owned(), policy.into());
    }
    let incident = step.incident.as_ref().map(|it| it.id.to_string());
    if let (Some(incident), Some(_)) = (&incident, &subject) {
        detail["incident"] = incident.as_str().into();
    }
    Some(AuditDraft { actor: actor.clone(), action, subject: subject.or(incident), detail })
}

/// What the caller is answered, and a repeat too: the decision's fate, or the rollout as it stands now.
fn answer(step: &Step, decision: Option<&Decision>, terms: &Terms<'_>) -> Value {
    match decision {
        Some(decision) => {
            let incident = step.target.incident.as_ref().filter(|_| step.links(decision));
            decision_answer(decision, step.stale, incident.map(IncidentId::as_str))
        }
        None => plain(&views::rollout(&step.target, terms)),
    }
}
