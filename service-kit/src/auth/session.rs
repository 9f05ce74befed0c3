//! Browser sessions: a signed cookie, so that no replica has to remember one that lasts.
//!
//! The cookie says who, since when, until when, and by what it was opened, under an HMAC with a session key; the token
//! itself is not in it. The keys are secrets of their own (`PHASEGATE_SESSION_KEY`), the same for all replicas, or, where
//! none is configured, a random one kept in the data directory, so that sessions survive a restart. They are not
//! made from the token file or from the service token: a copy of the hashes would then open sessions, and every
//! service could sign a person in. The first key signs, and each reads what it has signed, so that a key is changed
//! without signing anybody out.
//!
//! A session is bound to the token that opened it by a fingerprint: a token that is revoked, replaced or expired
//! ends its sessions at once, and a change of its roles counts from the next call on. One that a JWT opened ends
//! with the JWT, and with a change of the configured issuer. Signing out ends it for every copy of the cookie, as that is
//! written down ([`super::EndedSessions`]). Nothing else ends a stolen cookie, so it is
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
use sha2::{Digest as _, Sha256};

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
    signing: SessionKey,
    /// They sign no more, and what they have signed is still read.
    earlier: Vec<SessionKey>,
}

/// One key, with all that is made by it.
#[derive(Debug)]
pub(super) struct SessionKey(hmac::Key);

/// A cookie that we signed.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    pub(super) claims: Claims,
    /// It signed the cookie, and what the session is bound to.
    pub(super) key: &'a SessionKey,
    /// The same for every copy of the cookie, and no other cookie's.
    pub(super) id: String,
}

/// What a cookie says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) name: String,
    /// Milliseconds since the epoch; 0 in cookies of before it was said.
    #[serde(default)]
    pub(super) opened: i64,
    /// Milliseconds since the epoch.
    pub(super) ends: i64,
    /// Of what it was opened with.
    pub(super) bound: String,
    /// Only where no file says them: opened by a JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) roles: Option<BTreeSet<String>>,
    /// Tells it from another that the same person opens in the same moment.
    #[serde(default)]
    pub(super) nonce: String,
}

/// Why there is no key for sessions. One line, naming the place, never a key.
#[derive(Debug, thiserror::Error)]
pub enum SessionKeyError {
    #[error(
        "{place}: key {nth} of {of}: expected at least {KEY_LENGTH} characters, such as `openssl rand -hex 32` prints; \
         several keys have commas between them"
    )]
    Short { place: String, nth: usize, of: usize },
    #[error("{place}: key {nth} is key {first} again; each key stands there once")]
    Twice { place: String, first: usize, nth: usize },
    #[error("the session key in {path} cannot be used")]
    File { path: String, source: std::io::Error },
    #[error("the system gives no random bytes")]
    NoRandomness,
}

impl Sessions {
    /// With the configured keys, commas between them; the first signs.
    ///
    /// # Errors
    /// [`SessionKeyError::Short`], [`SessionKeyError::Twice`]
    pub fn with_keys(keys: &SecretString) -> Result<Self, SessionKeyError> {
        Self::of(keys, "PHASEGATE_SESSION_KEY")
    }

    fn of(keys: &SecretString, place: &str) -> Result<Self, SessionKeyError> {
        let keys: Vec<&str> = keys.expose_secret().split(',').map(str::trim).collect();
        for (index, key) in keys.iter().enumerate() {
            let (place, nth) = (place.to_owned(), index + 1);
            if key.len() < KEY_LENGTH {
                return Err(SessionKeyError::Short { place, nth, of: keys.len() });
            }
            if let Some(first) = keys[..index].iter().position(|other| other == key) {
                return Err(SessionKeyError::Twice { place, first: first + 1, nth });
            }
        }
        let key = |key: &&str| SessionKey(hmac::Key::new(HMAC_SHA256, key.as_bytes()));
        let (first, rest) = keys.split_first().expect("a split text has a first part");
        Ok(Self { signing: key(first), earlier: rest.iter().map(key).collect() })
    }

    /// With the key in `session.key` of the data directory, which is made at the first start.
    ///
    /// # Errors
    /// The file cannot be read or written; as [`Self::with_keys`].
    pub fn with_kept_key(data_dir: &Path) -> Result<Self, SessionKeyError> {
        let path = data_dir.join("session.key");
        let place = path.display().to_string();
        let failed = |source| SessionKeyError::File { path: place.clone(), source };
        std::fs::create_dir_all(data_dir).map_err(failed)?;
        if !path.try_exists().map_err(failed)? {
            keep(&path, &random::<32>()?).map_err(failed)?;
        }
        Self::of(&std::fs::read_to_string(&path).map_err(failed)?.into(), &place)
    }

    /// What signs new cookies.
    pub(super) fn signing(&self) -> &SessionKey {
        &self.signing
    }

    /// What a cookie's value says, if we signed it.
    pub(super) fn open(&self, value: &str) -> Option<Opened<'_>> {
        let (signed, tag) = value.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let key = std::iter::once(&self.signing)
            .chain(&self.earlier)
            .find(|key| hmac::verify(&key.0, signed.as_bytes(), &tag).is_ok())?;
        let payload = signed.strip_prefix(FORMAT)?.strip_prefix('.')?;
        let claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        Some(Opened { claims, key, id: URL_SAFE_NO_PAD.encode(Sha256::digest(signed)) })
    }
}

