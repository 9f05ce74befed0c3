//! Ed25519 signatures over the audit log's heads (OP-9): who has the public key can check them anywhere, and cannot make any.

use domain::audit::seal::{SCHEMA, signed};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use secrecy::{ExposeSecret as _, SecretString};
use shared_types::Timestamp;
use shared_types::audit::{AuditHead, AuditSeal};

/// A key that seals. Printing it shows the public half.
pub struct SealKey(Ed25519KeyPair);

/// Why a seal proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsealed {
    #[error("it is not signed")]
    NotSigned,
    #[error("it is signed with another key")]
    OtherKey,
    #[error("its signature does not hold")]
    Wrong,
}

impl SealKey {
    /// Of 64 hexadecimal digits, as `openssl rand -hex 32` gives them.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(secret: &SecretString) -> Result<Self, &'static str> {
        const EXPECTED: &str = "64 hexadecimal digits";
        let seed = decode(secret.expose_secret().trim()).filter(|it| it.len() == 32).ok_or(EXPECTED)?;
        Ed25519KeyPair::from_seed_unchecked(&seed).map(Self).map_err(|_| EXPECTED)
    }

    /// The public key, in hexadecimal.
    #[must_use]
    pub fn public(&self) -> String {
        encode(self.0.public_key().as_ref())
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SealKey").field(&self.public()).finish()
    }
}

/// The heads of a span as they are, signed where there is a key.
#[must_use]
pub fn seal(
    key: Option<&SealKey>,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    heads: Vec<AuditHead>,
    at: Timestamp,
) -> AuditSeal {
    let schema = SCHEMA.to_owned();
    let mut seal = AuditSeal { schema, at, from, to, heads, key: None, signature: None };
    if let Some(key) = key {
        seal.signature = Some(encode(key.0.sign(signed(&seal).as_bytes()).as_ref()));
        seal.key = Some(key.public());
    }
    seal
}

/// Whether it was signed with the private half of this public key.
///
/// # Errors
/// [`Unsealed`].
pub fn check(seal: &AuditSeal, public: &str) -> Result<(), Unsealed> {
    let (Some(key), Some(signature)) = (&seal.key, &seal.signature) else { return Err(Unsealed::NotSigned) };
    if !key.eq_ignore_ascii_case(public.trim()) {
        return Err(Unsealed::OtherKey);
    }
    let (Some(key), Some(signature)) = (decode(key), decode(signature)) else { return Err(Unsealed::Wrong) };
    UnparsedPublicKey::new(&ED25519, key)
        .verify(signed(seal).as_bytes(), &signature)
        .map_err(|_| Unsealed::Wrong)
}

fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|it| it.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|it| it.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> AuditHead {
        AuditHead { stream: "autosave".to_owned(), first_seq: 1, last_seq: 7, hash: "sha256:00".to_owned() }
    }

    /// OP-9; the key is that of RFC 8032, test 1.
    #[test]
    fn a_seal_holds_as_it_was_made_and_under_its_own_key_only() {
        let secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60".into();
        let key = SealKey::parse(&secret).unwrap();
        assert_eq!(key.public(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let at = Timestamp::from_millis(1000);
        let good = seal(Some(&key), (None, None), vec![head()], at);
        assert_eq!(check(&good, &key.public()), Ok(()));
        assert_eq!(check(&good, &key.public().to_uppercase()), Ok(()));
        let mut cut = good.clone();
        cut.heads[0].last_seq = 6;
        assert_eq!(check(&cut, &key.public()), Err(Unsealed::Wrong));
        let narrowed = AuditSeal { to: Some(at), ..good.clone() };
        assert_eq!(check(&narrowed, &key.public()), Err(Unsealed::Wrong));
        let other = SealKey::parse(&"11".repeat(32).into()).unwrap();
        assert_eq!(check(&good, &other.public()), Err(Unsealed::OtherKey));
        let unsigned = seal(None, (None, None), vec![head()], at);
        assert_eq!(check(&unsigned, &key.public()), Err(Unsealed::NotSigned));
    }

    #[test]
    fn a_key_is_64_hexadecimal_digits_and_never_shown() {
        for wrong in ["", "11", &"zz".repeat(32), &"11".repeat(33)] {
            assert!(SealKey::parse(&wrong.into()).is_err(), "{wrong}");
        }
        let secret = "11".repeat(32);
        assert!(!format!("{:?}", SealKey::parse(&secret.clone().into()).unwrap()).contains(&secret));
    }
}
