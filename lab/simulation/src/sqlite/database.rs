//! What sqlx wants to know of a database before it hands out its connections. Rows, columns and arguments go by those of
//! `sqlx::Any` alone.

use std::str::FromStr;
use std::time::Duration;

use sqlx_core::Error;
use sqlx_core::any::AnyConnectOptions;
use sqlx_core::arguments::Arguments;
use sqlx_core::connection::ConnectOptions;
use sqlx_core::database::Database;
use sqlx_core::encode::Encode;
use sqlx_core::error::BoxDynError;
use sqlx_core::sql_str::SqlStr;
use sqlx_core::transaction::TransactionManager;
use sqlx_core::types::Type;
use sqlx_core::url::Url;

use super::connection::Inline;
use super::never::Never;

/// The database.
#[derive(Debug)]
pub(super) struct InThread;

impl Database for InThread {
    type Connection = Inline;
    type TransactionManager = Transactions;
    type Row = Never;
    type QueryResult = NoResult;
    type Column = Never;
    type TypeInfo = Never;
    type Value = Never;
    type ValueRef<'r> = Never;
    type Arguments = NoArguments;
    type ArgumentBuffer = ();
    type Statement = Never;

    const NAME: &'static str = "SQLite";
    const URL_SCHEMES: &'static [&'static str] = &["sqlite"];
}

/// In memory, always.
#[derive(Debug, Clone)]
pub(super) struct InMemory;

impl FromStr for InMemory {
    type Err = Error;

    fn from_str(_: &str) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl TryFrom<&AnyConnectOptions> for InMemory {
    type Error = Error;

    fn try_from(options: &AnyConnectOptions) -> Result<Self, Error> {
        Self::from_url(&options.database_url)
    }
}

impl ConnectOptions for InMemory {
    type Connection = Inline;

    fn from_url(url: &Url) -> Result<Self, Error> {
        match url.as_str() {
            "sqlite::memory:" => Ok(Self),
            other => Err(Error::Configuration(format!("{other} is not in memory").into())),
        }
    }

    async fn connect(&self) -> Result<Inline, Error> {
        Inline::open()
    }

    fn log_statements(self, _: log::LevelFilter) -> Self {
        self
    }

    fn log_slow_statements(self, _: log::LevelFilter, _: Duration) -> Self {
        self
    }
}

/// What a transaction of sqlx's calls.
pub(super) struct Transactions;

impl TransactionManager for Transactions {
    type Database = InThread;

    async fn begin(connection: &mut Inline, statement: Option<SqlStr>) -> Result<(), Error> {
        connection.begin_now(statement.is_some())
    }

    async fn commit(connection: &mut Inline) -> Result<(), Error> {
        connection.commit_now()
    }

    async fn rollback(connection: &mut Inline) -> Result<(), Error> {
        connection.rollback_now()
    }

    fn start_rollback(connection: &mut Inline) {
        connection.rollback_now().ok();
    }

    fn get_transaction_depth(connection: &Inline) -> usize {
        connection.depth()
    }
}

/// Results are those of `sqlx::Any`.
#[derive(Debug, Default)]
pub(super) struct NoResult;

impl Extend<Self> for NoResult {
    fn extend<I: IntoIterator<Item = Self>>(&mut self, _: I) {}
}

/// So are arguments.
#[derive(Debug, Default)]
pub(super) struct NoArguments;

impl Arguments for NoArguments {
    type Database = InThread;

    fn reserve(&mut self, _: usize, _: usize) {}

    fn add<'t, T: Encode<'t, InThread> + Type<InThread>>(&mut self, _: T) -> Result<(), BoxDynError> {
        Err("arguments go by those of `Any`".into())
    }

    fn len(&self) -> usize {
        0
    }
}
