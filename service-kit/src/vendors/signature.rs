//! Signatures of vendors over raw bodies: hex HMAC-SHA256, compared in constant time.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// Whether `hex` is the HMAC-SHA256 of the parts, one after the other, under the secret.
#[must_use]
pub fn is_signed(secret: &SecretString, parts: &[&[u8]], hex: &str) -> bool {
    let Some(given) = decode(hex) else { return false };
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return false };
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_slice(&given).is_ok()
}

fn decode(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let pair = |pair: &[u8]| {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
        Some(digit(pair[0])? << 4 | digit(pair[1])?)
    };
    digits.chunks_exact(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn a_known_signature_is_known() {
        let secret = SecretString::from("Jefe");
        let hex = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(is_signed(&secret, &[b"what do ya want ", b"for nothing?"], hex));
        assert!(is_signed(&secret, &[b"what do ya want for nothing?"], &hex.to_uppercase()));
        let other = format!("6{}", &hex[1..]);
        for wrong in ["", "5bdc", other.as_str(), &hex[..63], "zz"] {
            assert!(!is_signed(&secret, &[b"what do ya want for nothing?"], wrong), "{wrong}");
        }
        assert!(!is_signed(&SecretString::from("jefe"), &[b"what do ya want for nothing?"], hex));
        assert!(!is_signed(&secret, &[b"what do ya want for nothing!"], hex));
    }
}
