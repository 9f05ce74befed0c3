//! Signature Version 4 of a request
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>). Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a request is signed with, and for.
#[derive(Debug)]
pub(super) struct Signing<'a> {
    pub(super) key_id: &'a str,
    pub(super) secret: &'a SecretString,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// As in the header `x-amz-date`: `20261122T101500Z`.
    pub(super) time: &'a str,
}

impl Signing<'_> {
    /// The header `Authorization` of a POST without a query. All headers are signed: their names in small letters, `host` and `x-amz-date`
    /// among them.
    pub(super) fn authorization(&self, path: &str, headers: &BTreeMap<&str, String>, body: &[u8]) -> String {
        let names = headers.keys().copied().collect::<Vec<_>>().join(";");
        let mut canonical = format!("POST\n{path}\n\n");
        for (name, value) in headers {
            let _ = writeln!(canonical, "{name}:{}", value.trim()); // a String takes it
        }
        let _ = write!(canonical, "\n{names}\n{}", hex(&Sha256::digest(body)));
        let Self { key_id, secret, region, service, time } = self;
        let date = time.get(..8).unwrap_or_default();
        let scope = format!("{date}/{region}/{service}/aws4_request");
        let text = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let key = format!("AWS4{}", secret.expose_secret()).into_bytes();
        let key = [date, region, service, "aws4_request"].iter().fold(key, |key, part| mac(&key, part));
        let signature = hex(&mac(&key, &text));
        format!("{ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}")
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is taken");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `post-vanilla` and `post-header-key-sort` of Amazon's test suite of the algorithm.
    #[test]
    fn known_requests_have_their_signatures() {
        let signing = Signing {
            key_id: "AKIDEXAMPLE",
            secret: &SecretString::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            region: "us-east-1",
            service: "service",
            time: "20150830T123600Z",
        };
        let mut headers = BTreeMap::from([
            ("x-amz-date", "20150830T123600Z".to_owned()),
            ("host", "example.amazonaws.com".to_owned()),
        ]);
        let scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
        assert_eq!(
            signing.authorization("/", &headers, b""),
            format!(
                "{scope}, SignedHeaders=host;x-amz-date, \
                 Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
            )
        );
        headers.insert("my-header1", "value1".to_owned());
        assert_eq!(
            signing.authorization("/", &headers, b""),
            format!(
                "{scope}, SignedHeaders=host;my-header1;x-amz-date, \
                 Signature=c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"
            )
        );
    }
}
