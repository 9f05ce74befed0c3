//! A service that starts before its database waits for it, and says so once.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::url::DatabaseUrl;
use super::{Db, DbError, DbSettings, Migration};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

impl Db {
    /// [`Self::open`], tried for so long as PostgreSQL cannot be reached, or takes no writes yet. What does not pass by itself
    /// (a wrong password, a database that is not there) is not waited for, and neither is SQLite: a file does not come up.
    /// `None`: told to stop meanwhile.
    ///
    /// # Errors
    /// As [`Self::open`]; [`DbError::WaitedFor`] when the time is over.
    pub async fn open_within(
        patience: Duration,
        settings: &DbSettings,
        migrations: &[Migration],
        stop: &CancellationToken,
    ) -> Result<Option<Self>, DbError> {
        let waits = !patience.is_zero() && is_postgres(settings);
        let begun = Instant::now();
        let mut said = false;
        loop {
            let attempt = tokio::select! {
                attempt = Self::open(settings, migrations) => attempt,
                () = stop.cancelled() => return Ok(None),
            };
            let error = match attempt {
                Ok(db) => {
                    if said {
                        tracing::info!("the database is there, after {} s", begun.elapsed().as_secs());
                    }
                    return Ok(Some(db));
                }
                Err(error) if !waits || !error.is_unavailable() => return Err(error),
                Err(error) => error,
            };
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(DbError::WaitedFor { seconds: patience.as_secs(), source: Box::new(error) });
            }
            if !said {
                said = true;
                tracing::warn!("waiting for the database, at most {} s: {error}", patience.as_secs());
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE.min(left)) => {}
                () = stop.cancelled() => return Ok(None),
            }
        }
    }
}

fn is_postgres(settings: &DbSettings) -> bool {
    matches!(DatabaseUrl::parse(settings.url.expose_secret()), Ok(DatabaseUrl::Postgres(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file is a folder: SQLite says that it cannot open it, as of a disk that fails.
    #[tokio::test]
    async fn a_file_that_cannot_be_opened_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let settings = DbSettings::usual(format!("sqlite:{}", folder.path().display()), "reporter").unwrap();
        let never = CancellationToken::new();
        let opened = Db::open_within(Duration::from_secs(3_600), &settings, &[], &never).await;
        assert!(matches!(opened, Err(DbError::Connect { .. })), "{opened:?}");
    }
}
