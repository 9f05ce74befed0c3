//! Signatures over raw bodies, by HMAC-SHA256: those of vendors, in hex, compared in constant time; and our own, as Standard
//! Webhooks has them (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// What a secret of Standard Webhooks begins with.
const WEBHOOK_SECRET: &str = "whsec_";

/// Whether `hex` is the HMAC-SHA256 of the parts, one after the other, under the secret.
#[must_use]
pub fn is_signed(secret: &SecretString, parts: &[&[u8]], hex: &str) -> bool {
    let Some(given) = decode(hex) else { return false };
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return false };
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_slice(&given).is_ok()
}

/// What a webhook is sent with: its id, the time of the attempt in seconds since 1970, and a signature by each secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookHeaders {
    pub id: String,
    pub timestamp: String,
    pub signature: String,
}

impl WebhookHeaders {
    /// Of a body. `secrets`: base64 after `whsec_`; several with white space between, while one takes the other's place.
    ///
    /// # Errors
    /// There is no secret, or one that is none, in words without it.
    pub fn sign(secrets: &SecretString, id: &str, seconds: i64, body: &str) -> Result<Self, &'static str> {
        let (id, timestamp) = (id.to_owned(), seconds.to_string());
        let signed = |secret: &str| {
            let key = secret.strip_prefix(WEBHOOK_SECRET).and_then(|it| STANDARD.decode(it).ok());
            let key = key.filter(|key| !key.is_empty()).ok_or("expected `whsec_` and base64 after it")?;
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| "the key is of no use")?;
            mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
            Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        };
        let signatures = secrets.expose_secret().split_whitespace().map(signed);
        let signatures: Vec<String> = signatures.collect::<Result<_, &'static str>>()?;
        if signatures.is_empty() {
            return Err("expected `whsec_` and base64 after it, found nothing");
        }
        Ok(Self { signature: signatures.join(" "), id, timestamp })
    }
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

    /// The example of the reference implementations' own tests; each further secret adds a signature.
    #[test]
    fn a_webhook_is_signed_as_the_reference_signs_it() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signed = |secrets: &str| {
            let secrets = SecretString::from(secrets.to_owned());
            WebhookHeaders::sign(
                &secrets,
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
            )
        };
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed(secret).unwrap().signature, signature);
        let both = signed(&format!("{secret}\nwhsec_AAAA\n")).unwrap().signature;
        assert!(both.starts_with(&format!("{signature} v1,")), "{both}");
        for wrong in ["", " ", "whsec_", "whsec_?", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(signed(wrong).is_err(), "{wrong}");
        }
    }
}
