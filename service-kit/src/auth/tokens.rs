//! Bearer tokens from a file of hashes.
//!
//! The file has one line a token, `name role[,role] sha256:<hex of the token's SHA-256> [expires=<RFC 3339>]`;
//! `#` starts a comment. Only hashes are kept, compared in constant time. A token is 256 random bits, so its
//! plain hash is enough: there is no guessing it, whatever the speed.

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};
use shared_types::Timestamp;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::role;

/// What every token of ours begins with, so that scanners of repositories and logs can find one.
pub const TOKEN_PREFIX: &str = "phasegate_";

/// The tokens that are valid.
#[derive(Clone)]
pub struct Tokens {
    entries: Vec<Entry>,
}

/// One token: everything about it but itself.
#[derive(Clone)]
pub struct Entry {
    /// What audit entries and approvals are signed with.
    pub name: String,
    pub roles: BTreeSet<String>,
    /// From then on it is refused.
    pub expires_at: Option<Timestamp>,
    pub(super) hash: [u8; 32],
}

/// Shows names, never hashes.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| &entry.name)).finish()
    }
}

/// Shows the name, never the hash.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.name).finish()
    }
}

/// Why a token file cannot be used. One line, naming file and line, never a hash.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    #[error("{}: cannot be read", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}: {what}", .path.display())]
    Line { path: PathBuf, line: usize, what: String },
    #[error("{}: names no token", .path.display())]
    Empty { path: PathBuf },
}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    /// [`TokensError`] names file, line and what was expected.
    pub fn load(path: &Path) -> Result<Self, TokensError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TokensError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads the text; `path` is for the errors.
    ///
    /// # Errors
    /// [`TokensError`] names file, line and what was expected.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TokensError> {
        let mut entries: Vec<Entry> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let Some(fields) = fields(line) else { continue };
            let entry = Entry::parse(&fields).and_then(|entry| {
                if entries.iter().any(|other| other.name == entry.name) {
                    return Err(format!("the name `{}` is there already", entry.name));
                }
                if entries.iter().any(|other| other.hash == entry.hash) {
                    return Err("this token is there already under another name".to_owned());
                }
                Ok(entry)
            });
            entries.push(entry.map_err(|what| TokensError::Line {
                path: path.to_owned(),
                line: index + 1,
                what,
            })?);
        }
        if entries.is_empty() {
            return Err(TokensError::Empty { path: path.to_owned() });
        }
        Ok(Self { entries })
    }

    /// All of them, in the file's order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The one of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The one that this is, expired or not.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<&Entry> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        // Every entry is looked at, so the time tells nothing about which one matched, or how far.
        let mut found = u64::MAX;
        for (index, entry) in (0_u64..).zip(&self.entries) {
            let equal: Choice = entry.hash.ct_eq(&hash);
            found.conditional_assign(&index, equal);
        }
        usize::try_from(found).ok().and_then(|index| self.entries.get(index))
    }
}

impl Entry {
    /// What the file keeps of a new token.
    ///
    /// # Errors
    /// The name or a role cannot be used; says what was expected.
    pub fn new(
        name: &str,
        roles: &[String],
        expires_at: Option<Timestamp>,
        token: &str,
    ) -> Result<Self, String> {
        check_name(name)?;
        roles.iter().try_for_each(|named| role::check(named))?;
        if roles.is_empty() {
            return Err("a token needs a role".to_owned());
        }
        let roles = roles.iter().cloned().collect();
        Ok(Self { name: name.to_owned(), roles, expires_at, hash: Sha256::digest(token.as_bytes()).into() })
    }

    /// Whether it is no longer valid.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Its line of the file.
    #[must_use]
    pub fn line(&self) -> String {
        let roles = self.roles.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        let mut line = format!("{} {roles} sha256:{}", self.name, hex(&self.hash));
        if let Some(end) = self.expires_at {
            line.push_str(&format!(" expires={end}"));
        }
        line
    }

