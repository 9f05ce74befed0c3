//! PostgreSQL and SQLite behind one pool.
//!
//! One SQL text serves both engines: `$1` placeholders, BIGINT for times (Unix milliseconds) and booleans (0/1),
//! TEXT for JSON and UUIDs, BYTEA or BLOB for bytes. Only locks differ, see [`Db::for_update`]. Writes go through
//! [`Db::begin`]; a task that holds a [`Tx`] must not use the pool besides, since SQLite in memory has only one
//! connection. A service's tables live in a schema (PostgreSQL) or a file (SQLite) of its own.

mod cause;
mod connect;
mod copy;
mod engine;
mod error;
mod group;
mod migration;
mod nodelay;
mod pool;
mod pooler;
mod probe;
mod proof;
mod schema;
mod session;
mod settings;
mod tx;
mod url;
mod vitals;
mod waiting;
mod warm;
mod writes;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::forms::Forms;
use crate::outbox::Precedence;
use crate::outbox::handover::Handover;
use pool::ANSWER_WITHIN;
use proof::Proof;
use vitals::Vitals;

pub use cause::Cause;
pub(crate) use connect::POSTGRES_CONNECTIONS;
pub use connect::install_drivers;
pub use copy::{check_sqlite, copy_sqlite};
pub use engine::Engine;
pub use error::DbError;
use group::Group;
pub use group::{Company, Done, MOST_TOGETHER};
pub use migration::Migration;
pub use pool::Pool;
pub use probe::{Boundary, Probe};
pub use session::Session;
pub use settings::{DbSettings, SchemaName};
use tx::Told;
pub use tx::Tx;
pub use url::check_url;
pub(crate) use writes::rows_at_once;
pub use writes::{Value, places, rows_of_places};

/// How long work that is under way may go on once its connection is suspect: what a lost path would answer never comes, and a
/// statement that only happened to be under way is done again.
const SUSPECT_FOR: Duration = Duration::from_secs(3);

/// How long a writer of SQLite waits for its turn, while those before it have theirs. Shorter than a call may take, so that whoever
/// asked is told why.
const TURN_WITHIN: Duration = Duration::from_secs(20);

const BEGIN_POSTGRES: &str = "BEGIN";
const BEGIN_SQLITE: &str = "BEGIN IMMEDIATE";

/// A service's database on either engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    pool: Pool,
    engine: Engine,
    /// SQLite has one writer; those of this process queue here, fairly, instead of polling the file's lock.
    writer: Option<Arc<Semaphore>>,
    handover: Arc<Handover>,
    group: Arc<Group>,
    /// Write transactions that were committed here.
    commits: Arc<AtomicU64>,
    probe: Option<Arc<dyn Probe>>,
    answer_within: Duration,
    forms: Forms,
    vitals: Arc<Vitals>,
    proof: Arc<Proof>,
}

impl Db {
    fn over(pool: Pool, engine: Engine, writer: Option<Arc<Semaphore>>, vitals: Arc<Vitals>) -> Self {
        Self {
            pool,
            engine,
            writer,
            handover: Arc::default(),
            group: Arc::default(),
            commits: Arc::default(),
            probe: None,
            answer_within: ANSWER_WITHIN,
            forms: Forms::default(),
            vitals,
            proof: Arc::default(),
        }
    }

    /// Opens the database, and brings the service's tables up to date where they are not.
    ///
    /// `postgres://…` uses the schema of the settings, made if need be; `sqlite:<path>` creates the file and its
    /// directory; `sqlite::memory:` is a private database that ends with the last clone of this.
    ///
    /// # Errors
    /// One line that says what is wrong, without the URL's secrets.
    pub async fn open(settings: &DbSettings, migrations: &[Migration]) -> Result<Self, DbError> {
        connect::open(settings, migrations).await
    }

