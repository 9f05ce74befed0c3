//! PostgreSQL and SQLite behind one pool.
//!
//! One SQL text serves both engines: `$1` placeholders, BIGINT for times (Unix milliseconds) and booleans (0/1),
//! TEXT for JSON and UUIDs, BYTEA or BLOB for bytes. Only locks differ, see [`Db::for_update`]. Writes go through
//! [`Db::begin`]; a task that holds a [`Tx`] must not use the pool besides, since SQLite in memory has only one
//! connection. A service's tables live in a schema (PostgreSQL) or a file (SQLite) of its own.

mod connect;
mod engine;
mod error;
mod migration;
mod probe;
mod tx;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Any, AnyPool, Transaction};
use tokio::sync::{Notify, Semaphore};

use crate::forms::Forms;

pub use connect::install_drivers;
pub use engine::Engine;
pub use error::DbError;
pub use migration::Migration;
pub use probe::{Boundary, Probe};
pub use tx::Tx;

/// How long a caller waits for a connection, or on SQLite for its turn to write, before it is told "unavailable".
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a piece of work may wait for a server. Longer than a lock may be waited for; the limits that the server keeps
/// are of no use when it is the path to it that is gone.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A service's database on either engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    pool: AnyPool,
    engine: Engine,
    /// SQLite has one writer; those of this process queue here, fairly, instead of polling the file's lock.
    writer: Option<Arc<Semaphore>>,
    /// Rung after every commit that put something into the outbox or freed a lane of it.
    outbox_wake: Arc<Notify>,
    probe: Option<Arc<dyn Probe>>,
    answer_within: Duration,
    forms: Forms,
}

impl Db {
    /// Opens the database of `service` and brings its tables up to date.
    ///
    /// `postgres://…` uses the schema named like the service, made if need be; `sqlite:<path>` creates the file and its
    /// directory; `sqlite::memory:` is a private database that ends with the last clone of this.
    ///
    /// # Errors
    /// One line that says what is wrong, without the URL's secrets.
    pub async fn connect(url: &str, service: &str, migrations: &[Migration]) -> Result<Self, DbError> {
        connect::connect(url, service, migrations).await
    }

    /// The same database by another handle, whose write transactions stop at `probe`.
    #[must_use]
    pub fn probed(&self, probe: Arc<dyn Probe>) -> Self {
        Self { probe: Some(probe), ..self.clone() }
    }

    /// The URL of the embedded database: `<data dir>/<service>.sqlite`.
    #[must_use]
    pub fn embedded_url(data_dir: &Path, service: &str) -> String {
        connect::sqlite_url(&data_dir.join(format!("{service}.sqlite")))
    }

    /// For reads outside a transaction.
    #[must_use]
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Begins a write transaction: on SQLite it holds the write lock from here on, on PostgreSQL rows are locked with
    /// [`Db::for_update`]. Dropped without [`Tx::commit`] it leaves nothing behind.
    ///
    /// # Errors
    /// The database's; [`DbError::is_unavailable`] when the wait for a connection was in vain.
    pub async fn begin(&self) -> Result<Tx<'static>, DbError> {
        if let Some(probe) = &self.probe {
            probe.at(Boundary::Begin).await?;
        }
        let permit = match &self.writer {
            Some(writer) => {
                let acquired = tokio::time::timeout(PATIENCE, Arc::clone(writer).acquire_owned()).await;
                Some(acquired.map_err(|_| DbError::Busy)?.map_err(|_| DbError::Busy)?)
            }
            None => None,
        };
        let begin = match self.engine {
            Engine::Postgres => "BEGIN",
            Engine::Sqlite => "BEGIN IMMEDIATE",
        };
        let inner = self.begin_on_a_live_connection(begin).await?;
        Ok(Tx::new(inner, permit, Arc::clone(&self.outbox_wake), self.probe.clone(), self.forms.clone()))
    }

    /// A server that went away leaves broken connections in the pool, which only their next use finds out. BEGIN has no
    /// effect, so it may be said again on another one, until none of the old ones can be left.
    async fn begin_on_a_live_connection(
        &self,
        begin: &'static str,
    ) -> Result<Transaction<'static, Any>, sqlx::Error> {
        for _ in 0..self.pool.options().get_max_connections() {
            match self.pool.begin_with(begin).await {
                Err(error) if error::connection_is_broken(&error) => {}
                outcome => return outcome,
            }
        }
        self.pool.begin_with(begin).await
    }

    /// Bounds work that only the database can hold up. A server whose path is lost (a firewall forgot the connection)
    /// neither answers nor closes, and TCP waits for hours: a loop that waits with it is dead without a sign. The work is
    /// then dropped; as after any broken connection it may have been committed.
    ///
    /// # Errors
    /// The work's own; [`DbError::Unanswered`].
    pub async fn answered<T, E: From<DbError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match self.engine {
            Engine::Postgres => {
                let answered = tokio::time::timeout(self.answer_within, work).await;
                answered.unwrap_or_else(|_| Err(DbError::Unanswered.into()))
            }
            // A file does not go away.
            Engine::Sqlite => work.await,
        }
    }

    /// With another bound for [`Db::answered`].
    #[must_use]
    pub fn answering_within(self, answer_within: Duration) -> Self {
        Self { answer_within, ..self }
    }

    /// ` FOR UPDATE` where rows need locks: to be appended to a SELECT inside a transaction.
    #[must_use]
    pub fn for_update(&self) -> &'static str {
        match self.engine {
            Engine::Postgres => " FOR UPDATE",
            Engine::Sqlite => "",
        }
    }

    /// ` FOR UPDATE SKIP LOCKED`: rows another replica is working on are passed over.
    #[must_use]
    pub fn skip_locked(&self) -> &'static str {
        match self.engine {
            Engine::Postgres => " FOR UPDATE SKIP LOCKED",
            Engine::Sqlite => "",
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), DbError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Closes the connections; what is under way is finished first.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// In which form documents are kept, and how they are read.
    #[must_use]
    pub fn forms(&self) -> &Forms {
        &self.forms
    }

    /// What wakes this database's outbox worker.
    pub(crate) fn outbox_wake(&self) -> &Notify {
        &self.outbox_wake
    }
}
