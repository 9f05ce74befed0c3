//! Copies of a SQLite file that other connections write to meanwhile (OP-3). A copy by the file system may lack what is in the
//! `-wal`, or be torn.

use std::path::Path;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions as _, Connection as _};

use super::connect::{install_drivers, sqlite_url};
use super::{DbError, session::told};

async fn open(file: &Path, mode: &str) -> Result<AnyConnection, DbError> {
    install_drivers();
    let unusable = || DbError::Url("the path of the SQLite file cannot be used".into());
    let file = std::path::absolute(file).map_err(|_| unusable())?;
    let url = format!("{}?mode={mode}", sqlite_url(&file));
    let options: AnyConnectOptions = url.parse().map_err(|_| unusable())?;
    let failed = |error: sqlx::Error| DbError::Connect {
        database: format!("sqlite:{}", file.display()),
        reason: told(&error),
        cause: None,
    };
    AnyConnection::connect_with(&options.disable_statement_logging()).await.map_err(failed)
}

/// Writes a whole copy of the file, as of one moment, while others go on writing to it. `to` must not be there.
///
/// # Errors
/// The database's.
pub async fn copy_sqlite(from: &Path, to: &Path) -> Result<(), DbError> {
    let mut connection = open(from, "rw").await?;
    let copied =
        sqlx::query("VACUUM INTO $1").bind(to.to_string_lossy().into_owned()).execute(&mut connection).await;
    connection.close().await.ok();
    copied?;
    Ok(())
}

/// What SQLite finds wrong with a file; empty: it is whole.
///
/// # Errors
/// It cannot be opened or read as a database.
pub async fn check_sqlite(file: &Path) -> Result<Vec<String>, DbError> {
    let mut connection = open(file, "rw").await?;
    let found: Result<Vec<(String,)>, sqlx::Error> =
        sqlx::query_as("PRAGMA integrity_check").fetch_all(&mut connection).await;
    connection.close().await.ok();
    Ok(found?.into_iter().map(|(line,)| line).filter(|line| line != "ok").collect())
}
