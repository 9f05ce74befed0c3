//! Why a database failed a statement, where it is not the statement's fault: it passes by itself, and the same work, which has left
//! nothing behind, may be done again whole. Whether the connection that met it is still of use is another question.

use strum::{IntoStaticStr, VariantArray};

/// What went wrong below a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Cause {
    /// The server, or the file, takes no writes: a primary that was demoted, a disk mounted read-only.
    ReadOnly,
    /// The connection is in a transaction that it should not be in, or in one that has failed.
    BrokenTransaction,
    /// The server ended the session: a shutdown, a crash, an administrator.
    Ended,
    /// The path to the server broke, or there is none.
    Unreachable,
    /// A statement, or the answer to it, took too long.
    TimedOut,
    /// No room is left on the disk.
    Full,
    /// The disk failed otherwise.
    Io,
    /// Others hold what is wanted.
    Locked,
    /// Two transactions stood in each other's way.
    Conflict,
    /// The server gives no more connections: to anybody, to this role, or to this database.
    TooManyConnections,
    /// All connections of this process's pool are in use.
    PoolStarved,
    /// Something else that the server is short of, or that an operator does.
    Server,
}

impl Cause {
    /// The cause behind an error; `None`: the statement's own fault, or a bug.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Option<Self> {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::PoolClosed => Some(Self::Unreachable),
            sqlx::Error::PoolTimedOut => Some(Self::PoolStarved),
            sqlx::Error::BeginFailed | sqlx::Error::InvalidSavePointStatement => {
                Some(Self::BrokenTransaction)
            }
            sqlx::Error::Database(error) => error.code().and_then(|code| Self::of_code(&code)),
            _ => None,
        }
    }

    /// PostgreSQL's codes have five characters. SQLite's have up to four digits, with the primary code in the low byte.
    fn of_code(code: &str) -> Option<Self> {
        if code.len() == 5 {
            return Self::of_sqlstate(code);
        }
        match code.parse::<i64>().ok()? & 0xff {
            5 | 6 => Some(Self::Locked),
            8 => Some(Self::ReadOnly),
            10 | 14 => Some(Self::Io),
            13 => Some(Self::Full),
            _ => None,
        }
    }

    fn of_sqlstate(code: &str) -> Option<Self> {
        match code {
            "25006" => return Some(Self::ReadOnly),
            "25P02" => return Some(Self::BrokenTransaction),
            // A session that was idle in its transaction for too long is ended.
            "25P03" => return Some(Self::Ended),
            "53100" => return Some(Self::Full),
            "53300" => return Some(Self::TooManyConnections),
            "55P03" => return Some(Self::Locked),
            "57014" => return Some(Self::TimedOut),
            "58030" => return Some(Self::Io),
            _ => {}
        }
        match code.get(..2)? {
            "08" => Some(Self::Unreachable),
            "40" => Some(Self::Conflict),
            "57" if code.starts_with("57P") => Some(Self::Ended),
            "53" | "57" | "58" => Some(Self::Server),
            _ => None,
        }
    }

    /// Whether a connection that met this leaves the pool: what it would answer next cannot be relied on (OP-2).
    #[must_use]
    pub fn spoils(self) -> bool {
        match self {
            Self::ReadOnly
            | Self::BrokenTransaction
            | Self::Ended
            | Self::Unreachable
            | Self::TimedOut
            | Self::Full
            | Self::Io => true,
            Self::Locked | Self::Conflict | Self::TooManyConnections | Self::PoolStarved | Self::Server => {
                false
            }
        }
    }

    /// Whether every connection that is open by now has likely met the same: a server that became read-only, or went,
    /// did so for all of its sessions, and each of them would have to fail once to be found out.
    #[must_use]
    pub fn spoils_all(self) -> bool {
        matches!(self, Self::ReadOnly | Self::Ended | Self::Unreachable)
    }

    /// Whether it is the matter of one connection, so that another one may work at once.
    #[must_use]
    pub fn ends_with_its_connection(self) -> bool {
        matches!(self, Self::Ended | Self::Unreachable | Self::BrokenTransaction)
    }

    /// Whether it says something of the database, rather than of the work: two writers that meet are a part of every day.
    #[must_use]
    pub fn is_outage(self) -> bool {
        self != Self::Conflict
    }

    /// As a person reads it in the log, in `/readyz` and in an answer.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::ReadOnly => "it takes no writes",
            Self::BrokenTransaction => "a connection was left in a transaction",
            Self::Ended => "the server ended the session",
            Self::Unreachable => "it cannot be reached",
            Self::TimedOut => "it did not answer in time",
            Self::Full => "no room is left on its disk",
            Self::Io => "its disk fails",
            Self::Locked => "it is locked by another",
            Self::Conflict => "two transactions met",
            Self::TooManyConnections => "the server gives no more connections",
            Self::PoolStarved => "all connections of the pool are in use (--database-connections)",
            Self::Server => "the server is short of something",
        }
    }

    /// By which it goes in metrics and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.into_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OP-2: connections leave for what makes them useless, and not for any error.
    #[test]
    fn what_makes_a_connection_useless_is_told_from_what_does_not() {
        let useless = [
            "25006", "25P02", "57P01", "57P02", "57P03", "57014", "08006", "53100", "13", "10", "266", "8",
            "1032", "14",
        ];
        for code in useless {
            assert!(Cause::of_code(code).is_some_and(Cause::spoils), "{code}");
        }
        for code in [
            "23505", "42P01", "22003", "40001", "40P01", "55P03", "53300", "5", "517", "6", "1", "19",
            "1555", "2067",
        ] {
            assert!(!Cause::of_code(code).is_some_and(Cause::spoils), "{code}");
        }
        assert!(Cause::of(&sqlx::Error::InvalidSavePointStatement).is_some_and(Cause::spoils));
        assert!(!Cause::of(&sqlx::Error::PoolTimedOut).is_some_and(Cause::spoils));
    }

    #[test]
    fn passing_faults_are_told_from_bugs() {
        for code in [
            "08006", "40001", "40P01", "53300", "57P01", "57P03", "55P03", "25006", "5", "261", "517", "6",
            "13", "8",
        ] {
            assert!(Cause::of_code(code).is_some(), "{code}");
        }
        for code in ["23505", "42P01", "22003", "2067", "1", "19", "1555"] {
            assert_eq!(Cause::of_code(code), None, "{code}");
        }
    }
}
