//! Browser sessions: a signed cookie, so that no replica has to remember one.
//!
//! The cookie says who, until when, and by what it was opened, under an HMAC with the session key; the token
//! itself is not in it. The key is a secret of its own (`PHASEGATE_SESSION_KEY`), the same for all replicas, or, where
//! none is configured, a random one kept in the data directory, so that sessions survive a restart. It is not
//! made from the token file or from the service token: a copy of the hashes would then open sessions, and every
//! service could sign a person in.
//!
//! A session is bound to the token that opened it by a fingerprint: a token that is revoked, replaced or expired
//! ends its sessions at once, and a change of its roles counts from the next call on. One that a JWT opened ends
//! with the JWT, and with a change of the configured issuer. Nothing ends a stolen cookie before that, so it is
//! out of reach for scripts (`HttpOnly`), is sent by our own page alone (`SameSite=Strict`), and lives for 12 h
//! at most.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{COOKIE, HOST, ORIGIN};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::tokens::Entry;
use domain::stored::plain_text;

/// The cookie's name.
pub const COOKIE_NAME: &str = "phasegate_session";
/// How long a session lasts at most: a shift.
pub const LIFE: Duration = Duration::from_secs(12 * 3600);
/// What a configured key must at least be long, in characters.
const KEY_LENGTH: usize = 32;
const FORMAT: &str = "v1";

/// Signs and reads the cookies.
#[derive(Debug)]
pub struct Sessions {
    key: hmac::Key,
}

/// What a cookie says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) name: String,
    /// Milliseconds since the epoch.
    pub(super) ends: i64,
    /// Of what it was opened with.
    pub(super) bound: String,
    /// Only where no file says them: opened by a JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) roles: Option<BTreeSet<String>>,
}

/// Why there is no key for sessions.
#[derive(Debug, thiserror::Error)]
pub enum SessionKeyError {
    #[error(
        "PHASEGATE_SESSION_KEY: expected at least {KEY_LENGTH} characters, such as `openssl rand -hex 32` prints"
    )]
    Short,
    #[error("the session key in {path} cannot be used")]
    File { path: String, source: std::io::Error },
    #[error("the system gives no random bytes")]
    NoRandomness,
}

impl Sessions {
    /// With the configured key.
    ///
    /// # Errors
    /// [`SessionKeyError::Short`]
    pub fn with_key(key: &SecretString) -> Result<Self, SessionKeyError> {
        let key = key.expose_secret().trim();
        if key.len() < KEY_LENGTH {
            return Err(SessionKeyError::Short);
        }
        Ok(Self { key: hmac::Key::new(HMAC_SHA256, key.as_bytes()) })
    }

