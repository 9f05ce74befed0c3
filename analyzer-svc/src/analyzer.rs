//! The analyzer's use cases: a batch comes, the collector reports a failure, a batch does not come.
//!
//! Each reads the target, lets the pure parts decide, and commits the result against the version it read. If
//! somebody was faster it starts over, so that of a batch, an alarm and the watch that race for one window
//! each finds what the others did.

use std::sync::Arc;
use std::time::Duration;

use domain::policy::{PhasePolicy, Policy, TargetPolicy};
use service_kit::clock::Clock;
use service_kit::db::DbError;
use service_kit::rules::PolicyVersions;
use shared_types::collector_event::CollectorEventKind;
use shared_types::decision::Cause;
use shared_types::{Batch, CollectorEvent, Decision, Epoch, PhaseId, TargetName, Timestamp, Window};

use crate::directives::Directives;
use crate::effects::DeliverDecision;
use crate::metrics;
use crate::store::{Commit, Committed, Known, Refused, Store, Wanted};
use domain::gate::GateState;
use domain::gate::claim;
use domain::gate::ledger::{self, Judged, Rules};
use domain::gate::watch::Watch;
use domain::gate::{
    BatchError, CheckedBatch, Observed, Subject, batch_hash, decision_id, longest_look_back, observe_batch,
    observe_missing,
};

/// How often a use case starts over before it says "try again".
const ATTEMPTS: u32 = 8;
/// How far a collector's clock may be ahead of ours.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Why something was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("target: the policy has no target `{0}`")]
    UnknownTarget(TargetName),
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error("window: {0} ends in the future")]
    Future(Window),
    #[error("epoch: {epoch} is beyond {newest}, the newest that `{target}` can have been told")]
    Untold { target: TargetName, epoch: Epoch, newest: Epoch },
    #[error("another batch of `{target}` for {window} was judged already; this one is kept for inspection")]
    Different { target: TargetName, window: Window },
    #[error("it was counted by policy {0}, which is not in force here yet")]
    TooEarly(String),
    #[error("others keep changing this target")]
    Contended,
    #[error("the store failed")]
    Store(#[from] DbError),
}

/// What was said of a batch or an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Decided now.
    New(Decision),
    /// Decided before.
    Repeat(Decision),
}

impl Answer {
    /// The decision, new or not.
    #[must_use]
    pub fn into_decision(self) -> Decision {
        match self {
            Self::New(decision) | Self::Repeat(decision) => decision,
        }
    }
}

/// The use cases over a store.
#[derive(Clone)]
pub struct Analyzer {
    store: Store,
    versions: PolicyVersions,
    clock: Arc<dyn Clock>,
    directives: Arc<dyn Directives>,
}

/// A new decision with the evidence that is stored beside it.
struct Draft<'p> {
    /// The version that it was judged by.
    version: &'p str,
    policy: &'p TargetPolicy,
    phase: &'p PhasePolicy,
    subject: Subject,
    observed: Observed,
    batch: Option<(Batch, String)>,
    event: Option<CollectorEvent>,
    /// Since the window's end, where its batch is missing.
    elapsed_ms: Option<u64>,
    now: Timestamp,
}

impl Analyzer {
    #[must_use]
    pub fn new(
        store: Store,
        versions: PolicyVersions,
        clock: Arc<dyn Clock>,
        directives: Arc<dyn Directives>,
    ) -> Self {
        Self { store, versions, clock, directives }
    }

