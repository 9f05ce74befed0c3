//! Those who ask a server for the same thing at the same time: one asks for all who came while the one before was asking. No
//! answer is kept for later, so that nobody is told of a time before their own question.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use shared_types::{TargetName, Timestamp};
use tokio::sync::{OwnedMutexGuard, oneshot};

/// For so many targets is asked at once.
const TARGETS_MOST: usize = 100;

/// What is asked for, and of which moment.
type Question = (String, Timestamp);

/// All who ask now.
#[derive(Debug)]
pub(super) struct Together<T> {
    asked: Mutex<HashMap<Question, Arc<Asked<T>>>>,
}

impl<T> Default for Together<T> {
    fn default() -> Self {
        Self { asked: Mutex::default() }
    }
}

/// Who asks for one thing.
#[derive(Debug)]
struct Asked<T> {
    waiting: Mutex<Vec<Waiting<T>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct Waiting<T> {
    target: TargetName,
    /// How much its answer will hold.
    weight: u64,
    tell: oneshot::Sender<Option<T>>,
}

/// What became of a question.
pub(super) enum Turn<'a, T> {
    /// Another asked for it; none if that did not succeed for so many at once.
    Told(Option<T>),
    /// Whoever is told this asks for all of these.
    Mine(Group<'a, T>),
}

/// Targets that one asks for. Those whom nobody tells anything ask again.
pub(super) struct Group<'a, T> {
    /// Whoever asks.
    target: TargetName,
    others: Vec<Waiting<T>>,
    _turn: OwnedMutexGuard<()>,
    seat: Seat<'a, T>,
}

impl<T> Group<'_, T> {
    pub(super) fn targets(&self) -> impl Iterator<Item = &TargetName> {
        std::iter::once(&self.target).chain(self.others.iter().map(|it| &it.target))
    }

    pub(super) fn is_of_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// Tells each of the others.
    pub(super) fn tell(self, answer: impl Fn(&TargetName) -> T) {
        for Waiting { target, tell, .. } in self.others {
            // Who has gone needs no answer.
            let _ = tell.send(Some(answer(&target)));
        }
    }

    /// It did not succeed: all ask for themselves, those who wait for the next turn too. Of a server that hangs nobody waits for
    /// the patience of one group after the other.
    pub(super) fn give_up(self) {
        let waiting = mem::take(&mut *lock(&self.seat.asked.waiting));
        for Waiting { tell, .. } in self.others.into_iter().chain(waiting) {
            let _ = tell.send(None);
        }
    }
}

impl<T> Together<T> {
    /// Waits until another has asked, or it is one's turn. A group holds at most so much weight, or one target.
    pub(super) async fn ask(
        &self,
        question: Question,
        target: &TargetName,
        weight: u64,
        most: u64,
    ) -> Turn<'_, T> {
        let seat = Seat::take(self, question);
        loop {
            let (tell, mut told) = oneshot::channel();
            lock(&seat.asked.waiting).push(Waiting { target: target.clone(), weight, tell });
            let turn = tokio::select! {
                biased;
                answer = &mut told => match answer {
                    Ok(answer) => return Turn::Told(answer),
                    // Who asked for it was stopped.
                    Err(_) => continue,
                },
                turn = Arc::clone(&seat.asked.turn).lock_owned() => turn,
            };
            if let Ok(answer) = told.try_recv() {
                return Turn::Told(answer);
            }
            drop(told);
            let others = seat.asked.take(most.saturating_sub(weight));
            return Turn::Mine(Group { target: target.clone(), others, _turn: turn, seat });
        }
    }
}

impl<T> Asked<T> {
    /// As many of those who wait as fit; who has gone is forgotten.
    fn take(&self, mut room: u64) -> Vec<Waiting<T>> {
        let mut waiting = lock(&self.waiting);
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for one in mem::take(&mut *waiting).into_iter().filter(|it| !it.tell.is_closed()) {
            match room.checked_sub(one.weight).filter(|_| taken.len() + 1 < TARGETS_MOST) {
                Some(rest) => {
                    room = rest;
                    taken.push(one);
                }
                None => left.push(one),
            }
        }
        *waiting = left;
        taken
    }
}

