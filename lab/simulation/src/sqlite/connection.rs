//! A database in memory, and its statements, run where they are asked for.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection as Sqlite, Rows, Statement};
use sqlx_core::any::{
    AnyArguments, AnyColumn, AnyConnectionBackend, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo,
    AnyTypeInfoKind, AnyValue, AnyValueKind,
};
use sqlx_core::connection::Connection;
use sqlx_core::ext::ustr::UStr;
use sqlx_core::migrate::{AppliedMigration, Migrate, MigrateError, Migration};
use sqlx_core::sql_str::SqlStr;
use sqlx_core::transaction::{
    Transaction, begin_ansi_transaction_sql, commit_ansi_transaction_sql, rollback_ansi_transaction_sql,
};
use sqlx_core::{Either, Error, Result};

use super::database::{InMemory, InThread};
use super::error::told;

/// Statements that are kept prepared: more than the services have.
const PREPARED: usize = 1_000;

/// See the module.
pub(super) struct Inline {
    sqlite: Sqlite,
    depth: usize,
    shapes: HashMap<String, Arc<Shape>>,
}

/// What a statement takes and gives.
struct Shape {
    /// For each of its parameters, which argument it is, from 0.
    arguments: Vec<usize>,
    columns: Vec<AnyColumn>,
    names: Arc<sqlx_core::HashMap<UStr, usize>>,
}

type Step = Either<AnyQueryResult, AnyRow>;

impl fmt::Debug for Inline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inline")
    }
}

