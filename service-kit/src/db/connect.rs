//! Opening: the schema or file a service's tables are in, the settings of each connection, the migrations.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::MigrateError;
use sqlx::{AnyConnection, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tokio::sync::Semaphore;

use super::pool::PATIENCE;
use super::schema::{Standing, standing};
use super::session::told;
use super::url::{DatabaseUrl, place_of, port_of};
use super::vitals::Vitals;
use super::{
    BEGIN_SQLITE, Cause, Db, DbError, DbSettings, Engine, Migration, Pool, migration, nodelay, pooler,
};

pub(crate) const POSTGRES_CONNECTIONS: u32 = 16;
const SQLITE_CONNECTIONS: u32 = 8;

/// Every wait of a PostgreSQL session is bounded, so that a stuck replica cannot hold rows for ever.
const POSTGRES_SETTINGS: &str = "SET lock_timeout = '10s'; SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s'";

/// WAL lets readers go on beside the writer; FULL syncs it at every commit: what was acknowledged survives a power cut.
const SQLITE_SETTINGS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864";

/// What PostgreSQL answers to whom it does not let do something. A schema that may not be used is as none: the second.
const REFUSED: [&str; 2] = ["42501", "3F000"];

/// How rustls begins what it says of a certificate.
const NOT_BELIEVED: &str = "invalid peer certificate";

/// What `sqlx::Any` needs once a process; a simulation may have been here before with drivers of its own.
pub fn install_drivers() {
    sqlx::any::install_drivers(&[sqlx::postgres::any::DRIVER, sqlx::sqlite::any::DRIVER]).ok();
}

pub(super) async fn open(settings: &DbSettings, migrations: &[Migration]) -> Result<Db, DbError> {
    install_drivers();
    match DatabaseUrl::parse(settings.url.expose_secret()).map_err(DbError::Url)? {
        DatabaseUrl::Postgres(options) => open_postgres(options, settings, migrations).await,
        DatabaseUrl::Sqlite(path) => open_sqlite(path, settings, migrations).await,
    }
}

async fn open_postgres(
    options: AnyConnectOptions,
    settings: &DbSettings,
    migrations: &[Migration],
) -> Result<Db, DbError> {
    // While a database is slow each statement would be a line.
    let options = options.disable_statement_logging();
    let place = place_of(&options);
    let schema = settings.schema.as_str();
    // One connection first: the pool would hide why it cannot connect behind its own time-out.
    let connecting = tokio::time::timeout(PATIENCE, AnyConnection::connect_with(&options)).await;
    let mut first = match connecting {
        Ok(connected) => connected.map_err(|error| unreachable(&place, &error))?,
        Err(_) => {
            let reason = "no answer within 5 s".to_owned();
            return Err(DbError::Connect { database: place, reason, cause: Some(Cause::TimedOut) });
        }
    };
    if pooler::stands_before(&options, &mut first).await.map_err(|error| unreachable(&place, &error))? {
        return Err(DbError::Pooled { database: place });
    }
    let prepared = prepare_schema(&mut first, schema, migrations).await;
    prepared.map_err(|error| error.at(place))?;
    // The lock ends with the session in any case.
    first.close().await.ok();

    let on_connect = Arc::<str>::from(format!("SET search_path TO \"{schema}\"; {POSTGRES_SETTINGS}"));
    let vitals = Arc::new(Vitals::new(&settings.service));
    let port = port_of(&options);
    let pool = AnyPoolOptions::new()
        .max_connections(settings.connections.map_or(POSTGRES_CONNECTIONS, Into::into))
        .after_connect(move |connection, _| {
            let on_connect = Arc::clone(&on_connect);
            Box::pin(async move {
                send_at_once(port).await;
                connection.execute(AssertSqlSafe(on_connect)).await.map(|_| ())
            })
        });
    let pool = Pool::replaceable(pool, options, &vitals);
    Ok(Db::over(pool, Engine::Postgres, None, vitals))
}

/// A connection was made to that port. Without it the database is only slower.
async fn send_at_once(port: u16) {
    let set = tokio::task::spawn_blocking(move || nodelay::set_on_connections_to(port)).await;
    if let Ok(Err(error)) = set {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
}

/// Why tables are not as they have to be.
enum PrepareError {
    Sql(sqlx::Error),
    Foreign(String),
    /// So many steps are missing.
    Migrate(usize, MigrateError),
}

impl From<sqlx::Error> for PrepareError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl PrepareError {
    fn at(self, database: String) -> DbError {
        match self {
            Self::Sql(error) => unreachable(&database, &error),
            Self::Foreign(tables) => DbError::Foreign { database, tables },
            Self::Migrate(steps, MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _))
                if is_refused(&error) =>
            {
                DbError::MayNotMigrate { database, steps, reason: told(&error) }
            }
            Self::Migrate(_, source) => DbError::Migrate { database, source: Box::new(source) },
        }
    }
}

fn is_refused(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().is_some_and(|code| REFUSED.contains(&&*code)))
}