    /// The reporter's word on what is collected.
    #[must_use]
    pub fn directives(&self) -> &dyn Directives {
        self.directives.as_ref()
    }

    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The policy of now: what windows that begin now are judged by.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.versions.current().policy)
    }

    /// The policy that a window is judged by, whenever that is: the one in force when it began (PO-2).
    ///
    /// # Errors
    /// The store's.
    pub async fn policy_of(&self, window: Window) -> Result<Arc<Policy>, DbError> {
        Ok(Arc::clone(&self.versions.at(window.start).await?.policy))
    }

    /// The versions that were in force.
    #[must_use]
    pub fn versions(&self) -> &PolicyVersions {
        &self.versions
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Judges a batch (SLO-1 to SLO-6); the same again gets the same decision, another one under its key is
    /// refused and kept (SLO-9).
    ///
    /// # Errors
    /// [`IntakeError`].
    pub async fn accept_batch(&self, batch: Batch) -> Result<Answer, IntakeError> {
        let in_force = self.policy_of(batch.window).await?;
        let counted_by = batch.policy_version.clone();
        let (policy, batch) = match check(&in_force, batch) {
            Ok(checked) => checked,
            Err(error) => return Err(self.perhaps_too_early(error, counted_by).await?),
        };
        let phase = phase_policy(policy, &batch.batch().phase)?;
        let subject = Subject::of(batch.batch());
        self.not_in_the_future(subject.window)?;
        let hash = batch_hash(batch.batch());
        let delayed_after = policy.collection.delayed_after;
        let wanted = Wanted {
            target: subject.target.clone(),
            epoch: subject.epoch,
            window_start: subject.window.start,
            since: subject.window.end.minus(longest_look_back(policy)),
        };
        for _ in 0..ATTEMPTS {
            let Known { mut state, receipt, earlier } = self.store.known(wanted.clone()).await?;
            if let Some(receipt) = receipt {
                if receipt.hash == hash {
                    return Ok(Answer::Repeat(self.stored_decision(receipt.decision_id).await?));
                }
                if self.store.refuse(batch.batch(), &hash, self.now()).await? == Refused::LeftOut {
                    metrics::left_out(&subject.target);
                }
                return Err(IntakeError::Different { target: subject.target, window: subject.window });
            }
            // The first batch of an epoch waits for the reporter's answer.
            self.was_told(&state, subject.epoch).await?;
            let now = self.now();
            let next = Watch::after_batch(state.watch.as_ref(), batch.batch(), delayed_after);
            state.watch = next.or(state.watch);
            let draft = Draft {
                version: &in_force.version,
                policy,
                phase,
                subject: subject.clone(),
                observed: observe_batch(&batch, &earlier, policy, phase),
                batch: Some((batch.batch().clone(), hash.clone())),
                event: None,
                elapsed_ms: None,
                now,
            };
            if let Some(decision) = self.commit(state, draft).await? {
                return Ok(Answer::New(decision));
            }
        }
        Err(IntakeError::Contended)
    }

    /// Judges what the collector says of a batch it could not send (SLO-8). A delay of a batch that was here
    /// in time is contradicted by the batch, whose decision is the answer.
    ///
    /// # Errors
    /// [`IntakeError`].
    pub async fn accept_event(&self, event: CollectorEvent) -> Result<Answer, IntakeError> {
        let in_force = self.policy_of(event.window).await?;
        let policy = target_policy(&in_force, &event.target)?;
        let phase = phase_policy(policy, &event.phase)?;
        CheckedBatch::check_window("window", event.window)?;
        CheckedBatch::check_epoch(event.epoch)?;
        self.not_in_the_future(event.window)?;
        let subject = Subject {
            target: event.target.clone(),
            phase: event.phase.clone(),
            epoch: event.epoch,
            window: event.window,
        };
        let cause = match event.kind {
            CollectorEventKind::Delayed => Cause::CollectionDelayed,
            CollectorEventKind::RetryExhausted => Cause::RetryExhausted,
        };
        let delayed_after = policy.collection.delayed_after;
        for _ in 0..ATTEMPTS {
            let mut state = self.store.target(&subject.target).await?;
            if let Some(decision) = self.decided_already(&subject, cause, delayed_after).await? {
                self.store.note_event(&event, decision.decision_id, self.now()).await?;
                return Ok(Answer::Repeat(decision));
            }
            self.was_told(&state, subject.epoch).await?;
            if cause == Cause::CollectionDelayed {
                let next = Watch::after_delay(state.watch.as_ref(), &subject, delayed_after);
                state.watch = next.or(state.watch);
            }
            let elapsed = Duration::from_millis(event.elapsed_ms);
            let draft = Draft {
                version: &in_force.version,
                policy,
                phase,
                subject: subject.clone(),
                observed: observe_missing(cause, elapsed, policy),
                batch: None,
                event: Some(event.clone()),
                elapsed_ms: Some(event.elapsed_ms),
                now: self.now(),
            };
            if let Some(decision) = self.commit(state, draft).await? {
                return Ok(Answer::New(decision));
            }
        }
        Err(IntakeError::Contended)
    }

    /// Decides that the batch of an overdue watch is missing, and expects `next` (SLO-7). `None`: it came, or
    /// was decided on, in the last moment.
    ///
    /// # Errors
    /// [`IntakeError`].
    pub async fn raise_missing(
        &self,
        target: &TargetName,
        due: &Watch,
        next: Watch,
    ) -> Result<Option<Decision>, IntakeError> {
        let in_force = self.policy_of(due.window).await?;
        let policy = target_policy(&in_force, target)?;
        let phase = phase_policy(policy, &due.phase)?;
        let subject = Subject {
            target: target.clone(),
            phase: due.phase.clone(),
            epoch: due.epoch,
            window: due.window,
        };
        for _ in 0..ATTEMPTS {
            let mut state = self.store.target(target).await?;
            if state.watch.as_ref() != Some(due) {
                return Ok(None);
            }
            state.watch = Some(next.clone());
            let batch = self.store.receipt(target, due.window.start).await?;
            let id = decision_id(target, due.window, Cause::CollectionDelayed);
            if batch.is_some() || self.store.decision(id).await?.is_some() {
                if self.store.save_target(&state).await? == Committed::Done {
                    return Ok(None);
                }
                continue;
            }
            let now = self.now();
            let elapsed = now.since(due.window.end);
            let observed = observe_missing(Cause::CollectionDelayed, elapsed, policy);
            let subject = subject.clone();
            let elapsed_ms = u64::try_from(elapsed.as_millis()).ok();
            let (version, batch, event) = (in_force.version.as_str(), None, None);
            let draft = Draft { version, policy, phase, subject, observed, batch, event, elapsed_ms, now };
            if let Some(decision) = self.commit(state, draft).await? {
                return Ok(Some(decision));
            }
        }
        Err(IntakeError::Contended)
    }

    /// `None`: the target changed meanwhile.
    async fn commit(&self, mut state: GateState, draft: Draft<'_>) -> Result<Option<Decision>, DbError> {
        let Draft { version, policy, phase, subject, observed, batch, event, elapsed_ms, now } = draft;
        let batch_hash = batch.as_ref().map(|(_, hash)| hash.clone());
        // The version that this commit gives to the target.
        let sequence = u64::try_from(state.version + 1).unwrap_or(0);
        let judged = Judged { subject, observed, batch_hash, elapsed_ms, sequence, at: now };
        let decision = ledger::decide(&mut state, Rules { version, policy, phase }, judged);
        let message = DeliverDecision::message(&decision, now);
        let commit = Commit { state, decision, batch, event, message, now };
        let committed = self.store.commit(&commit).await?;
        Ok((committed == Committed::Done).then_some(commit.decision))
    }

    /// The decision that stands for an event already: its own, or that of the batch it says is late though
    /// the batch was here in time.
    async fn decided_already(
        &self,
        subject: &Subject,
        cause: Cause,
        delayed_after: Duration,
    ) -> Result<Option<Decision>, DbError> {
        let id = decision_id(&subject.target, subject.window, cause);
        if let Some(decision) = self.store.decision(id).await? {
            return Ok(Some(decision));
        }
        if cause != Cause::CollectionDelayed {
            return Ok(None);
        }
        let receipt = self.store.receipt(&subject.target, subject.window.start).await?;
        match receipt.filter(|batch| ledger::in_time(batch.window, batch.received_at, delayed_after)) {
            Some(batch) => self.store.decision(batch.decision_id).await,
            None => Ok(None),
        }
    }

    /// The collector may have taken over a version of the policy that has not been seen here yet: then its targets and
    /// phases are not wrong, only new.
    async fn perhaps_too_early(
        &self,
        error: IntakeError,
        counted_by: Option<String>,
    ) -> Result<IntakeError, DbError> {
        let may_be_new =
            matches!(error, IntakeError::UnknownTarget(_) | IntakeError::Batch(BatchError::Phase(_)));
        let Some(version) = counted_by.filter(|it| may_be_new && Policy::is_version(it)) else {
            return Ok(error);
        };
        let seen = version == self.policy().version || self.store.policy_text(&version).await?.is_some();
        Ok(if seen { error } else { IntakeError::TooEarly(version) })
    }

    async fn stored_decision(&self, id: uuid::Uuid) -> Result<Decision, DbError> {
        let missing = || DbError::decode("batch", std::io::Error::other("its decision is not there"));
        self.store.decision(id).await?.ok_or_else(missing)
    }

    /// OP-4: an epoch that nobody was told is not taken for the newest. The reporter is asked about the first of each.
    async fn was_told(&self, state: &GateState, epoch: Epoch) -> Result<(), IntakeError> {
        let known = state.newest_epoch();
        if known.is_some_and(|known| epoch <= known) {
            return Ok(());
        }
        let told = self.directives.of(&state.target).await.directive.map(|it| it.epoch);
        let newest = claim::newest_believed(known, told);
        if epoch <= newest {
            return Ok(());
        }
        Err(IntakeError::Untold { target: state.target.clone(), epoch, newest })
    }

    /// A window that has not ended cannot have been counted; let in, it would keep the watch quiet.
    fn not_in_the_future(&self, window: Window) -> Result<(), IntakeError> {
        let latest = self.now().plus(CLOCK_SKEW);
        if window.end > latest { Err(IntakeError::Future(window)) } else { Ok(()) }
    }
}

/// A batch that was counted by another version than it is judged by lacks what only the latter asks for.
fn check(in_force: &Policy, batch: Batch) -> Result<(&TargetPolicy, CheckedBatch), IntakeError> {
    let policy = target_policy(in_force, &batch.target)?;
    let elsewhere = batch.policy_version.as_ref().is_some_and(|version| *version != in_force.version);
    let checked = if elsewhere {
        CheckedBatch::check_whoever_counted(batch, policy)?
    } else {
        CheckedBatch::check(batch, policy)?
    };
    Ok((policy, checked))
}

fn target_policy<'p>(policy: &'p Policy, target: &TargetName) -> Result<&'p TargetPolicy, IntakeError> {
    policy.targets.get(target).ok_or_else(|| IntakeError::UnknownTarget(target.clone()))
}

fn phase_policy<'p>(policy: &'p TargetPolicy, phase: &PhaseId) -> Result<&'p PhasePolicy, IntakeError> {
    Ok(policy.phase(phase).ok_or_else(|| BatchError::Phase(phase.clone()))?)
}

#[cfg(test)]
#[path = "analyzer_tests.rs"]
mod tests;