    /// With the key in `session.key` of the data directory, which is made at the first start.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn with_kept_key(data_dir: &Path) -> Result<Self, SessionKeyError> {
        let path = data_dir.join("session.key");
        let failed = |source| SessionKeyError::File { path: path.display().to_string(), source };
        std::fs::create_dir_all(data_dir).map_err(failed)?;
        if !path.try_exists().map_err(failed)? {
            let mut bytes = [0; 32];
            SystemRandom::new().fill(&mut bytes).map_err(|_| SessionKeyError::NoRandomness)?;
            keep(&path, &URL_SAFE_NO_PAD.encode(bytes)).map_err(failed)?;
        }
        Self::with_key(&std::fs::read_to_string(&path).map_err(failed)?.into())
    }

    /// What ties a session to a token of the file. Keyed, so that it tells nothing of the hash.
    pub(super) fn fingerprint_of_token(&self, entry: &Entry) -> String {
        self.fingerprint("token", &entry.hash)
    }

    /// What ties a session to the issuer and audience of the JWT that opened it.
    pub(super) fn fingerprint_of_issuer(&self, issuer: &str, audience: &str) -> String {
        self.fingerprint("oidc", format!("{issuer}\n{audience}").as_bytes())
    }

    fn fingerprint(&self, kind: &str, what: &[u8]) -> String {
        let tag = hmac::sign(&self.key, &[b"bound ", kind.as_bytes(), b" ", what].concat());
        URL_SAFE_NO_PAD.encode(&tag.as_ref()[..16])
    }

    /// The cookie's value.
    pub(super) fn seal(&self, claims: &Claims) -> String {
        let signed = format!("{FORMAT}.{}", URL_SAFE_NO_PAD.encode(plain_text(claims)));
        let tag = hmac::sign(&self.key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// What a cookie's value says, if we signed it. `ring` compares in constant time.
    pub(super) fn open(&self, value: &str) -> Option<Claims> {
        let (signed, tag) = value.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.key, signed.as_bytes(), &tag).ok()?;
        let payload = signed.strip_prefix(FORMAT)?.strip_prefix('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }
}

/// Written beside and linked into place: replicas that share the directory agree on whichever was first.
fn keep(path: &Path, key: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(key.as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The session cookie of a call, if it has exactly one.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs =
        headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(';'));
    let mut values = pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='));
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// The header `Set-Cookie` of a new session, or, without a value, of its end.
///
/// `Secure` unless the page was reached by plain HTTP, where a browser would not keep such a cookie.
#[must_use]
pub fn set_cookie(value: &str, max_age: Duration, headers: &HeaderMap) -> String {
    let secure = if is_secure(headers) { "; Secure" } else { "" };
    let max_age = max_age.as_secs();
    format!("{COOKIE_NAME}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={max_age}{secure}")
}

/// A page knows its own scheme and says it in `Origin`, a proxy that ends TLS in `X-Forwarded-Proto`. Without
/// either only this machine is taken to be plain.
fn is_secure(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")) {
        return true;
    }
    match text(ORIGIN.as_str()) {
        Some(origin) => origin.starts_with("https://"),
        None => !text(HOST.as_str()).is_some_and(is_loopback_host),
    }
}

/// Whether a `Host` names this machine.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(key: &str) -> Sessions {
        Sessions::with_key(&key.repeat(KEY_LENGTH).into()).unwrap()
    }

    fn claims() -> Claims {
        Claims { name: "alice".into(), ends: 1_800_000_000_000, bound: "x".into(), roles: None }
    }

    #[test]
    fn a_cookie_is_read_back_and_every_changed_one_refused() {
        let sessions = sessions("k");
        let cookie = sessions.seal(&claims());
        assert_eq!(sessions.open(&cookie), Some(claims()));
        assert!(!cookie.contains(';') && !cookie.contains(' '));
        for at in 0..cookie.len() {
            let mut bytes = cookie.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last character of a base64 text has bits that mean nothing, and has to have them as zeros.
            assert_eq!(sessions.open(&changed), None, "changed at {at}");
        }
        for wrong in ["", ".", "v1..", "v1.e30.", &cookie[..cookie.len() - 1], &cookie[3..]] {
            assert_eq!(sessions.open(wrong), None, "{wrong}");
        }
        assert_eq!(self::sessions("l").open(&cookie), None, "another key");
    }

    #[test]
    fn a_short_key_is_refused_and_a_kept_one_stays() {
        assert!(matches!(Sessions::with_key(&"short".into()), Err(SessionKeyError::Short)));
        let directory = tempfile::tempdir().unwrap();
        let cookie = Sessions::with_kept_key(directory.path()).unwrap().seal(&claims());
        assert_eq!(Sessions::with_kept_key(directory.path()).unwrap().open(&cookie), Some(claims()));
        let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap()).collect();
        assert_eq!(files.len(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn one_session_cookie_is_found_among_others_and_two_are_none() {
        let find = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(COOKIE, value.parse().unwrap());
            }
            cookie(&headers).map(str::to_owned)
        };
        assert_eq!(find(&["a=b; phasegate_session=v1.x.y; c=d"]).as_deref(), Some("v1.x.y"));
        assert_eq!(find(&["a=b", "phasegate_session=z"]).as_deref(), Some("z"));
        for none in
            [&["a=b"][..], &["xphasegate_session=z"], &["phasegate_session=a; phasegate_session=b"], &[]]
        {
            assert_eq!(find(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_cookie_is_secure_unless_the_page_came_by_plain_http() {
        let secure = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            set_cookie("v", LIFE, &headers.collect()).ends_with("; Secure")
        };
        assert!(secure(&[("host", "gate.example")]));
        assert!(secure(&[("host", "localhost:7103"), ("origin", "https://gate.example")]));
        assert!(secure(&[("host", "localhost"), ("x-forwarded-proto", "https")]));
        assert!(!secure(&[("host", "localhost:7103")]));
        assert!(!secure(&[("host", "[::1]:7103")]));
        assert!(!secure(&[("host", "10.0.0.7:7103"), ("origin", "http://10.0.0.7:7103")]));
        let text = set_cookie("v", LIFE, &HeaderMap::new());
        assert_eq!(text, "phasegate_session=v; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200; Secure");
    }
}
