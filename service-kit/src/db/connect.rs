//! Opening: which engine a URL means, its schema or file, the settings of each connection, the migrations.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use tokio::sync::{Notify, Semaphore};

use super::{ANSWER_WITHIN, Db, DbError, Engine, Migration, PATIENCE, migration};
use crate::forms::Forms;

const POSTGRES_CONNECTIONS: u32 = 16;
const SQLITE_CONNECTIONS: u32 = 8;
/// A connection that was used a moment ago is not asked whether it still lives: that would be a round trip before
/// every statement.
const SURELY_ALIVE: Duration = Duration::from_secs(1);

/// Every wait of a PostgreSQL session is bounded, so that a stuck replica cannot hold rows for ever.
const POSTGRES_SETTINGS: &str = "SET lock_timeout = '10s'; SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s'";

/// WAL lets readers go on beside the writer; FULL syncs it at every commit: what was acknowledged survives a power cut.
const SQLITE_SETTINGS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864";

/// What `sqlx::Any` needs once a process; a simulation may have been here before with drivers of its own.
pub fn install_drivers() {
    sqlx::any::install_drivers(&[sqlx::postgres::any::DRIVER, sqlx::sqlite::any::DRIVER]).ok();
}

pub(super) async fn connect(url: &str, service: &str, migrations: &[Migration]) -> Result<Db, DbError> {
    install_drivers();
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        connect_postgres(url, service, migrations).await
    } else if let Some(path) = url.strip_prefix("sqlite:") {
        connect_sqlite(path, migrations).await
    } else {
        Err(DbError::Url("it must begin with postgres:// or sqlite:".into()))
    }
}

async fn connect_postgres(url: &str, service: &str, migrations: &[Migration]) -> Result<Db, DbError> {
    let options: AnyConnectOptions = url.parse().map_err(|_| {
        DbError::Url("it cannot be parsed (is a character of the password not percent-encoded?)".into())
    })?;
    let place = place_of(&options);
    let schema = schema_name(service)?;
    // One connection first: the pool would hide why it cannot connect behind its own time-out.
    let connecting = tokio::time::timeout(PATIENCE, AnyConnection::connect_with(&options)).await;
    let mut first = match connecting {
        Ok(connected) => connected.map_err(|error| unreachable(&place, &error))?,
        Err(_) => {
            return Err(DbError::Connect { database: place, reason: "no answer within 5 s".into() });
        }
    };
    prepare_schema(&mut first, &schema, migrations).await.map_err(|error| match error {
        PrepareError::Sql(error) => unreachable(&place, &error),
        PrepareError::Migrate(error) => DbError::Migrate { database: place, source: Box::new(error) },
    })?;
    // The lock ends with the session in any case.
    first.close().await.ok();

    let on_connect = Arc::<str>::from(format!("SET search_path TO \"{schema}\"; {POSTGRES_SETTINGS}"));
    let pool = AnyPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .before_acquire(|connection, used| {
            Box::pin(async move {
                if used.idle_for > SURELY_ALIVE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        // Asked once more as it is given back, as the pool itself does, but with an end: a connection that never answers
        // would keep its place for ever.
        .after_release(|connection, _| {
            Box::pin(async move {
                match tokio::time::timeout(PATIENCE, connection.ping()).await {
                    Ok(answer) => answer.map(|()| true),
                    Err(_) => Err(sqlx::Error::PoolTimedOut),
                }
            })
        })
        .after_connect(move |connection, _| {
            let on_connect = Arc::clone(&on_connect);
            Box::pin(async move { connection.execute(AssertSqlSafe(on_connect)).await.map(|_| ()) })
        })
        .connect_lazy_with(options);
    let outbox_wake = Arc::new(Notify::new());
    Ok(Db {
        pool,
        engine: Engine::Postgres,
        writer: None,
        outbox_wake,
        probe: None,
        answer_within: ANSWER_WITHIN,
        forms: Forms::default(),
    })
}

enum PrepareError {
    Sql(sqlx::Error),
    Migrate(sqlx::migrate::MigrateError),
}

impl From<sqlx::Error> for PrepareError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// Makes the schema and its tables under one lock: replicas that start together take turns.
async fn prepare_schema(
    connection: &mut AnyConnection,
    schema: &str,
    migrations: &[Migration],
) -> Result<(), PrepareError> {
    connection.execute("SET lock_timeout = '60s'").await?;
    let lock = format!("SELECT 1 FROM pg_advisory_lock(hashtextextended('phasegate.migrate.{schema}', 0))");
    connection.execute(AssertSqlSafe(lock)).await?;
    // Asked first: CREATE SCHEMA IF NOT EXISTS wants a right that a service's own user need not have.
    let there: Option<(i32,)> = sqlx::query_as("SELECT 1 FROM pg_namespace WHERE nspname = $1")
        .bind(schema)
        .fetch_optional(&mut *connection)
        .await?;
    if there.is_none() {
        connection.execute(AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""))).await?;
    }
    connection.execute(AssertSqlSafe(format!("SET search_path TO \"{schema}\""))).await?;
    migration::run(connection, Engine::Postgres, migrations).await.map_err(PrepareError::Migrate)
}

async fn connect_sqlite(path: &str, migrations: &[Migration]) -> Result<Db, DbError> {
    let in_memory = path.trim_start_matches('/') == ":memory:";
    let (place, url) = if in_memory {
        ("sqlite::memory:".to_owned(), "sqlite::memory:".to_owned())
    } else {
        let file = sqlite_file(path)?;
        (format!("sqlite:{}", file.display()), format!("{}?mode=rwc", sqlite_url(&file)))
    };
    let options: AnyConnectOptions =
        url.parse().map_err(|_| DbError::Url("the path of the SQLite file cannot be used".into()))?;
    let pool = AnyPoolOptions::new()
        // In memory, the database is the connection.
        .max_connections(if in_memory { 1 } else { SQLITE_CONNECTIONS })
        .min_connections(u32::from(in_memory))
        .idle_timeout(if in_memory { None } else { Some(Duration::from_secs(600)) })
        .max_lifetime(None)
        .acquire_timeout(PATIENCE)
        // A file does not go away.
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(SQLITE_SETTINGS).await.map(|_| ()) })
        })
        .connect_lazy_with(options);
    // The pool would try until its time-out; a file that cannot be opened does not get better.
    let mut first = pool.acquire().await.map_err(|error| unreachable(&place, &error))?;
    let mut tx = first.begin_with("BEGIN IMMEDIATE").await.map_err(|error| unreachable(&place, &error))?;
    migration::run(&mut tx, Engine::Sqlite, migrations)
        .await
        .map_err(|error| DbError::Migrate { database: place.clone(), source: Box::new(error) })?;
    tx.commit().await?;
    drop(first);
    let writer = Some(Arc::new(Semaphore::new(1)));
    let outbox_wake = Arc::new(Notify::new());
    Ok(Db {
        pool,
        engine: Engine::Sqlite,
        writer,
        outbox_wake,
        probe: None,
        answer_within: ANSWER_WITHIN,
        forms: Forms::default(),
    })
}