/// A part in a question; the last one to leave takes it away.
struct Seat<'a, T> {
    together: &'a Together<T>,
    question: Question,
    asked: Arc<Asked<T>>,
}

impl<'a, T> Seat<'a, T> {
    fn take(together: &'a Together<T>, question: Question) -> Self {
        let nobody = || Arc::new(Asked { waiting: Mutex::default(), turn: Arc::default() });
        let asked = Arc::clone(lock(&together.asked).entry(question.clone()).or_insert_with(nobody));
        Self { together, question, asked }
    }
}

impl<T> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        let mut all = lock(&self.together.asked);
        // Its own, and that of the map.
        if Arc::strong_count(&self.asked) == 2 {
            all.remove(&self.question);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn name(number: usize) -> TargetName {
        TargetName::parse(&format!("t{number}")).unwrap()
    }

    fn question() -> Question {
        ("x".to_owned(), Timestamp::from_millis(0))
    }

    /// One more step of what waits.
    fn step<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(it) => Some(it),
            Poll::Pending => None,
        }
    }

    fn mine<'a>(turn: Option<Turn<'a, usize>>) -> Group<'a, usize> {
        match turn {
            Some(Turn::Mine(group)) => group,
            Some(Turn::Told(answer)) => panic!("told {answer:?}"),
            None => panic!("not yet"),
        }
    }

    fn told(turn: Option<&Turn<'_, usize>>) -> Option<usize> {
        match turn {
            Some(Turn::Told(answer)) => *answer,
            Some(Turn::Mine(_)) => panic!("has to ask"),
            None => panic!("not yet"),
        }
    }

    /// TE-5: whoever comes while one asks is asked for together, up to a weight; each is told of its own.
    #[test]
    fn those_who_wait_are_asked_for_at_once() {
        let together = Together::default();
        let names: Vec<TargetName> = (0..4).map(name).collect();
        let ask = |at: usize| together.ask(question(), &names[at], 4, 10);
        let group = mine(step(pin!(ask(0))));
        let (mut one, mut two, mut three) = (pin!(ask(1)), pin!(ask(2)), pin!(ask(3)));
        for waits in [one.as_mut(), two.as_mut(), three.as_mut()] {
            assert!(step(waits).is_none());
        }
        assert!(!group.is_of_several());
        drop(group);
        let group = mine(step(one));
        assert_eq!(group.targets().map(TargetName::as_str).collect::<Vec<_>>(), ["t1", "t2"]);
        assert!(step(three.as_mut()).is_none());
        group.tell(|target| target.as_str().len());
        assert_eq!(told(step(two).as_ref()), Some(2));
        let group = mine(step(three));
        let mut late = pin!(ask(0));
        assert!(step(late.as_mut()).is_none());
        group.give_up();
        assert_eq!(told(step(late).as_ref()), None);
        assert!(lock(&together.asked).is_empty());
    }

    /// TE-5: nobody waits for one who was stopped, and nobody asks for one who has gone.
    #[test]
    fn who_was_stopped_is_in_nobody_s_way() {
        let together = Together::default();
        let names: Vec<TargetName> = (0..4).map(name).collect();
        let ask = |at: usize| together.ask(question(), &names[at], 0, 0);
        let group = mine(step(pin!(ask(0))));
        let (mut one, mut two) = (Box::pin(ask(1)), pin!(ask(2)));
        let mut gone = Box::pin(ask(3));
        assert!(
            step(one.as_mut()).is_none() && step(two.as_mut()).is_none() && step(gone.as_mut()).is_none()
        );
        drop(gone);
        drop(group);
        let group = mine(step(one.as_mut()));
        assert_eq!(group.targets().count(), 2);
        drop(group);
        let group = mine(step(two.as_mut()));
        assert_eq!(group.targets().count(), 1);
        drop(group);
        drop(one);
        assert!(lock(&together.asked).is_empty());
    }
}
