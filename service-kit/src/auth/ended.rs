//! Sessions that ended before their time: signed out, here or everywhere.
//!
//! A cookie cannot be taken out of the hands of whoever copied it, so that it counts no longer is written down where all
//! replicas look. What is written down is forgotten when the cookie would have ended by itself.

use async_trait::async_trait;
use domain::rollout::known_as;
use shared_types::Timestamp;

use super::session::Claims;
use crate::db::DbError;

/// Where the ended sessions are written down.
#[async_trait]
pub trait EndedSessions: Send + Sync {
    /// Whether this session was ended, or all of its person's.
    ///
    /// # Errors
    /// The database's; nobody knows then.
    async fn is_ended(&self, session: &OpenSession) -> Result<bool, DbError>;

    /// Ends this one session, for every copy of its cookie.
    ///
    /// # Errors
    /// The database's; nothing has ended then.
    async fn end(&self, session: &OpenSession, now: Timestamp) -> Result<(), DbError>;

    /// Ends all sessions that a person has opened until now. `person` as in [`OpenSession`].
    ///
    /// # Errors
    /// The database's; nothing has ended then.
    async fn end_all(&self, person: &str, now: Timestamp) -> Result<(), DbError>;
}

/// A session that a cookie of ours names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// The same for every copy of the cookie, and no other cookie's.
    pub id: String,
    /// As people are told apart: however the name is written.
    pub person: String,
    pub opened_at: Timestamp,
    /// When it ends by itself.
    pub ends_at: Timestamp,
}

impl OpenSession {
    pub(super) fn of(id: String, claims: &Claims) -> Self {
        Self {
            id,
            person: known_as(&claims.name),
            opened_at: Timestamp::from_millis(claims.opened),
            ends_at: Timestamp::from_millis(claims.ends),
        }
    }
}

/// For tests of whoever asks.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct EndedHere {
    ended: std::sync::Mutex<Vec<String>>,
    pub(super) is_away: std::sync::atomic::AtomicBool,
}

#[cfg(test)]
#[async_trait]
impl EndedSessions for EndedHere {
    async fn is_ended(&self, session: &OpenSession) -> Result<bool, DbError> {
        if self.is_away.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(DbError::Busy);
        }
        let ended = self.ended.lock().expect("not poisoned");
        Ok(ended.contains(&session.id) || ended.contains(&session.person))
    }

    async fn end(&self, session: &OpenSession, _: Timestamp) -> Result<(), DbError> {
        self.ended.lock().expect("not poisoned").push(session.id.clone());
        Ok(())
    }

    async fn end_all(&self, person: &str, _: Timestamp) -> Result<(), DbError> {
        self.ended.lock().expect("not poisoned").push(person.to_owned());
        Ok(())
    }
}
