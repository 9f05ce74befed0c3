//! Finds out who calls: by a token of the file, a JWT, or the cookie of a browser session.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method};
use shared_types::Timestamp;
use tokio_util::sync::CancellationToken;

use super::ended::{EndedSessions, OpenSession};
use super::oidc::{Oidc, Rejected};
use super::reload::TokenFile;
use super::session::{self, Claims, Opened, Sessions};
use super::throttle::Throttle;
use super::{Identity, Proof, Tokens, same_origin};
use crate::clock::Clock;
use crate::db::DbError;
use crate::http::CheckState;
use crate::seldom;
use domain::rollout::known_as;

/// How often the token file and the issuer's keys are looked after.
const LOOK: Duration = Duration::from_secs(2);

/// Knows who may call. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    known: Arc<Known>,
    browser: Option<Arc<Browser>>,
    clock: Arc<dyn Clock>,
}

/// What browser sessions are opened, read and ended with.
struct Browser {
    sessions: Sessions,
    ended: Arc<dyn EndedSessions>,
}

struct Known {
    file: Option<TokenFile>,
    oidc: Option<Oidc>,
    failures: Mutex<Throttle>,
}

/// A call, as far as it tells who makes it.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    pub peer: Option<IpAddr>,
    /// Whether the cookie of a session will do.
    pub session: bool,
}

/// Somebody proven.
#[derive(Debug, Clone)]
pub struct Verified {
    pub identity: Identity,
    /// When the proof ends.
    pub expires_at: Option<Timestamp>,
    basis: Basis,
}

/// What somebody was proven by.
#[derive(Debug, Clone)]
enum Basis {
    /// A session would be bound to it.
    Token(Box<super::tokens::Entry>),
    Issuer,
    /// It opens no further one.
    Session(OpenSession),
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unauthorized {
    #[error("expected a header `Authorization: Bearer <token>`")]
    Missing,
    #[error("the bearer token is not known")]
    Unknown,
    #[error("the bearer token has expired")]
    Expired,
    #[error("{0}")]
    Jwt(String),
    #[error("the session has ended; sign in again")]
    SessionEnded,
    #[error(
        "a change by a browser session must come from this service's own page, with the header `X-Phasegate-Request: 1`"
    )]
    ForeignPage,
    #[error("too many wrong tokens from this address")]
    TooMany(Duration),
    #[error("the issuer's keys cannot be had at the moment, so no JWT can be checked")]
    NoKeys,
    #[error("the database does not say whether this session was ended; try again, or use a token")]
    NotSaid,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("file", &self.known.file)
            .field("oidc", &self.known.oidc.as_ref().map(|oidc| &oidc.settings))
            .field("sessions", &self.browser.is_some())
            .finish_non_exhaustive()
    }
}

impl Authenticator {
    /// With what is configured.
    #[must_use]
    pub fn new(file: Option<TokenFile>, oidc: Option<Oidc>, clock: Arc<dyn Clock>) -> Self {
        let known = Known { file, oidc, failures: Mutex::default() };
        Self { known: Arc::new(known), browser: None, clock }
    }

    /// The same, taking (and opening) browser sessions too, unless they were ended.
    #[must_use]
    pub fn with_sessions(&self, sessions: Sessions, ended: Arc<dyn EndedSessions>) -> Self {
        Self { browser: Some(Arc::new(Browser { sessions, ended })), ..self.clone() }
    }

    /// Who makes this call. A bearer token comes before a cookie.
    ///
    /// # Errors
    /// [`Unauthorized`]; a wrong token counts against its peer.
    pub async fn verify(&self, call: Presented<'_>) -> Result<Verified, Unauthorized> {
        let verified = match (bearer(call.headers)?, session::cookie(call.headers)) {
            (Some(token), _) => self.by_token(token).await,
            (None, Some(cookie)) if call.session => self.by_session(cookie, call).await,
            (None, _) => return Err(Unauthorized::Missing),
        };
        let is_guess = matches!(verified, Err(Unauthorized::Unknown | Unauthorized::Jwt(_)));
        if is_guess {
            let mut failures = self.known.failures.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(wait) = failures.failed(call.peer, self.clock.now()) {
                return Err(Unauthorized::TooMany(wait));
            }
        }
        verified
    }

    /// Whether the file, if it is the only authority, does not know this token (any more).
    #[must_use]
    pub fn lacks(&self, token: &str) -> bool {
        let Known { file: Some(file), oidc: None, .. } = &*self.known else { return false };
        file.tokens().find(token).is_none_or(|entry| entry.is_expired(self.clock.now()))
    }

    async fn by_token(&self, token: &str) -> Result<Verified, Unauthorized> {
        let tokens = self.known.file.as_ref().map(TokenFile::tokens);
        if let Some(entry) = tokens.as_ref().and_then(|tokens| tokens.find(token)) {
            if entry.is_expired(self.clock.now()) {
                return Err(Unauthorized::Expired);
            }
            let identity = Identity::proven(&entry.name, entry.roles.iter().cloned(), Proof::Token);
            let basis = Basis::Token(Box::new(entry.clone()));
            return Ok(Verified { identity, expires_at: entry.expires_at, basis });
        }
        let Some(oidc) = &self.known.oidc else { return Err(Unauthorized::Unknown) };
        match oidc.verify(token).await {
            Ok(person) => Ok(Verified {
                identity: person.identity,
                expires_at: Some(person.expires_at),
                basis: Basis::Issuer,
            }),
            Err(Rejected::NoJwt) => Err(Unauthorized::Unknown),
            Err(Rejected::Expired) => Err(Unauthorized::Expired),
            Err(Rejected::NoKeys) => Err(Unauthorized::NoKeys),
            Err(rejected @ Rejected::Invalid(_)) => Err(Unauthorized::Jwt(rejected.to_string())),
        }
    }