/// Random bytes as a text.
///
/// # Errors
/// [`SessionKeyError::NoRandomness`]
pub(super) fn random<const BYTES: usize>() -> Result<String, SessionKeyError> {
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SessionKeyError::NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl SessionKey {
    /// What ties a session to a token of the file. Keyed, so that it tells nothing of the hash.
    pub(super) fn fingerprint_of_token(&self, entry: &Entry) -> String {
        self.fingerprint("token", &entry.hash)
    }

    /// What ties a session to the issuer and audience of the JWT that opened it.
    pub(super) fn fingerprint_of_issuer(&self, issuer: &str, audience: &str) -> String {
        self.fingerprint("oidc", format!("{issuer}\n{audience}").as_bytes())
    }

    fn fingerprint(&self, kind: &str, what: &[u8]) -> String {
        let tag = hmac::sign(&self.0, &[b"bound ", kind.as_bytes(), b" ", what].concat());
        URL_SAFE_NO_PAD.encode(&tag.as_ref()[..16])
    }

    /// The cookie's value.
    pub(super) fn seal(&self, claims: &Claims) -> String {
        let signed = format!("{FORMAT}.{}", URL_SAFE_NO_PAD.encode(plain_text(claims)));
        let tag = hmac::sign(&self.0, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
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
        with_keys(&[key]).unwrap()
    }

    /// Each a character many times.
    fn with_keys(keys: &[&str]) -> Result<Sessions, SessionKeyError> {
        let keys: Vec<String> = keys.iter().map(|key| key.repeat(KEY_LENGTH)).collect();
        Sessions::with_keys(&keys.join(" , ").into())
    }

    fn claims() -> Claims {
        let (name, bound, nonce) = ("alice".to_owned(), "x".to_owned(), "n".to_owned());
        Claims { name, opened: 1_799_999_000_000, ends: 1_800_000_000_000, bound, roles: None, nonce }
    }

    fn read(sessions: &Sessions, cookie: &str) -> Option<Claims> {
        sessions.open(cookie).map(|opened| opened.claims)
    }

    #[test]
    fn a_cookie_is_read_back_and_every_changed_one_refused() {
        let sessions = sessions("k");
        let cookie = sessions.signing().seal(&claims());
        assert_eq!(read(&sessions, &cookie), Some(claims()));
        assert!(!cookie.contains(';') && !cookie.contains(' '));
        for at in 0..cookie.len() {
            let mut bytes = cookie.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last character of a base64 text has bits that mean nothing, and has to have them as zeros.
            assert_eq!(read(&sessions, &changed), None, "changed at {at}");
        }
        for wrong in ["", ".", "v1..", "v1.e30.", &cookie[..cookie.len() - 1], &cookie[3..]] {
            assert_eq!(read(&sessions, wrong), None, "{wrong}");
        }
        assert_eq!(read(&self::sessions("l"), &cookie), None, "another key");
    }

    /// SE-3: at each step of a rotation what was signed before it is read, by every replica, until its key is taken out.
    #[test]
    fn a_key_is_changed_without_signing_anybody_out() {
        let (before, both, swapped, after) =
            (with_keys(&["o"]), with_keys(&["o", "n"]), with_keys(&["n", "o"]), with_keys(&["n"]));
        let (before, both) = (before.unwrap(), both.unwrap());
        let (swapped, after) = (swapped.unwrap(), after.unwrap());
        let (old, new) = (before.signing().seal(&claims()), swapped.signing().seal(&claims()));
        assert_eq!(both.signing().seal(&claims()), old, "the first key signs");
        for sessions in [&both, &swapped] {
            for cookie in [&old, &new] {
                let opened = sessions.open(cookie).unwrap();
                assert_eq!(opened.claims, claims());
                assert_eq!(opened.key.seal(&claims()), *cookie, "bound by the key that signed it");
            }
        }
        assert_eq!((read(&after, &new), read(&after, &old)), (Some(claims()), None));
    }

    /// A cookie of the release before says neither when it was opened nor has it a nonce.
    #[test]
    fn a_cookie_of_before_is_read() {
        let sessions = sessions("k");
        let payload = URL_SAFE_NO_PAD.encode(r#"{"name":"alice","ends":1800000000000,"bound":"x"}"#);
        let signed = format!("v1.{payload}");
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&sessions.signing().0, signed.as_bytes()));
        let expected = Claims { opened: 0, nonce: String::new(), ..claims() };
        assert_eq!(read(&sessions, &format!("{signed}.{tag}")), Some(expected));
    }

    /// SE-3
    #[test]
    fn a_short_key_or_one_that_stands_twice_is_refused_with_one_line() {
        let refused = |keys: &str| Sessions::with_keys(&keys.into()).unwrap_err().to_string();
        let (a, b) = ("a".repeat(KEY_LENGTH), "b".repeat(KEY_LENGTH));
        let short = |nth, of| {
            format!(
                "PHASEGATE_SESSION_KEY: key {nth} of {of}: expected at least 32 characters, such as `openssl rand -hex 32` \
                 prints; several keys have commas between them"
            )
        };
        assert_eq!(refused("short"), short(1, 1));
        assert_eq!(refused(&format!("{a},short")), short(2, 2));
        assert_eq!(refused(&format!("{a}, ")), short(2, 2));
        let twice = "PHASEGATE_SESSION_KEY: key 3 is key 1 again; each key stands there once";
        assert_eq!(refused(&format!("{a},{b}, {a}")), twice);
    }

    #[test]
    fn a_kept_key_stays() {
        let directory = tempfile::tempdir().unwrap();
        let cookie = Sessions::with_kept_key(directory.path()).unwrap().signing().seal(&claims());
        assert_eq!(read(&Sessions::with_kept_key(directory.path()).unwrap(), &cookie), Some(claims()));
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
