//! A connection out of the pool, which looks at how each of its statements ends: what made it useless keeps it from going back.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _, TryFutureExt as _};
use futures_util::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::any::{AnyQueryResult, AnyRow, AnyStatement, AnyTransactionManager, AnyTypeInfo};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, Either, Error, Execute, Executor, SqlSafeStr as _, SqlStr};
use sqlx_core::transaction::TransactionManager as _;

use super::Cause;
use super::vitals::Vitals;

/// An executor of sqlx, by `&mut`. Dropped within a transaction it rolls back.
#[derive(Debug)]
pub struct Session {
    connection: PoolConnection<Any>,
    in_transaction: bool,
    marks: Marks,
}

/// What the session's statements left behind.
#[derive(Debug)]
struct Marks {
    vitals: Arc<Vitals>,
    /// In memory the connection is the database: it stays whatever happens.
    replaceable: bool,
    spoiled: bool,
}

impl Marks {
    fn note(&mut self, error: &Error) {
        if let Some(cause) = Cause::of(error) {
            self.spoiled |= self.replaceable && cause.spoils();
            self.vitals.failed(cause, &told(error));
        }
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
    pub(super) fn new(connection: PoolConnection<Any>, vitals: Arc<Vitals>, replaceable: bool) -> Self {
        Self { connection, in_transaction: false, marks: Marks { vitals, replaceable, spoiled: false } }
    }

    /// The connection itself, unwatched.
    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }

    /// Begins a transaction by `statement`.
    pub(super) async fn begin(&mut self, statement: &'static str) -> Result<(), Error> {
        // Set before: a BEGIN that was given up may have been done.
        self.in_transaction = true;
        let begun = AnyTransactionManager::begin(&mut self.connection, Some(statement.into_sql_str())).await;
        begun.inspect_err(|error| self.marks.note(error))
    }

    /// Makes the transaction durable.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        let committed = AnyTransactionManager::commit(&mut self.connection).await;
        committed.inspect_err(|error| self.marks.note(error))?;
        self.in_transaction = false;
        self.marks.vitals.stored();
        Ok(())
    }

    /// Undoes the transaction.
    pub(super) async fn rollback(mut self) -> Result<(), Error> {
        let undone = AnyTransactionManager::rollback(&mut self.connection).await;
        undone.inspect_err(|error| self.marks.note(error))?;
        self.in_transaction = false;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.in_transaction {
            AnyTransactionManager::start_rollback(&mut self.connection);
        }
        if self.marks.spoiled {
            self.connection.close_on_drop();
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
        let Session { connection, marks, .. } = self;
        (**connection).fetch_many(query).inspect_err(|error| marks.note(error)).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let Session { connection, marks, .. } = self;
        (**connection).fetch_optional(query).inspect_err(|error| marks.note(error)).boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, Result<AnyStatement, Error>>
    where
        'c: 'e,
    {
        let Session { connection, marks, .. } = self;
        (**connection).prepare_with(sql, parameters).inspect_err(|error| marks.note(error)).boxed()
    }
}