    /// [`Self::open`] with the usual settings.
    ///
    /// # Errors
    /// As it.
    pub async fn connect(url: &str, service: &str, migrations: &[Migration]) -> Result<Self, DbError> {
        Self::open(&DbSettings::usual(url, service).map_err(DbError::Url)?, migrations).await
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
    pub fn pool(&self) -> &Pool {
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
    /// The database's; [`DbError::is_unavailable`] when the wait for a connection, or for the turn, was in vain.
    pub async fn begin(&self) -> Result<Tx<'static>, DbError> {
        if let Some(probe) = &self.probe {
            probe.at(Boundary::Begin).await?;
        }
        let permit = match &self.writer {
            Some(writer) => {
                let acquired = tokio::time::timeout(TURN_WITHIN, Arc::clone(writer).acquire_owned()).await;
                Some(acquired.map_err(|_| DbError::Busy)?.map_err(|_| DbError::Busy)?)
            }
            None => None,
        };
        let begin = match self.engine {
            Engine::Postgres => BEGIN_POSTGRES,
            Engine::Sqlite => BEGIN_SQLITE,
        };
        let inner = self.pool.begin(begin).await?;
        let told = Told { handover: Arc::clone(&self.handover), commits: Arc::clone(&self.commits) };
        Ok(Tx::new(inner, permit, told, self.probe.clone(), self.forms.clone()))
    }

    /// Does `work` in a transaction that it shares with what others do at the same time, so that one commit makes all of it durable.
    /// `about`: a name for what it changes; two pieces of work about the same never share, as a row that the commit puts in
    /// ([`Tx::insert`]) is not seen before. Where sharing is not possible, the work is done once more in a transaction of its own:
    /// it must have no other effects. It gives the transaction back with what it has done; an error ends it. `None`: alone it said
    /// [`Done::Undo`] or [`Done::Elsewhere`], or its commit met a row that had changed.
    ///
    /// # Errors
    /// The database's.
    pub async fn together<T, F>(
        &self,
        about: &str,
        work: impl Fn(Tx<'static>, Company) -> F,
    ) -> Result<Option<T>, DbError>
    where
        F: Future<Output = Result<(Tx<'static>, Done<T>), DbError>>,
    {
        // Whoever stops transactions at a probe decides which one goes on, and knows nothing of turns.
        if self.probe.is_none() {
            // On the heap: whoever changes something holds all of it.
            let shared =
                Box::pin(self.group.join(self.begin(), about, |tx| work(tx, Company::Others))).await?;
            if shared.is_some() {
                return Ok(shared);
            }
        }
        match Box::pin(work(self.begin().await?, Company::None)).await? {
            (tx, Done::Written(answer) | Done::Last(answer)) => match tx.commit().await {
                Ok(()) => Ok(Some(answer)),
                Err(DbError::Busy) => Ok(None),
                Err(error) => Err(error),
            },
            (_, Done::Nothing(answer)) => Ok(Some(answer)),
            (_, Done::Elsewhere | Done::Undo) => Ok(None),
        }
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
                let mut suspicion = self.vitals.suspicion();
                tokio::select! {
                    done = work => done,
                    () = tokio::time::sleep(self.answer_within) => {
                        self.vitals.failed(Cause::TimedOut, &format!("no answer within {:?}", self.answer_within));
                        self.vitals.suspect_all();
                        Err(DbError::Unanswered.into())
                    }
                    () = async {
                        suspicion.changed().await.ok();
                        tokio::time::sleep(SUSPECT_FOR).await;
                    } => Err(DbError::Unanswered.into()),
                }
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

    /// Whether a SELECT for a lock may wait: what else it reads is then as old as its beginning, and is to be read afterwards.
    #[must_use]
    pub fn waits_in(&self, company: Company) -> bool {
        company == Company::None && self.engine == Engine::Postgres
    }

    /// [`Self::skip_locked`], of one of the tables that a query joins.
    #[must_use]
    pub fn skip_locked_of(&self, alias: &str) -> String {
        match self.engine {
            Engine::Postgres => format!(" FOR UPDATE OF {alias} SKIP LOCKED"),
            Engine::Sqlite => String::new(),
        }
    }

    /// Whether something could be stored just now: seen by storing something, unless that was done a moment ago.
    ///
    /// # Errors
    /// Why not, for a person.
    pub async fn stores(&self) -> Result<(), String> {
        self.proof.of(&self.vitals, &self.pool, self.store_something()).await
    }

    /// A row is brought and taken away in one transaction, which is committed: only that reaches the disk on SQLite, and the standbys
    /// that PostgreSQL waits for.
    async fn store_something(&self) -> Result<(), DbError> {
        let id = Uuid::now_v7().to_string();
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO write_probe (id) VALUES ($1)").bind(id.clone()).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM write_probe WHERE id = $1").bind(id).execute(&mut *tx).await?;
        tx.commit().await
    }

    /// Closes the connections; what is under way is finished first.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// How many write transactions were committed by this process.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// In which form documents are kept, and how they are read.
    #[must_use]
    pub fn forms(&self) -> &Forms {
        &self.forms
    }

    /// What cannot wait goes first: who does such work says so here, and who does other work gives way.
    #[must_use]
    pub fn precedence(&self) -> &Precedence {
        self.handover.precedence()
    }

    /// What its commits and its outbox's worker share.
    pub(crate) fn handover(&self) -> &Arc<Handover> {
        &self.handover
    }
}