/// The absolute path meant by what follows `sqlite:`; its directory is made.
fn sqlite_file(path: &str) -> Result<PathBuf, DbError> {
    let path = path.strip_prefix("//").unwrap_or(path);
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    if path.is_empty() {
        return Err(DbError::Url("sqlite: needs the path of a file, or sqlite::memory:".into()));
    }
    let path = percent_decoded(path);
    let failed = |reason: std::io::Error| DbError::Connect {
        database: format!("sqlite:{path}"),
        reason: format!("its directory cannot be made: {reason}"),
    };
    let file = std::path::absolute(&path).map_err(failed)?;
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    Ok(file)
}

/// `sqlite:<path>`, with whatever a URL would take for something else percent-encoded.
pub(super) fn sqlite_url(file: &Path) -> String {
    let mut url = String::from("sqlite:");
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'_' | b'-' | b'~' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                url.push(char::from(*byte));
            }
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Host, port and database of a URL; never its user, password or parameters.
fn place_of(options: &AnyConnectOptions) -> String {
    let url = &options.database_url;
    let host = url.host_str().unwrap_or("localhost");
    format!("postgres://{host}:{}{}", url.port().unwrap_or(5432), url.path())
}

fn schema_name(service: &str) -> Result<String, DbError> {
    let plain =
        service.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if plain && !service.is_empty() && service.len() <= 40 {
        Ok(service.to_owned())
    } else {
        Err(DbError::Url(format!("{service:?} cannot name a schema")))
    }
}

fn unreachable(place: &str, error: &sqlx::Error) -> DbError {
    // The inner text is the useful one ("Connection refused"); none of these texts holds the URL.
    let reason = match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    };
    DbError::Connect { database: place.to_owned(), reason }
}
