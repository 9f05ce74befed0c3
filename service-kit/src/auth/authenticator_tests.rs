use axum::http::HeaderValue;
use axum::http::header::COOKIE;

use super::*;
use crate::auth::ended::EndedHere;
use crate::auth::tokens::{Entry, hash_of};
use crate::clock::ManualClock;

/// Tokens `a` of alice (sre, until 20:00) and `b` of bob (viewer).
struct Rig {
    directory: tempfile::TempDir,
    clock: Arc<ManualClock>,
    ended: Arc<EndedHere>,
    authenticator: Authenticator,
}

fn start() -> Timestamp {
    Timestamp::parse("2026-11-22T08:00:00Z").unwrap()
}

impl Rig {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        let lines =
            format!("alice sre {} expires=2026-11-22T20:00:00Z\nbob viewer {}\n", hash_of("a"), hash_of("b"));
        std::fs::write(&path, lines).unwrap();
        let clock = Arc::new(ManualClock::at(start()));
        let file = TokenFile::open(&path).unwrap();
        let sessions = Sessions::with_kept_key(directory.path()).unwrap();
        let ended = Arc::new(EndedHere::default());
        let authenticator = Authenticator::new(Some(file), None, Arc::<ManualClock>::clone(&clock))
            .with_sessions(sessions, Arc::clone(&ended) as _);
        Self { directory, clock, ended, authenticator }
    }

    fn rewrite(&self, lines: &str) {
        std::fs::write(self.directory.path().join("tokens"), lines).unwrap();
    }

    async fn call(&self, headers: &[(&'static str, &str)]) -> Result<Verified, Unauthorized> {
        self.call_as(&Method::GET, headers).await
    }

    async fn call_as(
        &self,
        method: &Method,
        headers: &[(&'static str, &str)],
    ) -> Result<Verified, Unauthorized> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let peer = Some("192.0.2.1".parse().unwrap());
        self.authenticator.verify(Presented { method, headers: &map, peer, session: true }).await
    }

    async fn session(&self, token: &str) -> (String, Timestamp) {
        let verified = self.call(&[("authorization", &format!("Bearer {token}"))]).await.unwrap();
        let (value, ends) = self.authenticator.open_session(&verified).unwrap();
        (format!("phasegate_session={value}"), ends)
    }
}

fn name(verified: Result<Verified, Unauthorized>) -> Result<String, Unauthorized> {
    verified.map(|verified| verified.identity.name)
}

#[tokio::test]
async fn one_bearer_token_is_asked_for() {
    let rig = Rig::new();
    assert_eq!(name(rig.call(&[("authorization", "Bearer a")]).await), Ok("alice".into()));
    assert_eq!(name(rig.call(&[("authorization", "bearer  b ")]).await), Ok("bob".into()));
    for headers in [
        &[][..],
        &[("authorization", "Basic a")],
        &[("authorization", "a")],
        &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
    ] {
        assert_eq!(name(rig.call(headers).await), Err(Unauthorized::Missing), "{headers:?}");
    }
    assert_eq!(name(rig.call(&[("authorization", "Bearer c")]).await), Err(Unauthorized::Unknown));
}

#[tokio::test]
async fn an_expired_token_is_refused_and_says_so() {
    let rig = Rig::new();
    rig.clock.set(Timestamp::parse("2026-11-22T20:00:00Z").unwrap());
    assert_eq!(name(rig.call(&[("authorization", "Bearer a")]).await), Err(Unauthorized::Expired));
    assert_eq!(name(rig.call(&[("authorization", "Bearer b")]).await), Ok("bob".into()));
}

/// A NATed office is not locked out by one wrong script in it.
#[tokio::test]
async fn wrong_tokens_are_put_off_and_right_ones_from_there_are_not() {
    let rig = Rig::new();
    let wrong = [("authorization", "Bearer wrong")];
    for _ in 0..10 {
        assert_eq!(name(rig.call(&wrong).await), Err(Unauthorized::Unknown));
    }
    assert!(matches!(rig.call(&wrong).await, Err(Unauthorized::TooMany(_))));
    assert_eq!(name(rig.call(&[("authorization", "Bearer a")]).await), Ok("alice".into()));
    assert_eq!(name(rig.call(&[]).await), Err(Unauthorized::Missing), "nothing was guessed");
    rig.clock.advance(Duration::from_secs(6));
    assert_eq!(name(rig.call(&wrong).await), Err(Unauthorized::Unknown));
}

#[tokio::test]
async fn a_session_lasts_a_shift_or_as_long_as_its_token() {
    let rig = Rig::new();
    let (cookie, ends) = rig.session("b").await;
    assert_eq!(ends, start().plus(session::LIFE));
    let verified = rig.call(&[("cookie", &cookie)]).await.unwrap();
    assert_eq!((verified.identity.proof(), verified.identity.name.as_str()), (Proof::Session, "bob"));
    assert!(rig.authenticator.open_session(&verified).is_none(), "a session opens no other one");

    rig.clock.advance(Duration::from_secs(3600));
    let (short, ends) = rig.session("a").await;
    assert_eq!(ends, Timestamp::parse("2026-11-22T20:00:00Z").unwrap());
    rig.clock.set(ends);
    assert_eq!(name(rig.call(&[("cookie", &short)]).await), Err(Unauthorized::SessionEnded));
    assert_eq!(name(rig.call(&[("cookie", &cookie)]).await), Err(Unauthorized::SessionEnded));
}

/// SE-3: who signed out is out, whoever has a copy of the cookie; another session of the same person is not.
#[tokio::test]
async fn signing_out_ends_the_session_for_every_copy_of_its_cookie() {
    let rig = Rig::new();
    let ((one, _), (other, _)) = (rig.session("b").await, rig.session("b").await);
    assert_ne!(one, other, "opened in the same moment");
    let verified = rig.call(&[("cookie", &one)]).await.unwrap();
    rig.authenticator.end_session(&verified, false).await.unwrap();
    assert_eq!(name(rig.call(&[("cookie", &one)]).await), Err(Unauthorized::SessionEnded));
    assert_eq!(name(rig.call(&[("cookie", &other)]).await), Ok("bob".into()));

    // By the token, wherever the browsers are.
    let verified = rig.call(&[("authorization", "Bearer b")]).await.unwrap();
    rig.authenticator.end_session(&verified, false).await.unwrap();
    assert_eq!(name(rig.call(&[("cookie", &other)]).await), Ok("bob".into()), "no session was named");
    rig.authenticator.end_session(&verified, true).await.unwrap();
    assert_eq!(name(rig.call(&[("cookie", &other)]).await), Err(Unauthorized::SessionEnded));
    assert_eq!(name(rig.call(&[("authorization", "Bearer b")]).await), Ok("bob".into()), "the token is not");
}

/// SE-3: a session of which nobody knows whether it was ended is not taken; a token is.
#[tokio::test]
async fn a_session_is_not_taken_while_the_database_does_not_answer() {
    let rig = Rig::new();
    let (cookie, _) = rig.session("b").await;
    rig.ended.is_away.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(name(rig.call(&[("cookie", &cookie)]).await), Err(Unauthorized::NotSaid));
    assert_eq!(name(rig.call(&[("authorization", "Bearer b")]).await), Ok("bob".into()));
}

#[tokio::test]
async fn a_revoked_or_replaced_token_ends_its_sessions_and_a_change_of_roles_counts_at_once() {
    let rig = Rig::new();
    let (cookie, _) = rig.session("b").await;
    rig.rewrite(&format!("bob governance {}\n", hash_of("b")));
    rig.authenticator.look().await;
    let verified = rig.call(&[("cookie", &cookie)]).await.unwrap();
    assert!(verified.identity.holds("governance"));
    for lines in [format!("bob viewer {}\n", hash_of("b2")), format!("alice sre {}\n", hash_of("b"))] {
        rig.rewrite(&lines);
        rig.authenticator.look().await;
        assert_eq!(name(rig.call(&[("cookie", &cookie)]).await), Err(Unauthorized::SessionEnded), "{lines}");
    }
}

#[tokio::test]
async fn a_change_by_cookie_needs_proof_of_our_own_page_and_one_by_token_does_not() {
    let rig = Rig::new();
    let (cookie, _) = rig.session("b").await;
    let proof =
        [("cookie", cookie.as_str()), ("x-phasegate-request", "1"), ("sec-fetch-site", "same-origin")];
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        assert_eq!(name(rig.call_as(&method, &proof).await), Ok("bob".into()));
        let refused = rig.call_as(&method, &proof[..2]).await;
        assert_eq!(name(refused), Err(Unauthorized::ForeignPage), "{method}");
        assert_eq!(name(rig.call_as(&method, &[("authorization", "Bearer b")]).await), Ok("bob".into()));
    }
}

#[tokio::test]
async fn a_cookie_does_only_where_sessions_are_taken() {
    let rig = Rig::new();
    let (cookie, _) = rig.session("b").await;
    let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&cookie).unwrap())]);
    let call = Presented { method: &Method::GET, headers: &headers, peer: None, session: false };
    assert_eq!(name(rig.authenticator.verify(call).await), Err(Unauthorized::Missing));
    for forged in ["phasegate_session=", "phasegate_session=v1.e30.AAAA"] {
        assert_eq!(name(rig.call(&[("cookie", forged)]).await), Err(Unauthorized::SessionEnded));
    }
}

#[tokio::test]
async fn a_wrong_new_file_degrades_and_the_old_tokens_stay() {
    let rig = Rig::new();
    assert_eq!(rig.authenticator.state(), CheckState::Ok);
    rig.rewrite("bob\n");
    rig.authenticator.look().await;
    assert_eq!(name(rig.call(&[("authorization", "Bearer b")]).await), Ok("bob".into()));
    let CheckState::Degraded(detail) = rig.authenticator.state() else { panic!("not degraded") };
    assert!(detail.contains("tokens:1: expected") && detail.ends_with("stay in force"), "{detail}");
    let entry = Entry::new("carol", &["sre".to_owned()], None, "c").unwrap();
    rig.rewrite(&entry.line());
    rig.authenticator.look().await;
    assert_eq!(rig.authenticator.state(), CheckState::Ok);
    assert_eq!(name(rig.call(&[("authorization", "Bearer b")]).await), Err(Unauthorized::Unknown));
}
