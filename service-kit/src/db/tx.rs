//! A write transaction that also keeps the outbox's lanes in step.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shared_types::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use super::writes::{Statement, Turn, Value, Writes};
use super::{Boundary, DbError, Probe, Session};
use crate::forms::Forms;
use crate::outbox::handover::Handover;
use crate::outbox::lane;
use crate::outbox::outgoing::{Outgoing, put};

/// By type.
#[derive(Default)]
struct Memory(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// Who is told of a commit.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) handover: Arc<Handover>,
    pub(super) commits: Arc<AtomicU64>,
}

/// A write transaction on either engine: `sqlx::query(…).execute(&mut **tx)` with `tx: &mut Tx<'_>`. Dropped without
/// [`Tx::commit`] it leaves nothing behind.
#[derive(Debug)]
pub struct Tx<'c> {
    inner: Session,
    /// Lanes of the outbox this transaction changed. Ordered: all transactions lock lanes in the same order, and only
    /// while they commit, so that lanes never deadlock and are never held up by a slow transaction. Where an attempt has
    /// ended: until when the lane rests.
    lanes: BTreeMap<String, Option<Timestamp>>,
    /// Rows for the outbox, in their order.
    outgoing: Vec<Outgoing>,
    writes: Writes,
    memory: Memory,
    told: Told,
    probe: Option<Arc<dyn Probe>>,
    forms: Forms,
    // Declared after it: the turn to write is given back after the transaction has ended.
    turn: Option<OwnedSemaphorePermit>,
    /// Whoever is lent one sees that it ends.
    lent: PhantomData<&'c mut ()>,
}

