//! Short words for what the suite does all the time.

use std::future::Future;
use std::time::Duration;

use domain::effects::{NewMessage, RetrySchedule};
use domain::stored::Form;
use phasegate_tests::stores;
use service_kit::clock::{Clock, ManualClock};
use service_kit::db::{Company, Db};
use service_kit::outbox::{self, Claim, MessageView, Outcome, Recorded, claim, enqueue, record};
use shared_types::Timestamp;

pub(crate) const LEASE: Duration = Duration::from_secs(60);

pub(crate) async fn everywhere<F, S>(suite: S)
where
    S: Fn(Db) -> F,
    F: Future<Output = ()>,
{
    stores::both_engines("kit", &[], suite).await;
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn start() -> Timestamp {
    Timestamp::parse("2026-11-22T10:00:00Z").unwrap()
}

pub(crate) fn clock() -> ManualClock {
    ManualClock::at(start())
}

/// The shipped schedule of commands and collections (CO-5, RB-4).
pub(crate) fn four_retries() -> RetrySchedule {
    RetrySchedule::then_dead([30, 60, 120, 240].map(seconds))
}

pub(crate) fn message(lane: &str, key: &str) -> NewMessage {
    NewMessage {
        dedup_key: key.to_owned(),
        lane: lane.to_owned(),
        kind: "PostSlackMessage",
        subject: format!("subject of {key}"),
        payload: serde_json::json!({ "key": key }),
        form: Form { kind: "PostMessage", steps: &[] },
        due_at: start(),
        retry: four_retries(),
        pace: Duration::ZERO,
    }
}

pub(crate) async fn put(db: &Db, message: &NewMessage) -> bool {
    let before = rows_of(db, message).await;
    let mut tx = db.begin().await.unwrap();
    enqueue(&mut tx, message, start()).unwrap();
    tx.commit().await.unwrap();
    rows_of(db, message).await > before
}

async fn rows_of(db: &Db, message: &NewMessage) -> usize {
    usize::from(outbox::get(db, &message.dedup_key).await.unwrap().is_some())
}

/// Claims what is due at the receiver, and returns the keys in the order of their lanes.
pub(crate) async fn take(db: &Db, receiver: &str, at: Timestamp) -> Vec<Claim> {
    let mut claims = claim(db, "tester", receiver, 100, &|_| LEASE, at).await.unwrap();
    claims.sort_by(|a, b| a.lane.cmp(&b.lane));
    claims
}

pub(crate) async fn take_one(db: &Db, receiver: &str, at: Timestamp) -> Claim {
    let mut claims = take(db, receiver, at).await;
    assert_eq!(claims.len(), 1, "{claims:?}");
    claims.remove(0)
}

pub(crate) fn keys(claims: &[Claim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.dedup_key.as_str()).collect()
}

pub(crate) async fn settle(db: &Db, claim: &Claim, outcome: Outcome, at: Timestamp) -> Recorded {
    let mut tx = db.begin().await.unwrap();
    let recorded = record(&mut tx, claim, &outcome, at, Company::None).await.unwrap();
    tx.commit().await.unwrap();
    recorded
}

pub(crate) fn done() -> Outcome {
    Outcome::Done(serde_json::json!({ "ok": true }))
}

pub(crate) fn failed() -> Outcome {
    Outcome::Failed { reason: "503 from the receiver".into() }
}

pub(crate) async fn view(db: &Db, key: &str) -> MessageView {
    outbox::get(db, key).await.unwrap().unwrap()
}

/// When the lane wants to be looked at next, in seconds from the clock's now; none when it is empty.
pub(crate) async fn next_in(db: &Db, receiver: &str, clock: &ManualClock) -> Option<u64> {
    let due = outbox::due_receivers(db).await.unwrap();
    let due = due.into_iter().find(|due| due.receiver == receiver)?;
    Some(due.next_at.since(clock.now()).as_secs())
}
