//! Those who ask a server for the same thing at the same time, by what they ask. Nobody is told what was asked for before they
//! came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use service_kit::gather::Gather;
use shared_types::{TargetName, Timestamp};

use crate::sources::SourceError;

/// So many share a round at most.
const MOST: usize = 1000;

/// What is asked for, and of which moment.
type Question = (String, Timestamp);

/// A target, and how many samples its answer holds.
pub(super) type Share = (TargetName, u64);

/// All who ask now.
#[derive(Debug)]
pub(super) struct Together<T> {
    asked: Mutex<HashMap<Question, Arc<Gather<Share, T>>>>,
}

impl<T> Default for Together<T> {
    fn default() -> Self {
        Self { asked: Mutex::default() }
    }
}

impl<T> Together<T> {
    /// `ask` answers for many, in their order.
    pub(super) async fn ask<F>(
        &self,
        question: Question,
        share: Share,
        ask: impl Fn(Vec<Share>) -> F,
    ) -> Result<Option<T>, SourceError>
    where
        F: Future<Output = Result<Vec<T>, SourceError>>,
    {
        let seat = Seat::take(self, question);
        seat.gather.ask(share, ask).await
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<Question, Arc<Gather<Share, T>>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part in a question; the last one to leave takes it away.
struct Seat<'a, T> {
    together: &'a Together<T>,
    question: Question,
    gather: Arc<Gather<Share, T>>,
}

impl<'a, T> Seat<'a, T> {
    fn take(together: &'a Together<T>, question: Question) -> Self {
        let gather = Arc::clone(
            together.asked().entry(question.clone()).or_insert_with(|| Arc::new(Gather::of(MOST))),
        );
        Self { together, question, gather }
    }
}

impl<T> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        let mut asked = self.together.asked();
        // Its own, and that of the map.
        if Arc::strong_count(&self.gather) == 2 {
            asked.remove(&self.question);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TE-5: a question is gone with the last one who asks it.
    #[tokio::test]
    async fn a_question_ends_with_those_who_ask_it() {
        let together = Together::default();
        let share = || (TargetName::parse("shop").unwrap(), 0);
        let question = || ("x".to_owned(), Timestamp::from_millis(0));
        let ask = || {
            together.ask(question(), share(), |all| async move {
                tokio::task::yield_now().await;
                Ok(vec![all.len(); all.len()])
            })
        };
        let (one, other) = tokio::join!(ask(), ask());
        assert_eq!((one, other), (Ok(Some(2)), Ok(Some(2))));
        assert!(together.asked().is_empty());
    }
}