impl Tx<'_> {
    pub(super) fn new(
        inner: Session,
        turn: Option<OwnedSemaphorePermit>,
        told: Told,
        probe: Option<Arc<dyn Probe>>,
        forms: Forms,
    ) -> Self {
        Self {
            inner,
            lanes: BTreeMap::new(),
            outgoing: Vec::new(),
            writes: Writes::default(),
            memory: Memory::default(),
            told,
            probe,
            forms,
            turn,
            lent: PhantomData,
        }
    }

    /// Makes it all durable, and hands what can be done at once to the outbox's worker, or wakes it.
    ///
    /// # Errors
    /// The database's. If the connection broke while the answer was awaited it may be committed all the same.
    pub async fn commit(mut self) -> Result<(), DbError> {
        let crew = self.told.handover.crew();
        std::mem::take(&mut self.writes).put(&mut self.inner).await?;
        let outgoing = std::mem::take(&mut self.outgoing);
        let touched: Vec<lane::Touched<'_>> =
            self.lanes.iter().map(|(lane, rests)| (lane.as_str(), *rests)).collect();
        let standings = lane::lock(&mut self.inner, &touched).await?;
        let begun = put(&mut self.inner, &outgoing, standings, crew.as_deref()).await?;
        let names: Vec<&str> = touched.iter().map(|(lane, _)| *lane).collect();
        let earliest = lane::refresh(&mut self.inner, &names).await?;
        // What is named last is dropped first: the turn to write is given back after the transaction has ended.
        let Self { turn, probe, told, inner, .. } = self;
        if let Some(probe) = &probe {
            probe.at(Boundary::Commit).await?;
        }
        inner.commit().await?;
        drop(turn);
        told.commits.fetch_add(1, Ordering::Relaxed);
        if let Some(crew) = &crew {
            begun.into_iter().for_each(|it| crew.begin(it));
        }
        told.handover.committed(crew.as_deref(), earliest);
        match probe {
            Some(probe) => probe.at(Boundary::Committed).await,
            None => Ok(()),
        }
    }

    /// Undoes it all now, rather than when the connection is used next.
    ///
    /// # Errors
    /// The database's; it is undone in any case.
    pub async fn rollback(self) -> Result<(), DbError> {
        Ok(self.inner.rollback().await?)
    }

    /// In which form documents are kept, and how they are read.
    #[must_use]
    pub fn forms(&self) -> &Forms {
        &self.forms
    }

    /// Puts a row into a table at the commit, with all others of that table by one statement. Until then the transaction's own
    /// statements do not see it.
    pub fn insert(&mut self, table: &'static str, columns: &'static [&'static str], row: Vec<Value>) {
        self.writes.add(Turn::Then, Statement::Insert { table, columns, conflict: "" }, row);
    }

    /// As [`Self::insert`], before the rows that may refer to it.
    pub fn insert_first(&mut self, table: &'static str, columns: &'static [&'static str], row: Vec<Value>) {
        self.writes.add(Turn::First, Statement::Insert { table, columns, conflict: "" }, row);
    }

    /// As [`Self::insert_first`], with what follows the rows: `ON CONFLICT …`. A transaction names each row once. Where one is
    /// there and `conflict` leaves it as it is, the commit fails with [`DbError::Busy`].
    pub fn upsert(
        &mut self,
        table: &'static str,
        columns: &'static [&'static str],
        row: Vec<Value>,
        conflict: &'static str,
    ) {
        self.writes.add(Turn::First, Statement::Insert { table, columns, conflict }, row);
    }

    /// As [`Self::upsert`], in place of what the transaction has said before of a row with the same first column.
    pub fn upsert_last(
        &mut self,
        table: &'static str,
        columns: &'static [&'static str],
        row: Vec<Value>,
        conflict: &'static str,
    ) {
        self.writes.replace(Turn::First, Statement::Insert { table, columns, conflict }, row);
    }

    /// As [`Self::insert`], unless it is there.
    pub fn insert_if_new(&mut self, table: &'static str, columns: &'static [&'static str], row: Vec<Value>) {
        let conflict = "ON CONFLICT DO NOTHING";
        self.writes.add_if(Turn::Then, Statement::Insert { table, columns, conflict }, row);
    }

    /// Changes a row at the commit, with all others that `sql` changes: `UPDATE … FROM (VALUES {rows}) AS v WHERE …`, where the
    /// values of a row are `v.column1` and so on. Where `sql` does not find a row, the commit fails with [`DbError::Busy`].
    pub fn update(&mut self, sql: &'static str, row: Vec<Value>) {
        self.writes.add(Turn::Then, Statement::Update { sql, columns: row.len() }, row);
    }

    /// As [`Self::update`], where the row may be gone.
    pub fn update_if_there(&mut self, sql: &'static str, row: Vec<Value>) {
        self.writes.add_if(Turn::Then, Statement::Update { sql, columns: row.len() }, row);
    }

    /// What the work of this transaction has to know of what was done in it, and cannot ask the database; gone with it.
    pub fn memory<T: Any + Default + Send + Sync>(&mut self) -> &mut T {
        let kept = self.memory.0.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(T::default()));
        let Some(kept) = kept.downcast_mut() else { unreachable!("kept under its type") };
        kept
    }

    /// Keeps a row until the commit.
    pub(crate) fn send(&mut self, row: Outgoing) {
        self.touch_lane(&row.lane);
        self.outgoing.push(row);
    }

    /// Whether the worker of this process has room for a row of that lane: it is then leased by the commit, and begun as soon as it
    /// is its turn, unless another one is faster or stands before it.
    #[must_use]
    pub fn has_room(&self, lane: &str) -> bool {
        self.told.handover.crew().is_some_and(|crew| crew.has_room(lane))
    }

    /// Marks a lane whose rows changed.
    pub(crate) fn touch_lane(&mut self, lane: &str) {
        if !self.lanes.contains_key(lane) {
            self.lanes.insert(lane.to_owned(), None);
        }
    }

    /// Marks a lane that nothing more is sent in before that time.
    pub(crate) fn rest_lane(&mut self, lane: &str, until: Timestamp) {
        self.lanes.insert(lane.to_owned(), Some(until));
    }
}

impl Deref for Tx<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.inner
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.inner
    }
}