    fn parse(fields: &[&str]) -> Result<Self, String> {
        let (name, roles, hash, expires) = match *fields {
            [name, roles, hash] => (name, roles, hash, None),
            [name, roles, hash, expires] => (name, roles, hash, Some(expires)),
            _ => return Err("expected `name role[,role] sha256:<64 hex digits> [expires=<time>]`".to_owned()),
        };
        check_name(name)?;
        roles.split(',').try_for_each(role::check)?;
        let hash = hash.strip_prefix("sha256:").and_then(decode_hex);
        let hash = hash.ok_or("the hash must be `sha256:` and 64 hex digits")?;
        let end = |text: &str| Timestamp::parse(text.strip_prefix("expires=")?).ok();
        let expires_at = expires
            .map(|text| end(text).ok_or("expected `expires=` and a time such as 2027-01-31T00:00:00Z"))
            .transpose()?;
        let roles = roles.split(',').map(str::to_owned).collect();
        Ok(Self { name: name.to_owned(), roles, expires_at, hash })
    }
}

/// The text of a file without the line of the token of this name; everything else stays as it is.
///
/// `None`: there is no such line.
#[must_use]
pub fn without(text: &str, name: &str) -> Option<String> {
    let is_it = |line: &str| fields(line).is_some_and(|fields| fields.first() == Some(&name));
    text.lines().any(is_it).then(|| {
        text.lines().filter(|line| !is_it(line)).fold(String::new(), |text, line| text + line + "\n")
    })
}

/// A new token: the prefix and 256 random bits.
///
/// # Panics
/// The system has no randomness to give; nothing that follows could be trusted.
#[must_use]
pub fn new_token() -> String {
    let mut bytes = [0; 32];
    assert!(SystemRandom::new().fill(&mut bytes).is_ok(), "the system gives no random bytes");
    format!("{TOKEN_PREFIX}{}", hex(&bytes))
}

/// `sha256:<hex>` of a token, as the file holds it.
#[must_use]
pub fn hash_of(token: &str) -> String {
    format!("sha256:{}", hex(&Sha256::digest(token.as_bytes())))
}

/// What a line says, without comment; `None` for an empty one.
fn fields(line: &str) -> Option<Vec<&str>> {
    let fields: Vec<&str> = line.split('#').next()?.split_whitespace().collect();
    (!fields.is_empty()).then_some(fields)
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    Err("the name must be 1 to 64 of a-z A-Z 0-9 - _ . @".to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes it
        text
    })
}

fn decode_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16))
        .map(|d| d.and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    let pairs: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] * 16 + pair[1]).collect();
    (digits.len() == 64).then(|| pairs.try_into().ok()).flatten()
}

/// A service without tokens must not be reachable from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "listening on {0} needs PHASEGATE_TOKENS: without tokens only loopback addresses (127.0.0.1, [::1]) are allowed"
)]
pub struct OpenListen(SocketAddr);

