//! Which JWTs are taken, and every way of forging one that is not.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderName, Method};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use serde_json::{Value, json};

use super::*;
use crate::auth::ended::EndedHere;
use crate::auth::{Authenticator, Presented, Sessions, Unauthorized};
use crate::clock::ManualClock;

const NOW_S: i64 = 1_800_000_000;

/// An issuer with a key of each kind, made for this run (but the RSA one, which `ring` cannot make).
struct Issuer {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
    random: SystemRandom,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let ec = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self {
            rsa: RsaKeyPair::from_pkcs8(include_bytes!("test-rsa-key.pk8")).unwrap(),
            ec: EcdsaKeyPair::from_pkcs8(kind, ec.as_ref(), &random).unwrap(),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
            random,
        }
    }

    fn jwks(&self) -> String {
        let rsa: PublicKeyComponents<Vec<u8>> = self.rsa.public().into();
        let point = self.ec.public_key().as_ref();
        json!({ "keys": [
            { "kid": "rsa", "kty": "RSA", "use": "sig", "alg": "RS256", "n": b64(&rsa.n), "e": b64(&rsa.e) },
            { "kid": "ec", "kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..]) },
            { "kid": "ed", "kty": "OKP", "crv": "Ed25519", "x": b64(self.ed.public_key().as_ref()) },
            { "kid": "secret", "kty": "oct", "alg": "HS256", "k": b64(b"shared") },
            { "kid": "for-encryption", "kty": "RSA", "use": "enc", "n": b64(&rsa.n), "e": b64(&rsa.e) },
            { "kid": "for-pss", "kty": "RSA", "alg": "PS256", "n": b64(&rsa.n), "e": b64(&rsa.e) },
            { "kid": "unknown-kind", "kty": "XYZ" },
        ] })
        .to_string()
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        match algorithm {
            "RS256" => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature).unwrap();
                signature
            }
            "ES256" => self.ec.sign(&self.random, message).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed.sign(message).as_ref().to_vec(),
            other => panic!("{other}"),
        }
    }

    fn token(&self, algorithm: &str, kid: &str, claims: &Value) -> String {
        let message = unsigned(&json!({ "alg": algorithm, "kid": kid, "typ": "JWT" }), claims);
        let signature = self.sign(algorithm, message.as_bytes());
        format!("{message}.{}", b64(&signature))
    }
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", b64(header.to_string().as_bytes()), b64(claims.to_string().as_bytes()))
}

/// The claims of alice, changed as asked; `null` takes one out.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://id.example", "aud": ["other", "phasegate"], "sub": "7", "email": "alice@example.com",
        "exp": NOW_S + 300, "nbf": NOW_S - 5, "iat": NOW_S - 5, "groups": ["oncall"],
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// Gives what it was told, and counts how often it was asked.
struct Source {
    text: Mutex<Result<String, String>>,
    asked: AtomicUsize,
}

#[async_trait]
impl KeySource for Source {
    async fn fetch(&self) -> Result<String, String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.text.lock().unwrap().clone()
    }
}

struct Rig {
    issuer: Issuer,
    source: Arc<Source>,
    clock: Arc<ManualClock>,
    oidc: Oidc,
}

