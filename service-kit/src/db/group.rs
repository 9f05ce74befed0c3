//! One transaction for pieces of work that are there at the same time: each is done by whoever brought it, one after the other,
//! and one commit makes all of them durable. Alone, a piece of work costs what its own transaction would.
//!
//! Whoever has done its part leaves the transaction and queues again behind those who wait; the first of them to have the
//! turn back commits for all. So nobody waits longer than the work of those before took.

use std::collections::BTreeSet;
use std::fmt;

use tokio::sync::{Mutex, watch};

use super::{DbError, Tx};

/// So that no commit grows without end.
const MOST: usize = 64;

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
    /// Does `work` in a transaction with others, by `begin` if there is none, of which none is about the same: a row that is put in by the commit
    /// ([`Tx::insert`]) is not seen before. None: it has to be done in a transaction of its own; nothing of it is committed
    /// then, or it is recognised as done before.
    ///
    /// # Errors
    /// The database's, of its own work.
    pub(super) async fn join<T, F>(
        &self,
        begin: impl Future<Output = Result<Tx<'static>, DbError>>,
        about: &str,
        work: impl FnOnce(Tx<'static>) -> F,
    ) -> Result<Option<T>, DbError>
    where
        F: Future<Output = Result<(Tx<'static>, Done<T>), DbError>>,
    {
        let mut turn = self.0.lock().await;
        let Open { tx, mut members, committed } = match turn.take() {
            Some(open) if open.members.len() < MOST && !open.members.contains(about) => open,
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
            Done::Written(answer) => (Some(answer), false),
            Done::Last(answer) => (Some(answer), true),
            Done::Undo => return Ok(None),
            Done::Nothing(_) | Done::Elsewhere => {
                // What others have written is theirs to commit.
                *turn = (!members.is_empty()).then_some(Open { tx, members, committed });
                return Ok(done.nothing());
            }
        };
        members.insert(about.to_owned());
        let mut waiting = Waiting { group: self, told: committed.subscribe() };
        let alone = members.len() == 1;
        let open = Open { tx, members, committed };
        if last {
            return match open.commit().await {
                Ok(()) => Ok(answer),
                Err(error) if alone => Err(error),
                Err(_) => Ok(None),
            };
        }
        *turn = Some(open);
        drop(turn);
        let turn = tokio::select! {
            biased;
            told = waiting.told.wait_for(|it| *it) => return Ok(answer.filter(|_| told.is_ok())),
            turn = self.0.lock() => turn,
        };
        let committed = self.commit_left(turn, &waiting.told).await?;
        Ok(answer.filter(|_| committed))
    }

    /// By the first that has the turn back. Whether it is committed.
    async fn commit_left(
        &self,
        mut turn: tokio::sync::MutexGuard<'_, Option<Open>>,
        committed: &watch::Receiver<bool>,
    ) -> Result<bool, DbError> {
        let is_mine = |open: &Open| open.committed.subscribe().same_channel(committed);
        let Some(open) = turn.take_if(|open| is_mine(open)) else { return Ok(*committed.borrow()) };
        let alone = open.members.len() == 1;
        match open.commit().await {
            Ok(()) => Ok(true),
            Err(error) if alone => Err(error),
            // One of them may be to blame: each is done alone.
            Err(_) => Ok(false),
        }
    }
}

/// Who has done its part. When the last one is gone before the commit, the transaction is undone: nobody else would.
struct Waiting<'g> {
    group: &'g Group,
    told: watch::Receiver<bool>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // Whoever has the turn commits, or leaves it to others.
        let Ok(mut turn) = self.group.0.try_lock() else { return };
        let is_last = |open: &mut Open| {
            open.committed.receiver_count() == 1 && open.committed.subscribe().same_channel(&self.told)
        };
        drop(turn.take_if(is_last));
    }
}

impl<T> Done<T> {
    /// What is said where nothing was written.
    fn nothing(self) -> Option<T> {
        match self {
            Self::Nothing(answer) => Some(answer),
            _ => None,
        }
    }
}

impl Open {
    async fn commit(self) -> Result<(), DbError> {
        let Self { tx, committed, .. } = self;
        tx.commit().await?;
        committed.send_replace(true);
        Ok(())
    }
}