/// Refuses a listen address that others could reach when callers are not asked who they are.
///
/// # Errors
/// [`OpenListen`], one line that says what to do.
pub fn check_listen(address: SocketAddr, guarded: bool) -> Result<(), OpenListen> {
    if guarded || address.ip().to_canonical().is_loopback() { Ok(()) } else { Err(OpenListen(address)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Tokens, String> {
        Tokens::parse(text, Path::new("tokens")).map_err(|error| error.to_string())
    }

    #[test]
    fn each_token_is_known_by_its_name() {
        let (alice, bob) = (hash_of("a"), hash_of("b"));
        let tokens =
            parse(&format!("# people\nalice sre,dev-lead {alice} # on call\n\nbob governance {bob}\n"))
                .unwrap();
        let name = |token: &str| tokens.find(token).map(|entry| entry.name.as_str());
        assert_eq!(name("a"), Some("alice"));
        assert_eq!(name("b"), Some("bob"));
        assert_eq!(name("c"), None);
        assert_eq!(name(&alice), None, "a hash is no token");
    }

    #[test]
    fn the_hash_is_that_of_sha256sum() {
        let expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash_of("abc"), expected);
    }

    #[test]
    fn a_wrong_line_is_named_without_its_hash() {
        let hash = hash_of("a");
        let shape = "expected `name role[,role] sha256:<64 hex digits> [expires=<time>]`";
        let cases = [
            ("alice sre".to_owned(), format!("tokens:1: {shape}")),
            (format!("alice sre {hash} expires=2027-01-01T00:00:00Z x"), format!("tokens:1: {shape}")),
            (
                format!("\nal/ice sre {hash}"),
                "tokens:2: the name must be 1 to 64 of a-z A-Z 0-9 - _ . @".into(),
            ),
            (
                format!("alice sre,,x {hash}"),
                "tokens:1: `` is no role: expected 1 to 64 of a-z A-Z 0-9 - _ .".into(),
            ),
            (format!("alice sre {hash}0"), "tokens:1: the hash must be `sha256:` and 64 hex digits".into()),
            (
                "alice sre sha256:xyz".to_owned(),
                "tokens:1: the hash must be `sha256:` and 64 hex digits".into(),
            ),
            (
                format!("alice sre {hash} expires=soon"),
                "tokens:1: expected `expires=` and a time such as 2027-01-31T00:00:00Z".into(),
            ),
            (format!("a sre {hash}\na x {hash}"), "tokens:2: the name `a` is there already".into()),
            (
                format!("a sre {hash}\nb x {hash}"),
                "tokens:2: this token is there already under another name".into(),
            ),
            ("# nobody".to_owned(), "tokens: names no token".to_owned()),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(&text).unwrap_err(), expected);
        }
        let service = parse(&format!("x service {hash}")).unwrap_err();
        assert!(service.starts_with("tokens:1: `service` is no service's role: expected service:collector,"));
    }

    #[test]
    fn a_new_token_and_its_line_belong_together() {
        let (token, end) = (new_token(), Timestamp::parse("2027-01-31T00:00:00Z").unwrap());
        assert_ne!(token, new_token());
        assert!(token.starts_with(TOKEN_PREFIX) && token.len() == TOKEN_PREFIX.len() + 64, "{token}");
        let roles = ["service:reporter".to_owned(), "sre".to_owned()];
        for expires_at in [None, Some(end)] {
            let entry = Entry::new("alice", &roles, expires_at, &token).unwrap();
            let tokens = parse(&entry.line()).unwrap();
            let found = tokens.find(&token).unwrap();
            assert_eq!((&found.name, &found.roles), (&entry.name, &entry.roles));
            assert_eq!(found.expires_at, expires_at);
        }
        let limited = Entry::new("a", &roles, Some(end), &token).unwrap();
        assert!(!limited.is_expired(end.minus(std::time::Duration::from_millis(1))));
        assert!(limited.is_expired(end), "expired at its end, not after it");
    }

    #[test]
    fn a_line_is_taken_out_and_the_others_stay_as_they_are() {
        let text = "# people\nalice sre x\n  bob  viewer y # on leave\n";
        assert_eq!(without(text, "bob").unwrap(), "# people\nalice sre x\n");
        assert_eq!(without(text, "alice").unwrap(), "# people\n  bob  viewer y # on leave\n");
        assert_eq!(without(text, "people"), None);
    }

    #[test]
    fn debug_shows_no_hash() {
        let tokens = parse(&format!("alice sre {}", hash_of("a"))).unwrap();
        assert_eq!(format!("{tokens:?} {:?}", tokens.entries()[0]), r#"["alice"] Entry("alice")"#);
    }

    #[test]
    fn only_loopback_may_be_listened_on_without_tokens() {
        for address in ["127.0.0.1:7101", "127.8.8.8:1", "[::1]:7101", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(check_listen(address.parse().unwrap(), false), Ok(()), "{address}");
        }
        for address in ["0.0.0.0:7101", "[::]:7101", "192.168.0.7:7101", "[::ffff:10.0.0.1]:1"] {
            assert!(check_listen(address.parse().unwrap(), false).is_err(), "{address}");
            assert_eq!(check_listen(address.parse().unwrap(), true), Ok(()), "{address}");
        }
    }
}