impl Inline {
    pub(super) fn open() -> Result<Self> {
        let sqlite = Sqlite::open_in_memory().map_err(told)?;
        sqlite.set_prepared_statement_cache_capacity(PREPARED);
        // Else a statement is prepared anew whenever an argument differs that a partial index could go by.
        sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(told)?;
        Ok(Self { sqlite, depth: 0, shapes: HashMap::new() })
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Always a savepoint, whatever statement it is asked for by: nobody else has the database, and a transaction may be
    /// open around all of them, so that a run can be taken back whole. `outermost`: it must not be within another.
    pub(super) fn begin_now(&mut self, outermost: bool) -> Result<()> {
        if outermost && self.depth > 0 {
            return Err(Error::InvalidSavePointStatement);
        }
        self.depth += 1;
        self.control(&begin_ansi_transaction_sql(self.depth))
    }

    pub(super) fn commit_now(&mut self) -> Result<()> {
        if self.depth == 0 {
            return Ok(());
        }
        self.control(&commit_ansi_transaction_sql(self.depth + 1))?;
        self.depth -= 1;
        Ok(())
    }

    pub(super) fn rollback_now(&mut self) -> Result<()> {
        if self.depth == 0 {
            return Ok(());
        }
        self.control(&rollback_ansi_transaction_sql(self.depth + 1))?;
        self.commit_now()
    }

    fn control(&self, sql: &SqlStr) -> Result<()> {
        self.sqlite.prepare_cached(sql.as_str()).and_then(|mut it| it.raw_execute()).map_err(told)?;
        Ok(())
    }

    /// Any number of statements, without arguments, whose rows nobody wants.
    fn batch(&self, sql: &str) -> Result<()> {
        self.sqlite.execute_batch(sql).map_err(told)
    }

    /// The rows, `limit` of them at most, and what was changed.
    fn run(&mut self, sql: &str, arguments: Option<&AnyArguments>, limit: usize) -> Result<Vec<Step>> {
        let Some(arguments) = arguments else {
            self.batch(sql)?;
            return Ok(vec![Either::Left(self.changed())]);
        };
        let mut statement = self.sqlite.prepare_cached(sql).map_err(told)?;
        let shape = match self.shapes.get(sql) {
            Some(shape) => Arc::clone(shape),
            None => {
                let shape = Arc::new(Shape::of(&statement));
                self.shapes.insert(sql.to_owned(), Arc::clone(&shape));
                shape
            }
        };
        for (position, argument) in shape.arguments.iter().enumerate() {
            let value = arguments.values.0.get(*argument).map_or(ToSqlOutput::Owned(Value::Null), bound);
            statement.raw_bind_parameter(position + 1, value).map_err(told)?;
        }
        let mut steps = Vec::new();
        let mut rows = statement.raw_query();
        while steps.len() < limit {
            match read(&mut rows, &shape)? {
                Some(row) => steps.push(Either::Right(row)),
                None => break,
            }
        }
        drop(rows);
        drop(statement);
        steps.push(Either::Left(self.changed()));
        Ok(steps)
    }

    fn changed(&self) -> AnyQueryResult {
        AnyQueryResult { rows_affected: self.sqlite.changes(), last_insert_id: None }
    }
}

impl Shape {
    fn of(statement: &Statement<'_>) -> Self {
        let number = |position: usize| {
            let name = statement.parameter_name(position);
            let number = name.and_then(|name| name.strip_prefix(['$', '?'])?.parse::<usize>().ok());
            number.unwrap_or(position) - 1
        };
        let unknown = AnyTypeInfo { kind: AnyTypeInfoKind::Null };
        let columns = statement.column_names().into_iter().enumerate();
        let columns: Vec<AnyColumn> = columns
            .map(|(ordinal, name)| AnyColumn { ordinal, name: UStr::new(name), type_info: unknown.clone() })
            .collect();
        Self {
            arguments: (1..=statement.parameter_count()).map(number).collect(),
            names: Arc::new(columns.iter().map(|column| (column.name.clone(), column.ordinal)).collect()),
            columns,
        }
    }
}

fn bound(argument: &AnyValueKind) -> ToSqlOutput<'_> {
    let integer = |number: i64| ToSqlOutput::Owned(Value::Integer(number));
    match argument {
        AnyValueKind::Bool(it) => integer(i64::from(*it)),
        AnyValueKind::SmallInt(it) => integer(i64::from(*it)),
        AnyValueKind::Integer(it) => integer(i64::from(*it)),
        AnyValueKind::BigInt(it) => integer(*it),
        AnyValueKind::Real(it) => ToSqlOutput::Owned(Value::Real(f64::from(*it))),
        AnyValueKind::Double(it) => ToSqlOutput::Owned(Value::Real(*it)),
        AnyValueKind::Text(it) => ToSqlOutput::Borrowed(ValueRef::Text(it.as_bytes())),
        AnyValueKind::TextSlice(it) => ToSqlOutput::Borrowed(ValueRef::Text(it.as_bytes())),
        AnyValueKind::Blob(it) => ToSqlOutput::Borrowed(ValueRef::Blob(it)),
        _ => ToSqlOutput::Owned(Value::Null),
    }
}

fn read(rows: &mut Rows<'_>, shape: &Shape) -> Result<Option<AnyRow>> {
    let Some(row) = rows.next().map_err(told)? else { return Ok(None) };
    let values = (0..shape.columns.len()).map(|ordinal| {
        let text = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).map_err(|error| Error::Decode(error.into()))?;
            Ok::<_, Error>(AnyValueKind::Text(Arc::new(text)))
        };
        let kind = match row.get_ref(ordinal).map_err(told)? {
            ValueRef::Null => AnyValueKind::Null(AnyTypeInfoKind::Null),
            ValueRef::Integer(it) => AnyValueKind::BigInt(it),
            ValueRef::Real(it) => AnyValueKind::Double(it),
            ValueRef::Text(it) => text(it)?,
            ValueRef::Blob(it) => AnyValueKind::Blob(Arc::new(it.to_vec())),
        };
        Ok(AnyValue { kind })
    });
    let values = values.collect::<Result<Vec<AnyValue>>>()?;
    Ok(Some(AnyRow { column_names: Arc::clone(&shape.names), columns: shape.columns.clone(), values }))
}

impl Connection for Inline {
    type Database = InThread;
    type Options = InMemory;

    async fn close(self) -> Result<()> {
        Ok(())
    }

    async fn close_hard(self) -> Result<()> {
        Ok(())
    }

