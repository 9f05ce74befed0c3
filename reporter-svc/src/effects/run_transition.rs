//! Runs a transition: its start is committed before the command starts, its result with the outcome (RB-3).

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use service_kit::db::DbError;
use service_kit::moment::Moment;
use service_kit::outbox::{Attempt, Claim, Outcome, Perform, Recorded};
use shared_types::{Directed, Timestamp};

use super::context::Effects;
use super::push_directive::BEHIND_AGAIN;
use crate::counters::{self, AttemptOutcome};
use crate::drift;
use crate::executors::{Executors, ReadBack, Turn, not_here};
use crate::reporter::Cause;
use crate::store::Changed;
use domain::effects::RunTransition;
use domain::executors::Report;
use domain::rollout::{Event, TargetState};
use shared_types::rollout::TransitionKind;

/// How soon it is looked again for what is not to be seen yet.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Says in an outcome that the command was not started, because the transition is not wanted any more.
const SKIPPED: &str = "skipped";

#[async_trait]
impl Perform<Effects> for RunTransition {
    /// Long enough for a command, its read-back and the ending of its children.
    fn lease(effects: &Effects) -> Duration {
        effects.longest.of(&effects.reporter.rules()) * 5 / 2 + Duration::from_secs(15)
    }

    async fn run(&self, effects: &Effects, claim: &Claim) -> Outcome {
        let starting = effects.reporter.store.precedence().first();
        let state = match effects.reporter.store.target(&self.target).await {
            Ok(Some(stored)) => stored.state,
            Ok(None) => return Outcome::Never { reason: format!("there is no target {}", self.target) },
            Err(error) => return not_now(&error),
        };
        let Some(wanted) = state.stage.runnable().filter(|wanted| wanted.id == self.transition) else {
            return skipped();
        };
        let attempt = u32::try_from(claim.fence).unwrap_or(u32::MAX);
        // By the commit that asked for it, and in this process: one that is found in the store is looked at first.
        let is_started = wanted.is_started(attempt) && wanted.requested_at >= effects.reporter.begun;
        let fence = if is_started {
            state.fence
        } else {
            match start(effects, &state, self, attempt).await {
                Ok(fence) => fence,
                Err(not_started) => return not_started,
            }
        };
        let turn = Turn { attempt, fence, lease: claim.lease.clone() };
        record_latency(effects, &state, self, attempt);
        drop(starting);
        match carry_out(&effects.executors, self, &turn).await {
            Outcome::Unknown { reason } if effects.stopping.is_cancelled() => {
                Outcome::Postponed { after: Duration::ZERO, reason: format!("the service stopped: {reason}") }
            }
            outcome => outcome,
        }
    }

    /// Applies what came of it in the transaction that records it.
    async fn settle(&self, effects: &Effects, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        let event = |recorded: Option<Recorded>| event_of(self, attempt.outcome, recorded, attempt.ended_at);
        let cause = Cause { of_transition: true, ..Cause::default() };
        let recorded = effects.apply(&attempt, &self.target, cause, &event).await?;
        count(self, attempt.outcome, recorded);
        match (attempt.outcome, recorded) {
            // Once more when whatever was superseded is over too (RB-10).
            (Outcome::Done(_), Recorded::Done) => {
                let straggler = Self::lease(effects) + Duration::from_millis(self.timeout_ms);
                effects.drift.look_by(&self.target, attempt.ended_at.plus(straggler));
            }
            // PH-10: what it left behind is looked at now.
            (_, Recorded::Dead) => effects.drift.look_by(&self.target, attempt.ended_at),
            _ => {}
        }
        Ok(recorded)
    }
}

/// One attempt. `Done` carries the [`Report`], and is said only when what is served was read back as asked, where that can
/// be (RB-9).
pub(crate) async fn carry_out(executors: &Executors, it: &RunTransition, turn: &Turn) -> Outcome {
    done(executors, it, turn).await.map_or_else(|outcome| outcome, |report| Outcome::Done(json!(report)))
}

async fn done(executors: &Executors, it: &RunTransition, turn: &Turn) -> Result<Report, Outcome> {
    let kind = it.request.kind.as_str();
    let executor = executors.of(kind).ok_or_else(|| Outcome::Never { reason: not_here(kind) })?;
    if turn.attempt > 1 && it.reads_back() {
        match executors.read_back(it).await {
            Ok(ReadBack { served, as_asked: true }) => return Ok(reached_before(served)),
            Err(unknown @ (Outcome::Unknown { .. } | Outcome::Never { .. })) => return Err(unknown),
            // Whatever was served: what was asked for is not.
            Ok(_) | Err(_) => {}
        }
    }
    let report = executor.run(it, turn).await?;
    if !it.reads_back() {
        return Ok(report);
    }
    Ok(Report { verified: Some(seen(executors, it, turn).await?), ..report })
}

/// What is served once users have it. Where they are not asked it is read back, and again when they have had time to see it: until
/// then their telemetry tells of the phase before.
async fn seen(executors: &Executors, it: &RunTransition, turn: &Turn) -> Result<String, Outcome> {
    let settle = Duration::from_millis(it.settle_ms);
    let served = as_asked(executors, it, turn, settle).await?;
    if it.users.is_some() || settle.is_zero() {
        return Ok(served);
    }
    tokio::time::sleep(settle).await;
    as_asked(executors, it, turn, Duration::ZERO).await
}

