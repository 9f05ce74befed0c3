//! One transaction for pieces of work that are there at the same time: each is done by whoever brought it, one after the other,
//! and one commit makes all of them durable. Alone, a piece of work costs what its own transaction would.
//!
//! Whoever has done its part leaves the transaction and queues again behind those who wait; the first of them to have the
//! turn back commits for all. So nobody waits longer than the work of those before took.

use std::collections::BTreeSet;
use std::fmt;

use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use super::pool::{ANSWER_WITHIN, PATIENCE};
use super::{DbError, Tx};

/// So many pieces of work share a transaction at most, so that no commit grows without end.
pub const MOST_TOGETHER: usize = 128;

/// See the module.
#[derive(Default)]
pub(super) struct Group(Mutex<Option<Open>>);

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").finish_non_exhaustive()
    }
}

/// Dropped with its transaction, which is undone then; whoever waits for it learns that by the sender's end.
struct Open {
    tx: Tx<'static>,
    /// What the work is about.
    members: BTreeSet<String>,
    committed: watch::Sender<bool>,
}

/// Who else works in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    None,
    /// Whoever waits for a row here may make somebody wait who holds that row.
    Others,
}

/// What a piece of work has done in a transaction that it may share.
#[derive(Debug)]
pub enum Done<T> {
    /// It is to be committed.
    Written(T),
    /// It is to be committed, and no other work may follow in the transaction.
    Last(T),
    /// There is nothing to commit.
    Nothing(T),
    /// Nothing: it cannot be done here without waiting for somebody else.
    Elsewhere,
    /// What was written has to be undone.
    Undo,
}

impl Group {
    /// Does `work` in a transaction with others, by `begin` if there is none, of which none is about the same: a row that is put
    /// in by the commit ([`Tx::insert`]) is not seen before. None: it has to be done in a transaction of its own; nothing of it
    /// is committed then, or it is recognised as done before.
    ///
    /// # Errors
    /// The database's, of its own work; [`DbError::Unanswered`] where those who share its transaction do not come to an end.
    pub(super) async fn join<T, F>(
        &self,
        begin: impl Future<Output = Result<Tx<'static>, DbError>>,
        about: &str,
        work: impl FnOnce(Tx<'static>) -> F,
    ) -> Result<Option<T>, DbError>
    where
        F: Future<Output = Result<(Tx<'static>, Done<T>), DbError>>,
    {
        // Whoever has the turn may be held up, by a row or by a lost path: then a transaction of its own is sooner.
        let Ok(mut turn) = timeout(PATIENCE, self.0.lock()).await else { return Ok(None) };
        let Open { tx, mut members, committed } = match turn.take() {
            Some(open) if open.members.len() < MOST_TOGETHER && !open.members.contains(about) => open,
            full => {
                if let Some(full) = full {
                    full.commit().await.ok();
                }
                let committed = watch::Sender::new(false);
                Open { tx: begin.await?, members: BTreeSet::new(), committed }
            }
        };
        let (tx, done) = match work(tx).await {
            Ok(done) => done,
            Err(error) if members.is_empty() => return Err(error),
            // Perhaps it met what others hold.
            Err(_) => return Ok(None),
        };
        let (answer, last) = match done {
            Done::Written(answer) => (answer, false),
            Done::Last(answer) => (answer, true),
            Done::Undo => return Ok(None),
            Done::Nothing(answer) => {
                *turn = Open { tx, members, committed }.of_others();
                return Ok(Some(answer));
            }
            Done::Elsewhere => {
                *turn = Open { tx, members, committed }.of_others();
                return Ok(None);
            }
        };
        members.insert(about.to_owned());
        let mut waiting = Waiting { group: self, told: committed.subscribe() };
        let open = Open { tx, members, committed };
        let committed = if last {
            open.commit().await?
        } else {
            *turn = Some(open);
            drop(turn);
            timeout(ANSWER_WITHIN, waiting.committed()).await.unwrap_or(Err(DbError::Unanswered))?
        };
        Ok(committed.then_some(answer))
    }
}

/// Who has done its part. When the last one is gone before the commit, the transaction is undone: nobody else would.
struct Waiting<'g> {
    group: &'g Group,
    told: watch::Receiver<bool>,
}

impl Waiting<'_> {
    /// Whether it is committed: by whoever had the turn first, or now.
    async fn committed(&mut self) -> Result<bool, DbError> {
        let mut turn = tokio::select! {
            biased;
            told = self.told.wait_for(|it| *it) => return Ok(told.is_ok()),
            turn = self.group.0.lock() => turn,
        };
        match turn.take_if(|open| self.is_in(open)) {
            Some(open) => open.commit().await,
            None => Ok(*self.told.borrow()),
        }
    }

    fn is_in(&self, open: &Open) -> bool {
        open.committed.subscribe().same_channel(&self.told)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // Whoever has the turn commits, or leaves it to others.
        let Ok(mut turn) = self.group.0.try_lock() else { return };
        drop(turn.take_if(|open| open.committed.receiver_count() == 1 && self.is_in(open)));
    }
}

impl Open {
    /// What others have written is theirs to commit.
    fn of_others(self) -> Option<Self> {
        Some(self).filter(|open| !open.members.is_empty())
    }

    /// False: one of them may be to blame, or not be as it was taken to be, so that each is to be done alone.
    async fn commit(self) -> Result<bool, DbError> {
        let Self { tx, members, committed } = self;
        match tx.commit().await {
            Ok(()) => {
                committed.send_replace(true);
                Ok(true)
            }
            Err(error) if members.len() == 1 && error.is_unavailable() && !matches!(error, DbError::Busy) => {
                Err(error)
            }
            Err(_) => Ok(false),
        }
    }
}