    async fn ping(&mut self) -> Result<()> {
        Ok(())
    }

    fn begin(&mut self) -> impl Future<Output = Result<Transaction<'_, InThread>>> + Send + '_ {
        Transaction::begin(self, None)
    }

    fn shrink_buffers(&mut self) {}

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn should_flush(&self) -> bool {
        false
    }
}

impl AnyConnectionBackend for Inline {
    fn name(&self) -> &str {
        "SQLite"
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn close_hard(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn begin(&mut self, statement: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.begin_now(statement.is_some()) })
    }

    fn commit(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.commit_now() })
    }

    fn rollback(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.rollback_now() })
    }

    fn start_rollback(&mut self) {
        self.rollback_now().ok();
    }

    fn get_transaction_depth(&self) -> usize {
        self.depth
    }

    fn shrink_buffers(&mut self) {}

    fn flush(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn should_flush(&self) -> bool {
        false
    }

    fn as_migrate(&mut self) -> Result<&mut (dyn Migrate + Send + 'static)> {
        Ok(self)
    }

    fn fetch_many(
        &mut self,
        query: SqlStr,
        _persistent: bool,
        arguments: Option<AnyArguments>,
    ) -> BoxStream<'_, Result<Step>> {
        let steps = match self.run(query.as_str(), arguments.as_ref(), usize::MAX) {
            Ok(steps) => steps.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        stream::iter(steps).boxed()
    }

    fn fetch_optional(
        &mut self,
        query: SqlStr,
        _persistent: bool,
        arguments: Option<AnyArguments>,
    ) -> BoxFuture<'_, Result<Option<AnyRow>>> {
        Box::pin(async move {
            let steps = self.run(query.as_str(), arguments.as_ref(), 1)?;
            Ok(steps.into_iter().find_map(Either::right))
        })
    }

    fn prepare_with<'c, 'q: 'c>(
        &'c mut self,
        _sql: SqlStr,
        _parameters: &[AnyTypeInfo],
    ) -> BoxFuture<'c, Result<AnyStatement>> {
        Box::pin(async { Err(Error::Protocol("statements are prepared as they run".to_owned())) })
    }
}

/// The database is always new, so every script is missing, and none is remembered.
impl Migrate for Inline {
    fn create_schema_if_not_exists<'e>(
        &'e mut self,
        _: &'e str,
    ) -> BoxFuture<'e, std::result::Result<(), MigrateError>> {
        Box::pin(async { Ok(()) })
    }

    fn ensure_migrations_table<'e>(
        &'e mut self,
        _: &'e str,
    ) -> BoxFuture<'e, std::result::Result<(), MigrateError>> {
        Box::pin(async { Ok(()) })
    }

    fn dirty_version<'e>(
        &'e mut self,
        _: &'e str,
    ) -> BoxFuture<'e, std::result::Result<Option<i64>, MigrateError>> {
        Box::pin(async { Ok(None) })
    }

    fn list_applied_migrations<'e>(
        &'e mut self,
        _: &'e str,
    ) -> BoxFuture<'e, std::result::Result<Vec<AppliedMigration>, MigrateError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn lock(&mut self) -> BoxFuture<'_, std::result::Result<(), MigrateError>> {
        Box::pin(async { Ok(()) })
    }

    fn unlock(&mut self) -> BoxFuture<'_, std::result::Result<(), MigrateError>> {
        Box::pin(async { Ok(()) })
    }

    fn apply<'e>(
        &'e mut self,
        _: &'e str,
        migration: &'e Migration,
    ) -> BoxFuture<'e, std::result::Result<Duration, MigrateError>> {
        Box::pin(async move {
            self.batch(migration.sql.as_str())?;
            Ok(Duration::ZERO)
        })
    }

    fn revert<'e>(
        &'e mut self,
        _: &'e str,
        _: &'e Migration,
    ) -> BoxFuture<'e, std::result::Result<Duration, MigrateError>> {
        Box::pin(async { Err(Error::Protocol("nothing is reverted".to_owned()).into()) })
    }
}