impl Rig {
    fn new() -> Self {
        let issuer = Issuer::new();
        let source = Arc::new(Source { text: Mutex::new(Ok(issuer.jwks())), asked: AtomicUsize::new(0) });
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(NOW_S * 1000)));
        let settings = OidcSettings {
            issuer: "https://id.example".to_owned(),
            audience: "phasegate".to_owned(),
            name_claim: "email".to_owned(),
            role_claim: "groups".to_owned(),
            roles: RoleMap::parse("oncall=sre").unwrap(),
        };
        let oidc = Oidc::new(settings, Arc::<Source>::clone(&source), Arc::<ManualClock>::clone(&clock));
        Self { issuer, source, clock, oidc }
    }

    async fn verify(&self, token: &str) -> Result<String, String> {
        let person = self.oidc.verify(token).await.map_err(|rejected| rejected.to_string())?;
        assert_eq!(person.identity.proof(), Proof::Oidc);
        Ok(format!("{} {:?}", person.identity.name, person.identity.roles))
    }

    fn asked(&self) -> usize {
        self.source.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn each_algorithm_proves_name_and_roles() {
    let rig = Rig::new();
    for (algorithm, kid) in [("RS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")] {
        let token = rig.issuer.token(algorithm, kid, &claims(&json!({})));
        assert_eq!(rig.verify(&token).await.as_deref(), Ok(r#"alice@example.com {"sre"}"#), "{algorithm}");
        let one = rig.issuer.token(algorithm, kid, &claims(&json!({ "aud": "phasegate", "nbf": null })));
        assert!(rig.verify(&one).await.is_ok(), "{algorithm}");
    }
    assert_eq!(rig.asked(), 1, "the keys are kept");
}

#[tokio::test]
async fn a_forged_token_is_refused() {
    let rig = Rig::new();
    let good = claims(&json!({}));
    let rsa: PublicKeyComponents<Vec<u8>> = rig.issuer.rsa.public().into();
    // What a verifier that lets the token choose would take the public key for: a secret of HS256.
    let hs256 = |kid: &str, secret: &[u8]| {
        let message = unsigned(&json!({ "alg": "HS256", "kid": kid }), &good);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", b64(tag.as_ref()))
    };
    let signed = rig.issuer.token("ES256", "ec", &good);
    let (message, signature) = signed.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let governor = b64(claims(&json!({ "groups": ["gov"] })).to_string().as_bytes());
    let crit = unsigned(&json!({ "alg": "ES256", "kid": "ec", "crit": ["x"] }), &good);
    let crit_signature = b64(&rig.issuer.sign("ES256", crit.as_bytes()));
    let none = |alg: &str| unsigned(&json!({ "alg": alg, "kid": "ec" }), &good) + ".";
    let table: BTreeMap<&str, String> = BTreeMap::from([
        ("alg none", none("none")),
        ("alg None", none("None")),
        ("no signature", format!("{message}.")),
        ("HS256 with the public key as the secret", hs256("rsa", &rsa.n)),
        ("HS256 with the set's symmetric key", hs256("secret", b"shared")),
        ("a tampered payload", format!("{header}.{governor}.{signature}")),
        ("another's signature", format!("{message}.{}", b64(&rig.issuer.sign("EdDSA", message.as_bytes())))),
        ("a key of another algorithm", rig.issuer.token("EdDSA", "ec", &good)),
        ("a key for encryption", rig.issuer.token("RS256", "for-encryption", &good)),
        ("a key for PS256", rig.issuer.token("RS256", "for-pss", &good)),
        ("an unknown key", rig.issuer.token("ES256", "nobody", &good)),
        ("another issuer's key under a known name", Issuer::new().token("ES256", "ec", &good)),
        ("an unknown extension", format!("{crit}.{crit_signature}")),
    ]);
    let mut answers = String::new();
    for (what, token) in table {
        answers.push_str(&format!("{what}: {}\n", rig.verify(&token).await.expect_err(what)));
    }
    insta::assert_snapshot!(answers, @r"
    HS256 with the public key as the secret: the JWT is refused: its algorithm is not its key's
    HS256 with the set's symmetric key: the JWT is refused: its key is not one of the issuer's
    a key for PS256: the JWT is refused: its key is not one of the issuer's
    a key for encryption: the JWT is refused: its key is not one of the issuer's
    a key of another algorithm: the JWT is refused: its algorithm is not its key's
    a tampered payload: the JWT is refused: its signature is wrong
    alg None: the JWT is refused: its header cannot be read
    alg none: the JWT is refused: its header cannot be read
    an unknown extension: the JWT is refused: it demands extensions that are not known here
    an unknown key: the JWT is refused: its key is not one of the issuer's
    another issuer's key under a known name: the JWT is refused: its signature is wrong
    another's signature: the JWT is refused: its signature is wrong
    no signature: the JWT is refused: its signature is wrong
    ");
}

#[tokio::test]
async fn a_token_for_others_or_other_times_is_refused() {
    let rig = Rig::new();
    let table = [
        ("another audience", json!({ "aud": "grafana" })),
        ("no audience", json!({ "aud": null })),
        ("another issuer", json!({ "iss": "https://id.example/" })),
        ("no issuer", json!({ "iss": null })),
        ("expired", json!({ "exp": NOW_S - 60 })),
        ("no end", json!({ "exp": null })),
        ("an end that is no time", json!({ "exp": "tomorrow" })),
        ("not valid yet", json!({ "nbf": NOW_S + 61 })),
        ("a beginning that is no time", json!({ "nbf": [] })),
        ("no name", json!({ "email": null })),
        ("an unverified name", json!({ "email_verified": false })),
    ];
    let mut answers = String::new();
    for (what, changes) in table {
        let token = rig.issuer.token("EdDSA", "ed", &claims(&changes));
        answers.push_str(&format!("{what}: {}\n", rig.verify(&token).await.expect_err(what)));
    }
    insta::assert_snapshot!(answers, @r"
    another audience: the JWT is refused: it is meant for another audience
    no audience: the JWT is refused: it lacks `exp`, `iss` or `aud`
    another issuer: the JWT is refused: its issuer is not the configured one
    no issuer: the JWT is refused: it lacks `exp`, `iss` or `aud`
    expired: the JWT has expired
    no end: the JWT is refused: it lacks `exp`, `iss` or `aud`
    an end that is no time: the JWT is refused: it lacks `exp`, `iss` or `aud`
    not valid yet: the JWT is refused: it is not valid yet
    a beginning that is no time: the JWT is refused: its times cannot be read
    no name: the JWT is refused: it has no name in the configured claim
    an unverified name: the JWT is refused: its e-mail address is not verified
    ");
    for within in [json!({ "exp": NOW_S - 59 }), json!({ "nbf": NOW_S + 60 })] {
        let token = rig.issuer.token("EdDSA", "ed", &claims(&within));
        assert!(rig.verify(&token).await.is_ok(), "within the leeway: {within}");
    }
}

#[tokio::test]
async fn what_is_no_jwt_is_an_unknown_token() {
    let rig = Rig::new();
    for text in ["", "abc", "a.b", "a.b.c.d", &format!("{}.b.c", "a".repeat(LONGEST))] {
        assert_eq!(rig.oidc.verify(text).await.unwrap_err(), Rejected::NoJwt);
    }
    assert_eq!(rig.verify("a.b.c").await.unwrap_err(), "the JWT is refused: its header cannot be read");
    assert_eq!(rig.asked(), 0, "no key is needed to see that");
}

/// A rotated key is known as soon as it is used; made-up names do not make us ask without end.
#[tokio::test]
async fn an_unknown_key_is_asked_for_but_not_often() {
    let rig = Rig::new();
    let old = rig.issuer.token("ES256", "ec", &claims(&json!({})));
    assert!(rig.verify(&old).await.is_ok());
    let next = Issuer::new();
    *rig.source.text.lock().unwrap() = Ok(next.jwks().replace(r#""kid":"ec""#, r#""kid":"ec2""#));
    let new = next.token("ES256", "ec2", &claims(&json!({})));
    for _ in 0..5 {
        assert!(rig.verify(&new).await.is_err(), "asked a moment ago");
    }
    assert_eq!(rig.asked(), 1);
    rig.clock.advance(PAUSE);
    assert!(rig.verify(&new).await.is_ok());
    assert!(rig.verify(&old).await.is_err(), "what the issuer no longer names is no longer valid");
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn keys_are_renewed_and_outlive_an_issuer_that_is_away_for_a_day() {
    let rig = Rig::new();
    rig.oidc.look().await;
    rig.oidc.look().await;
    assert_eq!(rig.asked(), 1);
    *rig.source.text.lock().unwrap() = Err("away".to_owned());
    rig.clock.advance(FRESH);
    rig.oidc.look().await;
    assert_eq!((rig.asked(), rig.oidc.failing().as_deref()), (2, Some("away")));
    rig.clock.advance(PAUSE);
    rig.oidc.look().await;
    assert_eq!(rig.asked(), 3, "tried again soon");
    let far = |hours: i64| claims(&json!({ "exp": NOW_S + hours * 3600 }));
    let token = rig.issuer.token("ES256", "ec", &far(100));
    assert!(rig.verify(&token).await.is_ok());
    rig.clock.advance(STALE);
    assert_eq!(rig.oidc.verify(&token).await.unwrap_err(), Rejected::NoKeys);
    *rig.source.text.lock().unwrap() = Ok(rig.issuer.jwks());
    rig.clock.advance(PAUSE);
    assert!(rig.verify(&token).await.is_ok());
    assert_eq!(rig.oidc.failing(), None);
}

#[test]
fn keys_come_from_https_this_machine_or_a_file() {
    for text in
        ["https://id.example/keys", "http://127.0.0.1:1/keys", "http://localhost/x", "file:/etc/keys.json"]
    {
        assert!(KeysAt::parse(text).is_ok(), "{text}");
    }
    for text in ["http://id.example/keys", "keys.json", "ftp://x/", ""] {
        assert!(KeysAt::parse(text).unwrap_err().starts_with("expected an https:// URL"), "{text}");
    }
}

#[tokio::test]
async fn a_set_without_a_usable_key_is_refused() {
    for (text, expected) in [
        ("[]", "no JWK set"),
        (r#"{"keys":[]}"#, "no key for RS256, ES256 or EdDSA"),
        (r#"{"keys":[{"kty":"oct","k":"c2hhcmVk"}]}"#, "no key for RS256, ES256 or EdDSA"),
    ] {
        let Err(error) = Keys::parse(text) else { panic!("{text}") };
        assert!(error.starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn a_jwt_opens_a_session_that_ends_with_it_and_with_its_issuer() {
    let Rig { issuer, source, clock, oidc } = Rig::new();
    let (kept, settings) = (tempfile::tempdir().unwrap(), oidc.settings.clone());
    let taking = |oidc| {
        let sessions = Sessions::with_kept_key(kept.path()).unwrap();
        Authenticator::new(None, Some(oidc), Arc::<ManualClock>::clone(&clock))
            .with_sessions(sessions, Arc::new(EndedHere::default()))
    };
    let who = async |by: &Authenticator, name: &'static str, value: &str| {
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]);
        by.verify(Presented { method: &Method::GET, headers: &headers, peer: None, session: true }).await
    };
    let authenticator = taking(oidc);
    let jwt = issuer.token("EdDSA", "ed", &claims(&json!({})));
    let verified = who(&authenticator, "authorization", &format!("Bearer {jwt}")).await.unwrap();
    let (value, ends) = authenticator.open_session(&verified).unwrap();
    assert_eq!(ends, Timestamp::from_millis((NOW_S + 300) * 1000), "no longer than the JWT");
    let cookie = format!("phasegate_session={value}");
    let identity = who(&authenticator, "cookie", &cookie).await.unwrap().identity;
    assert_eq!((identity.proof(), identity.name.as_str()), (Proof::Session, "alice@example.com"));
    assert!(identity.holds("sre") && !identity.holds("governance"));

    let settings = OidcSettings { audience: "another".to_owned(), ..settings };
    let moved = taking(Oidc::new(settings, source, Arc::<ManualClock>::clone(&clock)));
    assert_eq!(who(&moved, "cookie", &cookie).await.unwrap_err(), Unauthorized::SessionEnded);
    clock.set(ends);
    assert_eq!(who(&authenticator, "cookie", &cookie).await.unwrap_err(), Unauthorized::SessionEnded);
}