    async fn by_session(&self, cookie: &str, call: Presented<'_>) -> Result<Verified, Unauthorized> {
        let Browser { sessions, ended } = &**self.browser.as_ref().ok_or(Unauthorized::Missing)?;
        let opened = sessions.open(cookie).ok_or(Unauthorized::SessionEnded)?;
        let now = self.clock.now();
        let ends = Timestamp::from_millis(opened.claims.ends);
        if ends <= now {
            return Err(Unauthorized::SessionEnded);
        }
        let tokens = self.known.file.as_ref().map(TokenFile::tokens);
        let roles = self.session_roles(&opened, tokens.as_deref(), now).ok_or(Unauthorized::SessionEnded)?;
        if !same_origin::is_safe(call.method) && !same_origin::is_proven(call.headers) {
            return Err(Unauthorized::ForeignPage);
        }
        let identity = Identity::proven(&opened.claims.name, roles, Proof::Session);
        let session = OpenSession::of(opened.id, &opened.claims);
        match ended.is_ended(&session).await {
            Ok(false) => Ok(Verified { identity, expires_at: Some(ends), basis: Basis::Session(session) }),
            Ok(true) => Err(Unauthorized::SessionEnded),
            Err(error) => {
                seldom!(warn, "whether sessions were ended is not known, so none is taken", &error);
                Err(Unauthorized::NotSaid)
            }
        }
    }

    /// What the session's person may do now; `None`: what it was opened with is no longer valid.
    fn session_roles(
        &self,
        Opened { claims, key, .. }: &Opened<'_>,
        tokens: Option<&Tokens>,
        now: Timestamp,
    ) -> Option<Vec<String>> {
        if let Some(roles) = &claims.roles {
            let settings = &self.known.oidc.as_ref()?.settings;
            let bound = key.fingerprint_of_issuer(&settings.issuer, &settings.audience);
            return (bound == claims.bound).then(|| roles.iter().cloned().collect());
        }
        let entry = tokens?.named(&claims.name).filter(|entry| !entry.is_expired(now))?;
        (key.fingerprint_of_token(entry) == claims.bound).then(|| entry.roles.iter().cloned().collect())
    }

    /// Opens a browser session for somebody whom a token or a JWT proved: the cookie's value and its end.
    ///
    /// `None`: this service takes no sessions, or the proof was a session itself, which opens no further one.
    #[must_use]
    pub fn open_session(&self, verified: &Verified) -> Option<(String, Timestamp)> {
        let key = self.browser.as_ref()?.sessions.signing();
        let now = self.clock.now();
        let latest = now.plus(session::LIFE);
        let ends = verified.expires_at.map_or(latest, |end| end.min(latest));
        let identity = &verified.identity;
        let (bound, roles) = match &verified.basis {
            Basis::Token(entry) => (key.fingerprint_of_token(entry), None),
            Basis::Issuer => {
                let settings = &self.known.oidc.as_ref()?.settings;
                let bound = key.fingerprint_of_issuer(&settings.issuer, &settings.audience);
                (bound, Some(identity.roles.clone()))
            }
            Basis::Session(_) => return None,
        };
        let nonce = session::random::<12>().ok()?;
        let (name, opened) = (identity.name.clone(), now.as_millis());
        let claims = Claims { name, opened, ends: ends.as_millis(), bound, roles, nonce };
        Some((key.seal(&claims), ends))
    }

    /// Ends the session that proved somebody, for every copy of its cookie; with `everywhere` all that this person has
    /// opened, by whatever they are proven. Without a session, and where none are taken, there is nothing to end.
    ///
    /// # Errors
    /// The database's; nothing has ended then.
    pub async fn end_session(&self, verified: &Verified, everywhere: bool) -> Result<(), DbError> {
        let Some(browser) = &self.browser else { return Ok(()) };
        let now = self.clock.now();
        if let Basis::Session(session) = &verified.basis {
            browser.ended.end(session, now).await?;
        }
        if everywhere {
            browser.ended.end_all(&known_as(&verified.identity.name), now).await?;
        }
        Ok(())
    }

    /// Now, by the clock that proofs are checked with.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Looks at the token file and at the issuer's keys once.
    pub async fn look(&self) {
        if let Some(file) = &self.known.file {
            file.look().await;
        }
        if let Some(oidc) = &self.known.oidc {
            oidc.look().await;
        }
    }

    /// Keeps both current until `stop`.
    pub async fn keep_current(&self, stop: CancellationToken) {
        loop {
            self.look().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// For `/readyz`: works on when a new token file is refused or the issuer is away, but somebody should look.
    #[must_use]
    pub fn state(&self) -> CheckState {
        let refused = self.known.file.as_ref().and_then(TokenFile::refused);
        let refused = refused.map(|why| format!("{why}; the tokens before it stay in force"));
        let failing = self.known.oidc.as_ref().and_then(Oidc::failing);
        let failing = failing.map(|why| format!("the issuer's keys cannot be had: {why}"));
        match [refused, failing].into_iter().flatten().reduce(|all, one| format!("{all}; {one}")) {
            Some(detail) => CheckState::Degraded(detail),
            None => CheckState::Ok,
        }
    }
}

/// The call's bearer token; an `Authorization` header of another kind, or two, is no proof of anything.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Unauthorized> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        _ => return Err(Unauthorized::Missing),
    };
    let text = value.to_str().map_err(|_| Unauthorized::Missing)?;
    let (scheme, token) = text.split_once(' ').ok_or(Unauthorized::Missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(token.trim())) } else { Err(Unauthorized::Missing) }
}

#[cfg(test)]
#[path = "authenticator_tests.rs"]
mod tests;