/// Makes the schema and its tables, where they are not up to date: then under one lock, so that replicas that start together take
/// turns. Who only runs the service needs no right to.
async fn prepare_schema(
    connection: &mut AnyConnection,
    schema: &str,
    migrations: &[Migration],
) -> Result<(), PrepareError> {
    let search = format!("SET search_path TO \"{schema}\"");
    connection.execute(AssertSqlSafe(search)).await?;
    if standing(connection, Engine::Postgres, schema, migrations).await? == Standing::UpToDate {
        return Ok(());
    }
    connection.execute("SET lock_timeout = '60s'").await?;
    let lock = format!("SELECT 1 FROM pg_advisory_lock(hashtextextended('phasegate.migrate.{schema}', 0))");
    connection.execute(AssertSqlSafe(lock)).await?;
    let steps = match standing(connection, Engine::Postgres, schema, migrations).await? {
        Standing::UpToDate => return Ok(()),
        Standing::Foreign(tables) => return Err(PrepareError::Foreign(tables)),
        Standing::Behind(steps) => steps,
    };
    // Asked first: CREATE SCHEMA IF NOT EXISTS wants a right that a service's own user need not have.
    let there: Option<(i32,)> = sqlx::query_as("SELECT 1 FROM pg_namespace WHERE nspname = $1")
        .bind(schema)
        .fetch_optional(&mut *connection)
        .await?;
    if there.is_none() {
        let made = connection.execute(AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""))).await;
        made.map_err(|error| PrepareError::Migrate(steps, MigrateError::Execute(error)))?;
    }
    let migrated = migration::run(connection, Engine::Postgres, migrations).await;
    migrated.map_err(|error| PrepareError::Migrate(steps, error))
}

async fn open_sqlite(path: &str, settings: &DbSettings, migrations: &[Migration]) -> Result<Db, DbError> {
    let in_memory = path.trim_start_matches('/') == ":memory:";
    let (place, url) = if in_memory {
        ("sqlite::memory:".to_owned(), "sqlite::memory:".to_owned())
    } else {
        let file = sqlite_file(path)?;
        (format!("sqlite:{}", file.display()), format!("{}?mode=rwc", sqlite_url(&file)))
    };
    let options: AnyConnectOptions =
        url.parse().map_err(|_| DbError::Url("the path of the SQLite file cannot be used".into()))?;
    let options = options.disable_statement_logging();
    let pool = AnyPoolOptions::new().max_lifetime(None).after_connect(|connection, _| {
        Box::pin(async move { connection.execute(SQLITE_SETTINGS).await.map(|_| ()) })
    });
    let vitals = Arc::new(Vitals::new(&settings.service));
    let pool = if in_memory {
        // In memory, the database is the connection.
        Pool::in_memory(pool.max_connections(1).min_connections(1).idle_timeout(None), options, &vitals)
    } else {
        look_at_file(&options).await.map_err(|error| error.at(place.clone()))?;
        let most = settings.connections.map_or(SQLITE_CONNECTIONS, Into::into);
        Pool::replaceable(pool.max_connections(most).idle_timeout(Duration::from_secs(600)), options, &vitals)
    };
    let mut first = pool.begin(BEGIN_SQLITE).await.map_err(|error| unreachable(&place, &error))?;
    migration::run(first.connection(), Engine::Sqlite, migrations)
        .await
        .map_err(|error| DbError::Migrate { database: place.clone(), source: Box::new(error) })?;
    first.commit().await?;
    let writer = Some(Arc::new(Semaphore::new(1)));
    Ok(Db::over(pool, Engine::Sqlite, writer, vitals))
}

/// A file that cannot be opened does not get better, as the pool would hope; and one of another application is not touched.
async fn look_at_file(options: &AnyConnectOptions) -> Result<(), PrepareError> {
    let mut first = AnyConnection::connect_with(options).await?;
    let found = standing(&mut first, Engine::Sqlite, "main", &[]).await?;
    first.close().await.ok();
    match found {
        Standing::Foreign(tables) => Err(PrepareError::Foreign(tables)),
        Standing::UpToDate | Standing::Behind(_) => Ok(()),
    }
}

/// The absolute path meant by what follows `sqlite:`; its directory is made.
fn sqlite_file(path: &str) -> Result<PathBuf, DbError> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() {
        return Err(DbError::Url("sqlite: needs the path of a file, or sqlite::memory:".into()));
    }
    let path = percent_decoded(path);
    let failed = |reason: std::io::Error| DbError::Connect {
        database: format!("sqlite:{path}"),
        reason: format!("its directory cannot be made: {reason}"),
        cause: None,
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

/// A database that cannot be opened.
fn unreachable(place: &str, error: &sqlx::Error) -> DbError {
    let mut reason = told(error);
    if reason.contains(NOT_BELIEVED) {
        reason.push_str("; `sslrootcert` has to name its authority, and the URL the host it is made out to");
    }
    // A certificate that is not believed, or a server without TLS, is a matter of configuration.
    let cause = Cause::of(error).filter(|_| !matches!(error, sqlx::Error::Tls(_)));
    DbError::Connect { database: place.to_owned(), reason, cause }
}
