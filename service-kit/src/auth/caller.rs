//! What the calls that open, show and end a browser session work with.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use shared_types::Timestamp;

use super::authenticator::{Authenticator, Verified};
use super::{Identity, session};
use crate::db::DbError;

/// Who calls, with the proof that a session can be opened on. Handlers take it as an extractor.
#[derive(Debug, Clone)]
pub struct Caller {
    pub identity: Identity,
    /// When the proof ends.
    pub expires_at: Option<Timestamp>,
    proof: Option<(Arc<Authenticator>, Verified)>,
}

impl Caller {
    /// Somebody whom nothing had to prove.
    pub(crate) fn unproven(identity: Identity) -> Self {
        Self { identity, expires_at: None, proof: None }
    }

    pub(crate) fn proven(by: Arc<Authenticator>, verified: Verified) -> Self {
        let (identity, expires_at) = (verified.identity.clone(), verified.expires_at);
        Self { identity, expires_at, proof: Some((by, verified)) }
    }

    /// Opens a session: the header `Set-Cookie`, and when the session ends. `None`: none is needed here.
    #[must_use]
    pub fn open_session(&self, headers: &HeaderMap) -> Option<(String, Timestamp)> {
        let (authenticator, verified) = self.proof.as_ref()?;
        let (value, ends) = authenticator.open_session(verified)?;
        let max_age = ends.since(authenticator.now());
        Some((session::set_cookie(&value, max_age, headers), ends))
    }

    /// Ends the session that this call came by, for every copy of its cookie; with `everywhere` all of this person.
    ///
    /// # Errors
    /// The database's; nothing has ended then.
    pub async fn end_session(&self, everywhere: bool) -> Result<(), DbError> {
        match &self.proof {
            Some((authenticator, verified)) => authenticator.end_session(verified, everywhere).await,
            None => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let caller = parts.extensions.get().cloned();
        Ok(caller.unwrap_or_else(|| Self::unproven(Identity::anonymous())))
    }
}
