//! People by JWTs of an OpenID Connect issuer, where one is configured.
//!
//! RS256, ES256 and EdDSA only, each key for its own algorithm: a token never chooses how it is checked. Issuer and
//! audience must be the configured ones, and the times fit our clock with a minute's leeway. The issuer's keys are
//! cached, renewed now and then and, at most every 30 s, when a token names an unknown one. Whatever cannot be
//! checked is refused.

mod claims;
mod keys;
mod provider;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::{Validation, decode, decode_header};
use shared_types::Timestamp;

pub use claims::RoleMap;
use keys::{Key, Keys};
pub use keys::{KeySource, KeysAt};

use super::{Identity, Proof};
use crate::clock::Clock;

/// What our clock and the issuer's may differ.
const LEEWAY: Duration = Duration::from_secs(60);
/// How old the keys may be before they are asked for again.
const FRESH: Duration = Duration::from_secs(600);
/// Between two questions to the issuer.
const PAUSE: Duration = Duration::from_secs(30);
/// An issuer that cannot be reached keeps nobody out for this long; then its keys are no longer believed.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// Longer tokens are not looked at.
const LONGEST: usize = 16 << 10;

/// What is asked of a JWT.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    pub issuer: String,
    pub audience: String,
    /// The claim that holds the person's name; `email` must not be an unverified one.
    pub name_claim: String,
    /// The claim that holds the roles, with dots into objects: `realm_access.roles`.
    pub role_claim: String,
    pub roles: RoleMap,
}

/// Checks JWTs.
pub struct Oidc {
    pub(super) settings: OidcSettings,
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    cache: RwLock<Cache>,
    /// One question to the issuer at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Cache {
    keys: Option<(Arc<Keys>, Timestamp)>,
    asked_at: Option<Timestamp>,
    failing: Option<String>,
}

/// Somebody whom a JWT names.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) identity: Identity,
    pub(super) expires_at: Timestamp,
}

/// Why a JWT is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejected {
    /// No JWT at all.
    #[error("the bearer token is not known")]
    NoJwt,
    #[error("the JWT is refused: {0}")]
    Invalid(&'static str),
    #[error("the JWT has expired")]
    Expired,
    #[error("the issuer's keys cannot be had at the moment, so nobody's JWT can be checked")]
    NoKeys,
}

impl Oidc {
    /// Without keys yet: the first look (or the first token) fetches them.
    #[must_use]
    pub fn new(settings: OidcSettings, source: Arc<dyn KeySource>, clock: Arc<dyn Clock>) -> Self {
        provider::install();
        Self { settings, source, clock, cache: RwLock::default(), asking: tokio::sync::Mutex::default() }
    }

    /// Who the JWT names.
    pub(super) async fn verify(&self, token: &str) -> Result<Person, Rejected> {
        if token.len() > LONGEST || token.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return Err(Rejected::NoJwt);
        }
        let header = decode_header(token).map_err(|_| Rejected::Invalid("its header cannot be read"))?;
        if header.crit.is_some() {
            return Err(Rejected::Invalid("it demands extensions that are not known here"));
        }
        let kid = header.kid.as_deref();
        let keys = match self.keys() {
            Some(keys) if keys.find(kid).is_some() => keys,
            _ => self.ask().await.ok_or(Rejected::NoKeys)?,
        };
        let key = keys.find(kid).ok_or(Rejected::Invalid("its key is not one of the issuer's"))?;
        self.check(token, key)
    }

    fn check(&self, token: &str, key: &Key) -> Result<Person, Rejected> {
        let mut validation = Validation::new(key.algorithm);
        // The times are compared with our own clock, below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        let decoded = decode::<serde_json::Value>(token, &key.key, &validation);
        let claims = decoded.map_err(|error| Rejected::Invalid(reason(&error)))?.claims;
        let times = claims::Times::of(&claims).ok_or(Rejected::Invalid("its times cannot be read"))?;
        let now = self.clock.now();
        if times.expires_at.plus(LEEWAY) <= now {
            return Err(Rejected::Expired);
        }
        if times.not_before.is_some_and(|from| from > now.plus(LEEWAY)) {
            return Err(Rejected::Invalid("it is not valid yet"));
        }
        let name = claims::name(&claims, &self.settings.name_claim).map_err(Rejected::Invalid)?;
        let roles = self.settings.roles.of(&claims, &self.settings.role_claim);
        Ok(Person { identity: Identity::proven(&name, roles, Proof::Oidc), expires_at: times.expires_at })
    }

    /// The keys, if they can still be believed.
    fn keys(&self) -> Option<Arc<Keys>> {
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        let (keys, at) = cache.keys.as_ref()?;
        (self.clock.now() < at.plus(STALE)).then(|| Arc::clone(keys))
    }

    /// Asks the issuer for its keys, unless that was done just now; those there are then, if any.
    async fn ask(&self) -> Option<Arc<Keys>> {
        let _one_at_a_time = self.asking.lock().await;
        let now = self.clock.now();
        let asked_at = self.cache.read().unwrap_or_else(PoisonError::into_inner).asked_at;
        if asked_at.is_some_and(|at| now < at.plus(PAUSE)) {
            return self.keys();
        }
        let found = match self.source.fetch().await {
            Ok(text) => Keys::parse(&text),
            Err(error) => Err(error),
        };
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        cache.asked_at = Some(now);
        match found {
            Ok(keys) => {
                cache.keys = Some((Arc::new(keys), now));
                cache.failing = None;
            }
            Err(error) => {
                if cache.failing.as_ref() != Some(&error) {
                    tracing::warn!(error, "the issuer's keys cannot be had");
                }
                cache.failing = Some(error);
            }
        }
        drop(cache);
        self.keys()
    }

    /// Renews the keys when they are due.
    pub(super) async fn look(&self) {
        let (now, due) =
            (self.clock.now(), self.cache.read().unwrap_or_else(PoisonError::into_inner).due_at());
        if due.is_none_or(|due| due <= now) {
            self.ask().await;
        }
    }

    /// Why the keys cannot be had, if so.
    pub(super) fn failing(&self) -> Option<String> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner).failing.clone()
    }
}

impl Cache {
    /// `None`: at once.
    fn due_at(&self) -> Option<Timestamp> {
        self.asked_at.map(|at| at.plus(if self.failing.is_some() { PAUSE } else { FRESH }))
    }
}

/// In our words: what the token is told to be must not depend on a library's.
fn reason(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidAlgorithm => "its algorithm is not its key's",
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::InvalidIssuer => "its issuer is not the configured one",
        ErrorKind::InvalidAudience => "it is meant for another audience",
        ErrorKind::MissingRequiredClaim(_) => "it lacks `exp`, `iss` or `aud`",
        _ => "it cannot be read",
    }
}
