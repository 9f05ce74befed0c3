//! What a store can fail with, and which of it passes by itself.

use domain::stored::{Unreadable, Unwritable};

use sqlx::migrate::MigrateError;

use super::Cause;

/// What a store can fail with.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The URL is none, or names no engine we know. Never holds the URL itself: it may have a password in it.
    #[error("database URL: {0}")]
    Url(String),
    /// The start failed; `database` is the place without user and password. `cause`: what may pass by itself.
    #[error("database {database}: {reason}")]
    Connect { database: String, reason: String, cause: Option<Cause> },
    /// The start waited for it for so long.
    #[error("waited {seconds} s (--database-wait)")]
    WaitedFor { seconds: u64, source: Box<DbError> },
    #[error("database {database}: its tables could not be brought up to date")]
    Migrate { database: String, source: Box<MigrateError> },
    /// The role runs the service, and another one makes its tables.
    #[error(
        "database {database}: its tables are {steps} steps behind, and this role may not change them ({reason}): run the \
         service once with --migrate as one that may (docs/operations.md, PostgreSQL)"
    )]
    MayNotMigrate { database: String, steps: usize, reason: String },
    /// Another application lives there.
    #[error(
        "database {database}: these tables are another application's ({tables}): name another schema with \
         --database-schema, or another database"
    )]
    Foreign { database: String, tables: String },
    /// Statements of one session would be another's.
    #[error(
        "database {database}: a pooler in transaction mode stands before it, which takes prepared statements and settings from \
         a session: connect to the server itself, or set pool_mode = session (docs/operations.md, PostgreSQL)"
    )]
    Pooled { database: String },
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
        self.passing().is_some()
    }

    /// Why it passes by itself, for whoever asked; `None`: it does not.
    #[must_use]
    pub fn passing(&self) -> Option<&'static str> {
        match self {
            Self::Busy => Some("it is busy with what was asked before"),
            Self::Unanswered => Some(Cause::TimedOut.words()),
            Self::Connect { cause, .. } => cause.map(Cause::words),
            Self::WaitedFor { source, .. } => source.passing(),
            Self::Sqlx(error) => Cause::of(error).map(Cause::words),
            // This replica ends at its next heartbeat; another one answers.
            Self::Unreadable { source: Unreadable::TooNew { .. }, .. } => {
                Some("a newer release writes to it")
            }
            Self::Migrate { source, .. } => match &**source {
                MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                    Cause::of(error).map(Cause::words)
                }
                _ => None,
            },
            Self::Url(_)
            | Self::MayNotMigrate { .. }
            | Self::Foreign { .. }
            | Self::Pooled { .. }
            | Self::Decode { .. }
            | Self::Unreadable { .. }
            | Self::Unwritable(_)
            | Self::Newer { .. } => None,
        }
    }
}
