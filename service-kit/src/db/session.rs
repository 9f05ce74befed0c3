//! A connection out of the pool, which looks at how each of its statements ends: what made it useless keeps it from going back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures_util::future::{BoxFuture, FutureExt as _, TryFutureExt as _};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::any::{AnyQueryResult, AnyRow, AnyStatement, AnyTransactionManager, AnyTypeInfo};
use sqlx::{Any, AnyConnection, Either, Error, Execute, Executor, SqlSafeStr as _, SqlStr};
use sqlx_core::transaction::TransactionManager as _;
use tokio::sync::OwnedSemaphorePermit;

use super::vitals::Vitals;
use super::warm::{Lent, Warm};
use super::{Cause, rows_of_places};

/// An executor of sqlx, by `&mut`. Dropped within a transaction it rolls back.
#[derive(Debug)]
pub struct Session {
    /// Always there, until it is dropped.
    lent: Option<Lent>,
    in_transaction: bool,
    marks: Marks,
    warm: Arc<Warm>,
    // Declared last: given back when the connection is.
    _permit: OwnedSemaphorePermit,
}

/// What the session's statements left behind.
#[derive(Debug)]
struct Marks {
    vitals: Arc<Vitals>,
    /// In memory the connection is the database: it stays whatever happens.
    replaceable: bool,
    spoiled: AtomicBool,
    /// A statement was begun whose end nobody has seen.
    under_way: AtomicBool,
}

impl Marks {
    fn note(&self, error: &Error) {
        if let Some(cause) = Cause::of(error) {
            self.spoiled.fetch_or(self.replaceable && cause.spoils(), Ordering::Relaxed);
            self.vitals.failed(cause, &told(error));
        }
    }

    fn begun(&self) {
        self.under_way.store(true, Ordering::Relaxed);
    }

    fn ended(&self) {
        self.under_way.store(false, Ordering::Relaxed);
    }
}

/// The inner text is the useful one ("Connection refused"); none of these texts holds a URL.
pub(super) fn told(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    }
}

impl Session {
    pub(super) fn new(
        lent: Lent,
        permit: OwnedSemaphorePermit,
        warm: Arc<Warm>,
        vitals: Arc<Vitals>,
        replaceable: bool,
    ) -> Self {
        let (spoiled, under_way) = (AtomicBool::new(false), AtomicBool::new(false));
        let marks = Marks { vitals, replaceable, spoiled, under_way };
        Self { lent: Some(lent), in_transaction: false, marks, warm, _permit: permit }
    }

    /// [`rows_of_places`] of a statement that has no others. On SQLite without numbers: there a number is a name, which is looked up
    /// among all before it.
    #[must_use]
    pub fn rows_of_places(&self, rows: usize, columns: usize) -> String {
        match self.lent.as_ref().is_some_and(|lent| lent.connection.backend_name() == "SQLite") {
            true => vec![format!("({})", vec!["?"; columns].join(", ")); rows].join(", "),
            false => rows_of_places(rows, columns),
        }
    }

    /// The connection itself, unwatched.
    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        self.parts().0
    }

    fn parts(&mut self) -> (&mut AnyConnection, &Marks) {
        let Some(lent) = &mut self.lent else { unreachable!("only a drop takes it") };
        (&mut lent.connection, &self.marks)
    }

    /// Begins a transaction by `statement`.
    pub(super) async fn begin(&mut self, statement: &'static str) -> Result<(), Error> {
        // Set before: a BEGIN that was given up may have been done.
        self.in_transaction = true;
        let (connection, marks) = self.parts();
        let begun = AnyTransactionManager::begin(connection, Some(statement.into_sql_str())).await;
        begun.inspect_err(|error| marks.note(error))
    }

    /// Makes the transaction durable.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        let (connection, marks) = self.parts();
        let committed = AnyTransactionManager::commit(connection).await;
        committed.inspect_err(|error| marks.note(error))?;
        self.in_transaction = false;
        self.marks.vitals.stored();
        Ok(())
    }

    /// Undoes the transaction.
    pub(super) async fn rollback(mut self) -> Result<(), Error> {
        let (connection, marks) = self.parts();
        let undone = AnyTransactionManager::rollback(connection).await;
        undone.inspect_err(|error| marks.note(error))?;
        self.in_transaction = false;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut lent) = self.lent.take() else { return };
        let spoiled = *self.marks.spoiled.get_mut();
        let in_order = !(self.in_transaction || spoiled || *self.marks.under_way.get_mut());
        // Of a database in memory the pool keeps hold itself.
        if in_order && self.marks.replaceable {
            self.warm.give_back(lent);
            return;
        }
        if self.in_transaction {
            AnyTransactionManager::start_rollback(&mut lent.connection);
        }
        if spoiled {
            lent.connection.close_on_drop();
        }
    }
}

impl<'c> Executor<'c> for &'c mut Session {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let (connection, marks) = self.parts();
        marks.begun();
        let end = stream::poll_fn(|_| {
            marks.ended();
            Poll::Ready(None)
        });
        connection.fetch_many(query).inspect_err(|error| marks.note(error)).chain(end).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let (connection, marks) = self.parts();
        marks.begun();
        let found = connection.fetch_optional(query).inspect_ok(|_| marks.ended());
        found.inspect_err(|error| marks.note(error)).boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, Result<AnyStatement, Error>>
    where
        'c: 'e,
    {
        let (connection, marks) = self.parts();
        marks.begun();
        let prepared = connection.prepare_with(sql, parameters).inspect_ok(|_| marks.ended());
        prepared.inspect_err(|error| marks.note(error)).boxed()
    }
}
