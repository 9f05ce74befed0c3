//! What a store can fail with, and which of it passes by itself.

use domain::stored::{Unreadable, Unwritable};

/// What a store can fail with.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The URL is none, or names no engine we know. Never holds the URL itself: it may have a password in it.
    #[error("database URL: {0}")]
    Url(String),
    /// The start failed; `database` is the place without user and password.
    #[error("database {database}: {reason}")]
    Connect { database: String, reason: String },
    #[error("database {database}: its tables could not be brought up to date")]
    Migrate { database: String, source: Box<sqlx::migrate::MigrateError> },
    /// Other writers held the database for too long.
    #[error("the database was busy for too long")]
    Busy,
    /// No answer came, and the connection was not closed either.
    #[error("the database did not answer in time")]
    Unanswered,
    #[error("the database failed a statement")]
    Sqlx(#[from] sqlx::Error),
    /// A stored value is not what this version writes.
    #[error("stored {what} is not readable")]
    Decode { what: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    /// One kept document cannot be read: damage, or a newer replica wrote it and this one was taken for dead.
    #[error("{kind} {id} cannot be read")]
    Unreadable { kind: &'static str, id: String, source: Unreadable },
    /// A bug; nothing is kept in the document's place.
    #[error("a document cannot be kept")]
    Unwritable(#[from] Unwritable),
    /// The whole database is beyond this release.
    #[error(
        "{kind} may be kept in form {found} here, and this release reads up to form {reads}: start the newer release \
         again, or restore a backup from before it (docs/operations.md, Upgrades)"
    )]
    Newer { kind: String, found: u32, reads: u32 },
}

impl DbError {
    /// For stored JSON and other texts that do not parse.
    pub fn decode(what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Decode { what, source: Box::new(source) }
    }

    /// A row with that key is there already. Inside a PostgreSQL transaction this ends the transaction: prefer
    /// `ON CONFLICT DO NOTHING` there.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Sqlx(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// A CHECK refused the row: a bug, or a caller's value that was not checked.
    #[must_use]
    pub fn is_check_violation(&self) -> bool {
        matches!(self, Self::Sqlx(sqlx::Error::Database(error)) if error.is_check_violation())
    }

    /// Passes by itself (503): the database is away, starting, out of connections, or locked, or two transactions
    /// stood in each other's way. The transaction has left nothing behind and may be tried again whole.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Busy | Self::Unanswered | Self::Connect { .. } => true,
            Self::Sqlx(error) => sqlx_is_unavailable(error),
            // This replica ends at its next heartbeat; another one answers.
            Self::Unreadable { source: Unreadable::TooNew { .. }, .. } => true,
            Self::Url(_)
            | Self::Migrate { .. }
            | Self::Decode { .. }
            | Self::Unreadable { .. }
            | Self::Unwritable(_)
            | Self::Newer { .. } => false,
        }
    }
}

fn sqlx_is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code_is_unavailable(&code)),
        _ => false,
    }
}

/// The server ended this connection, or it was cut: another one may work. What PostgreSQL says as it ends a session is
/// of class 57P (shutdown, crash, the database dropped).
pub(super) fn connection_is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

/// PostgreSQL: connection exceptions (08), serialization and deadlock (40), resources (53), time-outs of locks (55P03),
/// operator intervention (57), system errors (58), read-only after a failover (25006). SQLite (up to four digits, the
/// primary code in the low byte): BUSY 5, LOCKED 6, IOERR 10, FULL 13, CANTOPEN 14.
fn code_is_unavailable(code: &str) -> bool {
    if code.len() == 5 {
        return ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
            || code == "55P03"
            || code == "25006";
    }
    code.parse::<i64>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13 | 14))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_faults_are_told_from_bugs() {
        for code in [
            "08006", "40001", "40P01", "53300", "57P01", "57P03", "55P03", "25006", "5", "261", "517", "6",
            "13",
        ] {
            assert!(code_is_unavailable(code), "{code}");
        }
        for code in ["23505", "42P01", "22003", "2067", "1", "19", "1555"] {
            assert!(!code_is_unavailable(code), "{code}");
        }
    }
}
