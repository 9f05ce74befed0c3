//! Stored history under another policy: what would have been decided, against what was (PO-4).
//!
//! `replay` judges the past again and `compare` holds the two sides against each other, both without I/O; here history
//! is read, page by page, in the order in which it was made. The next page is read while one is judged.
//!
//! What follows from decisions (incidents, moves) is the reporter's to decide, and services never import each other:
//! this comparison is of the gate. `phasegate backtest` adds the reporter's machine to it.

#[cfg(test)]
pub(crate) mod replay_tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::kinds::Kinds;
use domain::policy::Policy;
use service_kit::db::DbError;
use shared_types::{TargetName, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::store::{RecordedKey, Span, Store};
use domain::gate::longest_look_back;
use domain::whatif::Recorded;
use domain::whatif::compare::{About, Backtest, Comparison, Limits};
use domain::whatif::replay::{Replay, needs_batch, other_length};

/// Decisions that one backtest looks at: years of a target's 15 min windows.
pub const MOST_DECISIONS: u64 = 250_000;
/// Decisions read at once: few where each brings its distributions.
const PAGE: u32 = 1_000;
const PAGE_WHOLE: u32 = 200;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    pub target: TargetName,
    /// What the policies of its time are read by.
    pub kinds: Arc<Kinds>,
    /// Windows that begin at or after this, and before `to`.
    pub from: Timestamp,
    pub to: Timestamp,
    /// None: each decision is made again under the policy it was made by.
    pub policy: Option<Arc<Policy>>,
    /// From the batches themselves, also where what was observed would do.
    pub whole: bool,
    pub limits: Limits,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    #[error("the policy has no target `{0}`")]
    UnknownTarget(TargetName),
    #[error("{0} decisions are more than one backtest looks at ({MOST_DECISIONS}); give a shorter time")]
    TooMany(u64),
    #[error("nobody waits for it any more, or the service stops")]
    GivenUp,
    #[error("the judging broke")]
    Broke(#[from] tokio::task::JoinError),
    #[error("the store failed")]
    Store(#[from] DbError),
}

/// Policies by version; none where the text is not kept or not a policy.
type Policies = BTreeMap<String, Option<Arc<Policy>>>;

/// What goes from page to page.
struct Work {
    question: Question,
    policies: Policies,
    replay: Replay,
    comparison: Comparison,
    /// Whether a window of the time that is compared was reached.
    begun: bool,
}

/// Answers from the store, unless it is `given_up`: then within one decision, also in the thread that judges, which does not end
/// with whoever waits for it.
///
/// # Errors
/// [`BacktestError`].
pub async fn backtest(
    store: &Store,
    question: Question,
    given_up: &CancellationToken,
) -> Result<Backtest, BacktestError> {
    let answered = given_up.run_until_cancelled(answer(store, question, given_up)).await;
    answered.unwrap_or(Err(BacktestError::GivenUp))
}

async fn answer(
    store: &Store,
    question: Question,
    given_up: &CancellationToken,
) -> Result<Backtest, BacktestError> {
    let target = question.target.clone();
    let look_back = match &question.policy {
        None => store_look_back(store, &question).await?,
        Some(policy) => {
            let target = policy.targets.get(&target);
            longest_look_back(target.ok_or_else(|| BacktestError::UnknownTarget(question.target.clone()))?)
        }
    };
    let mut work = Work {
        replay: Replay::new(target.clone(), look_back),
        comparison: Comparison::new(question.limits),
        policies: Policies::new(),
        question,
        begun: false,
    };
    // What a mean looks back on comes before the windows that are compared; twice, for those that came late.
    let from = work.question.from.minus(look_back * 2);
    if let Some(span) = store.span(&target, from, work.question.to).await? {
        if span.decisions > MOST_DECISIONS {
            return Err(BacktestError::TooMany(span.decisions));
        }
        work = replay_span(store, &span, work, given_up).await?;
    }
    let Work { question, comparison, .. } = work;
    let about = About { target, from: question.from, to: question.to };
    Ok(comparison.finish(question.policy.map(|it| it.version.clone()), about))
}

/// Without a policy of its own a replay looks back as far as the newest policy of its time did.
async fn store_look_back(store: &Store, question: &Question) -> Result<std::time::Duration, BacktestError> {
    let Some(span) = store.span(&question.target, question.from, question.to).await? else {
        return Ok(std::time::Duration::ZERO);
    };
    let first = store.recorded(&span, &RecordedKey::before(&span), false, 1).await?;
    let mut policies = Policies::new();
    learn(store, &question.kinds, &first, &mut policies).await?;
    let policy = policies.into_values().flatten().next();
    let target = policy.as_ref().and_then(|policy| policy.targets.get(&question.target));
    Ok(target.map(longest_look_back).unwrap_or_default())
}

async fn replay_span(
    store: &Store,
    span: &Span,
    mut work: Work,
    given_up: &CancellationToken,
) -> Result<Work, BacktestError> {
    let mut whole = work.question.whole;
    let mut after = RecordedKey::before(span);
    let mut page = read(store, span, &after, whole).await?;
    while let Some(last) = page.last() {
        learn(store, &work.question.kinds, &page, &mut work.policies).await?;
        if !whole && page.iter().any(|it| work.needs_batch(it)) {
            whole = true;
            page = read(store, span, &after, whole).await?;
            continue;
        }
        after = RecordedKey::of(&last.decision);
        let given_up = given_up.clone();
        let judged = tokio::task::spawn_blocking(move || judge(work, &page, &given_up));
        let (judged, next) = tokio::join!(judged, read(store, span, &after, whole));
        (work, page) = (judged?, next?);
    }
    Ok(work)
}

/// What is given up is not judged to the end of its page; nobody looks at what comes of it.
fn judge(mut work: Work, page: &[Recorded], given_up: &CancellationToken) -> Work {
    for recorded in page.iter().take_while(|_| !given_up.is_cancelled()) {
        work.take(recorded);
    }
    work
}

async fn read(
    store: &Store,
    span: &Span,
    after: &RecordedKey,
    whole: bool,
) -> Result<Vec<Recorded>, DbError> {
    store.recorded(span, after, whole, if whole { PAGE_WHOLE } else { PAGE }).await
}

/// Reads the policies that a page's decisions were made by.
async fn learn(
    store: &Store,
    kinds: &Kinds,
    page: &[Recorded],
    policies: &mut Policies,
) -> Result<(), DbError> {
    for recorded in page {
        let version = &recorded.decision.policy_version;
        if !policies.contains_key(version) {
            let text = store.policy_text(version).await?;
            let policy = text.and_then(|text| Policy::parse_with(&text, "policy", kinds).ok()).map(Arc::new);
            policies.insert(version.clone(), policy);
        }
    }
    Ok(())
}

impl Work {
    fn was(&self, recorded: &Recorded) -> Option<Arc<Policy>> {
        self.policies.get(&recorded.decision.policy_version).cloned().flatten()
    }

    fn needs_batch(&self, recorded: &Recorded) -> bool {
        let was = self.was(recorded);
        let policy = self.question.policy.as_ref().or(was.as_ref());
        policy.is_some_and(|by| needs_batch(by, was.as_deref(), &self.question.target))
    }

    /// Whether a batch was read for others of its page, while its own histograms were let go and nobody asks for them.
    fn lacks(&self, recorded: &Recorded) -> bool {
        let let_go = recorded.batch.as_ref().is_some_and(|batch| batch.let_go().is_some());
        let_go && !self.question.whole && !self.needs_batch(recorded)
    }

    fn take(&mut self, recorded: &Recorded) {
        let (old, was) = (&recorded.decision, self.was(recorded));
        let compared = (self.question.from..self.question.to).contains(&old.window.start);
        let Some(by) = self.question.policy.clone().or_else(|| was.clone()) else {
            if compared {
                self.comparison.unjudged(old, "the text of its policy is not kept".to_owned());
            }
            return;
        };
        self.begun |= compared;
        if !self.begun {
            return self.replay.look_at(recorded);
        }
        let replayed = if self.lacks(recorded) {
            self.replay.step(&Recorded { batch: None, ..recorded.clone() }, &by, was.as_deref())
        } else {
            self.replay.step(recorded, &by, was.as_deref())
        };
        if !compared {
            return;
        }
        let target = &self.question.target;
        let was = was.as_deref().and_then(|was| was.targets.get(target));
        if let Some(detail) = by.targets.get(target).and_then(|by| other_length(old.window, by, was)) {
            self.comparison.other_length(old.window, detail);
        }
        if let Some(alarm) = &replayed.alarm {
            self.comparison.add(None, Some(alarm));
        }
        match replayed.unjudged {
            Some(why) => self.comparison.unjudged(old, why),
            None => self.comparison.add(Some(old), replayed.made.as_ref()),
        }
    }
}

#[cfg(test)]
#[path = "backtest_tests.rs"]
mod tests;
