//! The issuer's public keys: where they come from, and which of them can be used.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::Url;
use serde::Deserialize;

const TIMEOUT: Duration = Duration::from_secs(3);
/// Largest set of keys that is read, in bytes.
const LARGEST: usize = 256 << 10;

/// Gives the issuer's keys as a JWK set.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The set's text.
    ///
    /// # Errors
    /// One line on why it cannot be had.
    async fn fetch(&self) -> Result<String, String>;
}

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysAt {
    /// `https`, or `http` on this machine.
    Url(Url),
    File(PathBuf),
}

impl KeysAt {
    /// From what `PHASEGATE_OIDC_JWKS_URL` says.
    ///
    /// # Errors
    /// What was expected. Keys that come over plain HTTP are whoever's is on the way.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = "expected an https:// URL (http:// for this machine only) or file:/path";
        let url = Url::parse(text).map_err(|error| format!("{expected}: {error}"))?;
        let local = url.host_str().is_some_and(crate::auth::is_loopback_host);
        match url.scheme() {
            "https" => Ok(Self::Url(url)),
            "http" if local => Ok(Self::Url(url)),
            "file" => url.to_file_path().map(Self::File).map_err(|()| expected.to_owned()),
            _ => Err(expected.to_owned()),
        }
    }
}

#[async_trait]
impl KeySource for KeysAt {
    async fn fetch(&self) -> Result<String, String> {
        match self {
            Self::File(path) => {
                tokio::fs::read_to_string(path).await.map_err(|error| format!("{}: {error}", path.display()))
            }
            Self::Url(url) => download(url).await.map_err(|error| format!("{url}: {error}")),
        }
    }
}

async fn download(url: &Url) -> Result<String, String> {
    let text = |error: reqwest::Error| error.without_url().to_string();
    let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
    let mut answer = client.build().map_err(text)?.get(url.clone()).send().await.map_err(text)?;
    if !answer.status().is_success() {
        return Err(format!("answered {}", answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(text)? {
        if bytes.len() + chunk.len() > LARGEST {
            return Err(format!("more than {LARGEST} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())
}

/// The keys that can be used, of those that the issuer names.
pub(super) struct Keys(Vec<Key>);

/// One key, for one algorithm.
pub(super) struct Key {
    kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl Keys {
    /// Reads a JWK set; keys of other kinds are passed over, but one must be left.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set = serde_json::from_str(text).map_err(|error| format!("no JWK set: {error}"))?;
        let keys: Vec<Key> = set.keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err("no key for RS256, ES256 or EdDSA in the JWK set".to_owned());
        }
        Ok(Self(keys))
    }

    /// The key that a token names. One that names none means the only one there is.
    pub(super) fn find(&self, kid: Option<&str>) -> Option<&Key> {
        match (kid, &self.0[..]) {
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }
}

fn usable(value: serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(it) if it.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(it) if it.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let fits = jwk.common.key_algorithm.is_none_or(|given| given == named);
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (signs && fits).then_some(Key { kid: jwk.common.key_id, algorithm, key })
}
