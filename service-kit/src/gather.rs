//! Questions that come while others are under way are asked together: a read or a request then serves all of them.
//!
//! Nobody waits for company: the first to come asks at once, with whoever is there, and those who come meanwhile are the next
//! round. Whoever has the turn asks for all and tells each its answer, so no task stays behind when the askers are gone.

use std::collections::VecDeque;
use std::fmt;
use std::iter;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Semaphore, oneshot};

/// Rounds under way at a time: one is answered while the next is asked.
const ROUNDS: usize = 2;

/// See the module. `Q`: a question; `A`: its answer.
pub struct Gather<Q, A> {
    most: usize,
    turns: Semaphore,
    waiting: Mutex<VecDeque<Waiting<Q, A>>>,
}

struct Waiting<Q, A> {
    question: Q,
    tell: oneshot::Sender<A>,
}

impl<Q, A> fmt::Debug for Gather<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("most", &self.most).finish_non_exhaustive()
    }
}

impl<Q: Clone, A> Gather<Q, A> {
    /// At most so many questions are one round.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self { most, turns: Semaphore::new(ROUNDS), waiting: Mutex::default() }
    }

    /// The answer to a question. `ask` answers many, in their order, and must do no harm when it is done twice. What it cannot
    /// answer together each asks alone, so that one bad question spoils no other; an asker that is gone leaves its round so too.
    ///
    /// # Errors
    /// Those of `ask`, of this question alone.
    pub async fn ask<E, F>(&self, question: Q, ask: impl Fn(Vec<Q>) -> F) -> Result<Option<A>, E>
    where
        F: Future<Output = Result<Vec<A>, E>>,
    {
        let (tell, mut told) = oneshot::channel();
        self.waiting().push_back(Waiting { question: question.clone(), tell });
        // Those who come at the same moment are asked for too.
        tokio::task::yield_now().await;
        let turn = tokio::select! {
            biased;
            answer = &mut told => Err(answer),
            turn = self.turns.acquire() => Ok(turn),
        };
        let answer = match turn {
            Err(answer) => answer.ok(),
            Ok(turn) => loop {
                match told.try_recv() {
                    Ok(answer) => break Some(answer),
                    Err(TryRecvError::Closed) => break None,
                    Err(TryRecvError::Empty) => {}
                }
                let (questions, tells) = self.round();
                if questions.is_empty() {
                    // It is in the round of another one, who has a turn too.
                    drop(turn);
                    break told.await.ok();
                }
                let was_alone = questions.len() == 1;
                match ask(questions).await {
                    Ok(answers) => tells.into_iter().zip(answers).for_each(|(tell, answer)| {
                        tell.send(answer).ok();
                    }),
                    Err(error) => {
                        drop(tells);
                        // Its own question, which was asked alone already.
                        if was_alone && matches!(told.try_recv(), Err(TryRecvError::Closed)) {
                            return Err(error);
                        }
                    }
                }
            },
        };
        match answer {
            Some(answer) => Ok(Some(answer)),
            None => Ok(ask(vec![question]).await?.into_iter().next()),
        }
    }

    /// Those who wait longest and still do.
    fn round(&self) -> (Vec<Q>, Vec<oneshot::Sender<A>>) {
        let mut waiting = self.waiting();
        let those_there = iter::from_fn(|| waiting.pop_front()).filter(|it| !it.tell.is_closed());
        those_there.take(self.most).map(|it| (it.question, it.tell)).unzip()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting<Q, A>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::future::join_all;

    use super::*;

    type Rounds = Arc<Mutex<Vec<Vec<u32>>>>;

    async fn double(rounds: Rounds, asked: Vec<u32>) -> Result<Vec<u32>, Infallible> {
        rounds.lock().unwrap().push(asked.clone());
        tokio::task::yield_now().await;
        Ok(asked.into_iter().map(|it| it * 2).collect())
    }

    /// What one asked alone and was refused is not asked again.
    #[tokio::test]
    async fn who_was_alone_is_refused_once() {
        let (gather, asked) = (Gather::<u32, u32>::of(4), Mutex::new(Vec::new()));
        let refused = gather
            .ask(1, |questions| {
                asked.lock().unwrap().push(questions);
                async { Err("refused") }
            })
            .await;
        assert_eq!((refused, asked.into_inner().unwrap()), (Err("refused"), vec![vec![1]]));
    }

    #[tokio::test]
    async fn those_who_come_together_are_one_round_and_each_has_its_own_answer() {
        let (gather, rounds) = (Gather::of(4), Rounds::default());
        let ask = |it| gather.ask(it, |asked| double(Arc::clone(&rounds), asked));
        let answers = join_all((1..=10).map(ask)).await;
        let answers: Vec<u32> = answers.into_iter().map(|it| it.unwrap().unwrap()).collect();
        assert_eq!(answers, (1..=10).map(|it| it * 2).collect::<Vec<_>>());
        assert_eq!(
            *rounds.lock().unwrap(),
            vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8], vec![9, 10]],
            "a question is asked once"
        );
    }

    #[tokio::test]
    async fn a_question_that_spoils_a_round_spoils_no_other() {
        let gather = Gather::of(8);
        let ask = |it: u32| {
            gather.ask(it, |asked| async move {
                match asked.contains(&3) {
                    true => Err(format!("{asked:?}")),
                    false => Ok(asked),
                }
            })
        };
        let answers = join_all((1..=4).map(ask)).await;
        assert_eq!(answers, [Ok(Some(1)), Ok(Some(2)), Err("[3]".into()), Ok(Some(4))]);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_are_gone_before_their_turn_are_passed_over() {
        let gather = Gather::of(1);
        let slow = |asked: Vec<u32>| async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok::<_, Infallible>(asked)
        };
        let gone = |it| tokio::time::timeout(Duration::from_secs(1), gather.ask(it, slow));
        let (first, second, third, fourth, last) = tokio::join!(
            gather.ask(1, slow),
            gather.ask(2, slow),
            gone(3),
            gone(4),
            tokio::time::timeout(Duration::from_secs(60), gather.ask(5, slow))
        );
        assert_eq!((first, second), (Ok(Some(1)), Ok(Some(2))));
        assert!(third.is_err() && fourth.is_err());
        assert_eq!(last.unwrap(), Ok(Some(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_gone_in_the_midst_leaves_nobody_waiting() {
        let gather = Gather::of(8);
        let slow = |asked: Vec<u32>| async move {
            tokio::time::sleep(Duration::from_secs(asked.len() as u64)).await;
            Ok::<_, Infallible>(asked)
        };
        let leaves = tokio::time::timeout(Duration::from_millis(1500), gather.ask(1, slow));
        let (left, stayed) = tokio::join!(leaves, gather.ask(2, slow));
        assert!(left.is_err());
        assert_eq!(stayed, Ok(Some(2)));
    }
}