/// What is served, as soon as it is as asked.
async fn as_asked(
    executors: &Executors,
    it: &RunTransition,
    turn: &Turn,
    within: Duration,
) -> Result<String, Outcome> {
    let until = Moment::now().plus(within);
    loop {
        let looked = executors.read_back(it).await;
        let ends = until.is_over() || turn.lease.term().give_up.is_over();
        match looked {
            Ok(ReadBack { served, as_asked: true }) => return Ok(served),
            Ok(ReadBack { served, as_asked: false }) if ends => {
                let reason = format!("read back {served:?} where {} was expected", it.to);
                return Err(Outcome::Failed { reason });
            }
            Err(outcome @ Outcome::Failed { .. }) if ends => return Err(outcome),
            Ok(_) | Err(Outcome::Failed { .. }) => tokio::time::sleep(LOOK_AGAIN).await,
            Err(outcome) => return Err(outcome),
        }
    }
}

/// RB-10: an attempt before had its effect, though nobody could say so; nothing is done again.
fn reached_before(served: String) -> Report {
    let summary = "served already: an attempt before had its effect".to_owned();
    Report { summary, verified: Some(served), ..Report::default() }
}

/// The command is not to blame for our database.
fn not_now(error: &DbError) -> Outcome {
    Outcome::Postponed { after: Duration::from_secs(1), reason: error.to_string() }
}

fn skipped() -> Outcome {
    Outcome::Done(json!({ SKIPPED: true }))
}

/// Whether it is a rollback from what is served, as far as that can be read.
async fn is_still_to_do(effects: &Effects, state: &TargetState, it: &RunTransition) -> bool {
    let rules = effects.reporter.rules();
    let Some(policy) = rules.policy.targets.get(&it.target) else { return false };
    it.kind == TransitionKind::Rollback
        && matches!(drift::read_now(&effects.executors, state, policy).await, Some(Ok(read)) if read.as_asked)
}

/// OP-3: its command might raise exposure.
fn waits_for_a_person() -> Outcome {
    let reason =
        "this store is older than what its neighbours know: a person decides (docs/backup.md)".to_owned();
    Outcome::Postponed { after: BEHIND_AGAIN, reason }
}

/// Commits the start, and returns the attempt's number among all of the target. The collector is told by its own directive,
/// which was committed with the move (RB-5).
async fn start(
    effects: &Effects,
    state: &TargetState,
    it: &RunTransition,
    attempt: u32,
) -> Result<u64, Outcome> {
    // Where the store was restored, this may have been done in the past that is lost, and more after it.
    let wanted = state.stage.runnable();
    if wanted.is_some_and(|it| it.requested_at < effects.reporter.begun) {
        let told = effects.collector_quick.get_json::<Directed>(&format!("/v1/targets/{}", it.target)).await;
        let told = told.ok().and_then(|it| it.directive);
        let own = state.directive.as_ref().map_or(0, |it| it.sequence);
        let learnt = effects.collector_knows_more(&it.target, told.as_ref(), own).await;
        let behind = learnt.map_err(|error| not_now(&error))? || state.behind.is_some();
        if behind && !is_still_to_do(effects, state, it).await {
            return Err(waits_for_a_person());
        }
    }
    let event = Event::TransitionStarted { transition: it.transition, attempt };
    let cause = Cause { of_transition: true, ..Cause::default() };
    match effects.reporter.apply(&it.target, cause, &|_| event.clone()).await {
        Ok(Changed::Applied { step, .. }) => Ok(step.target.fence),
        Ok(_) => Err(skipped()),
        Err(error) => Err(not_now(&error)),
    }
}

/// From the analyzer's decision to the start of the command.
fn record_latency(effects: &Effects, state: &TargetState, it: &RunTransition, attempt: u32) {
    if let (TransitionKind::Rollback, 1, Some(latest)) = (it.kind, attempt, &state.latest) {
        let latency = effects.reporter.clock.now().since(latest.decided_at);
        counters::rollback_started(&it.target, latency);
    }
}

fn event_of(it: &RunTransition, outcome: &Outcome, recorded: Option<Recorded>, now: Timestamp) -> Event {
    let transition = it.transition;
    let reason = outcome.reason().unwrap_or_default().to_owned();
    match (outcome, recorded) {
        (Outcome::Done(answer), _) => match serde_json::from_value::<Report>(answer.clone()) {
            Ok(report) => Event::TransitionSucceeded { transition, report },
            Err(_) => Event::TransitionSkipped { transition },
        },
        (_, Some(Recorded::Retrying(next))) => Event::TransitionAttemptFailed { transition, reason, next },
        (_, Some(Recorded::Dead)) => Event::TransitionFailed { transition, reason },
        (_, Some(Recorded::Done | Recorded::Fenced) | None) => {
            Event::TransitionAttemptFailed { transition, reason, next: now }
        }
    }
}

fn count(it: &RunTransition, outcome: &Outcome, recorded: Recorded) {
    let outcome = match (outcome, recorded) {
        (_, Recorded::Fenced) => return,
        (Outcome::Done(answer), _) if answer.get(SKIPPED).is_some() => AttemptOutcome::Skipped,
        (_, Recorded::Done) => AttemptOutcome::Succeeded,
        (_, Recorded::Dead) => AttemptOutcome::Failed,
        (_, Recorded::Retrying(_)) => AttemptOutcome::Retrying,
    };
    counters::attempt_ended(&it.target, it.kind, outcome);
}
