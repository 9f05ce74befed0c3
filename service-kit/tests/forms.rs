//! Replicas of two releases at one database: who may write what, and who may not start; on both engines.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]

use std::sync::Arc;
use std::time::Duration;

use domain::effects::{NewMessage, RetrySchedule};
use domain::stored::{self, Document, Form, Step};
use phasegate_tests::stores::both_engines;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_kit::ServiceName;
use service_kit::clock::{Clock, ManualClock};
use service_kit::db::{Db, DbError};
use service_kit::forms::{OLD_RELEASES_LIVE, Replica, SEEN_WITHIN};
use service_kit::http::CheckState;
use service_kit::outbox::enqueue;
use shared_types::Timestamp;

fn up(mut value: Value) -> Result<Value, String> {
    value["second"] = json!(0);
    Ok(value)
}

fn down(mut value: Value) -> Result<Value, String> {
    value.as_object_mut().ok_or("not an object")?.remove("second");
    Ok(value)
}

/// As the newer release knows it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Thing {
    first: u32,
    second: u32,
}

impl Document for Thing {
    const KIND: &'static str = "thing";
    const STEPS: &'static [Step] = &[Step { name: "a second number", up, down }];
}

const NEWER: &[Form] = &[Form::of::<Thing>()];
const OLDER: &[Form] = &[Form { kind: "thing", steps: &[] }];
const THING: Thing = Thing { first: 1, second: 2 };

struct World {
    url: String,
    clock: Arc<dyn Clock>,
    time: Arc<ManualClock>,
    _folder: tempfile::TempDir,
    _database: Option<phasegate_tests::postgres::TestDatabase>,
}

impl World {
    async fn each() -> [Self; 2] {
        let database = phasegate_tests::postgres::TestDatabase::create().await;
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let urls = [Db::embedded_url(folders[0].path(), "kit"), database.url().to_owned()];
        let mut databases = [None, Some(database)];
        let mut folders = folders.map(Some);
        [0, 1].map(|at| {
            let time = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
            Self {
                url: urls[at].clone(),
                clock: Arc::clone(&time) as Arc<dyn Clock>,
                time,
                _folder: folders[at].take().unwrap(),
                _database: databases[at].take(),
            }
        })
    }

    /// A process of its own, as far as forms go.
    async fn join(&self, reads: &[Form]) -> Result<(Db, Replica), DbError> {
        let db = Db::connect(&self.url, "kit", &[]).await.unwrap();
        let replica = Replica::join(&db, &self.clock, ServiceName::Reporter, reads).await?;
        Ok((db, replica))
    }
}

/// OP-6: as long as a replica of the older release lives its form is written, then the newer one; and what the older one
/// cannot read keeps it from starting, with one line.
#[tokio::test]
async fn the_newest_form_that_all_read_is_written() {
    for world in World::each().await {
        let (old_db, old) = world.join(OLDER).await.unwrap();
        let (new_db, new) = world.join(NEWER).await.unwrap();
        let form = || new_db.forms().form_of::<Thing>();
        assert_eq!(form(), 1, "a release that announces nothing may live");
        world.time.advance(OLD_RELEASES_LIVE);
        old.beat().await.unwrap();
        new.beat().await.unwrap();
        assert_eq!(form(), 1, "the older one lives");
        let kept = new_db.forms().text(&THING).unwrap();
        assert_eq!(kept, r#"{"first":1,"v":1}"#);

        world.time.advance(SEEN_WITHIN);
        old.beat().await.unwrap();
        new.beat().await.unwrap();
        assert_eq!(form(), 1, "it goes on living");
        old.leave().await.unwrap();
        new.beat().await.unwrap();
        assert_eq!(form(), 2, "it has left");
        assert_eq!(new_db.forms().text(&THING).unwrap(), r#"{"v":2,"first":1,"second":2}"#);
        assert_eq!(new_db.forms().read::<Thing>("t1", &kept).unwrap(), Thing { first: 1, second: 0 });

        let refused = world.join(OLDER).await.err().unwrap();
        let line = "thing may be kept in form 2 here, and this release reads up to form 1: start the newer release \
                    again, or restore a backup from before it (docs/operations.md, Upgrades)";
        assert_eq!(refused.to_string(), line);
        assert!(matches!(old.beat().await, Err(DbError::Newer { .. })), "and one that comes back ends");
        let unknown = world.join(&[]).await.err().unwrap();
        assert!(unknown.to_string().contains("reads up to form 0"), "{unknown}");
        drop(old_db);
    }
}

/// OP-6: a replica that was killed is waited for no longer than it can be expected to show itself.
#[tokio::test]
async fn a_replica_that_is_not_seen_is_forgotten() {
    for world in World::each().await {
        let (_, new) = world.join(NEWER).await.unwrap();
        world.time.advance(OLD_RELEASES_LIVE);
        let (db, killed) = world.join(OLDER).await.unwrap();
        drop(killed);
        let (new_db, other) = world.join(NEWER).await.unwrap();
        world.time.advance(SEEN_WITHIN);
        other.beat().await.unwrap();
        assert_eq!(new_db.forms().form_of::<Thing>(), 1);
        world.time.advance(Duration::from_millis(1));
        other.beat().await.unwrap();
        assert_eq!(new_db.forms().form_of::<Thing>(), 2);
        new.beat().await.unwrap();
        let seen: (i64,) =
            sqlx::query_as("SELECT COUNT(*) FROM stored_replicas").fetch_one(db.pool()).await.unwrap();
        assert_eq!(seen.0, 2, "rows of the dead do not stay");
    }
}

/// OP-6: joining and allowing take turns, so that whoever comes second sees what the first did: never both.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_and_a_newer_form_do_not_pass_each_other() {
    for world in World::each().await {
        let (new_db, new) = world.join(NEWER).await.unwrap();
        world.time.advance(OLD_RELEASES_LIVE);
        let (joined, beaten) = tokio::join!(world.join(OLDER), new.beat());
        beaten.unwrap();
        let allowed = new_db.forms().form_of::<Thing>() == 2;
        assert_ne!(joined.is_ok(), allowed, "an older replica lives, or the newer form is written");
    }
}

/// OP-6: what waits in the outbox is kept in the form that all read, and read through the steps.
#[tokio::test]
async fn an_effect_is_kept_in_the_form_that_all_read() {
    for world in World::each().await {
        let (db, _replica) = world.join(NEWER).await.unwrap();
        let now = world.clock.now();
        let message = NewMessage {
            dedup_key: "one".to_owned(),
            lane: "things/1".to_owned(),
            kind: Thing::KIND,
            subject: "one".to_owned(),
            payload: stored::payload(&THING),
            form: Form::of::<Thing>(),
            due_at: now,
            retry: RetrySchedule::then_dead([]),
            pace: Duration::ZERO,
        };
        let mut tx = db.begin().await.unwrap();
        enqueue(&mut tx, &message, now).unwrap();
        tx.commit().await.unwrap();
        let lease = |_: &str| Duration::from_secs(1);
        let claims = service_kit::outbox::claim(&db, "w", "things", 1, &lease, now).await.unwrap();
        assert_eq!(claims[0].payload, json!({ "v": 1, "first": 1 }));
        assert_eq!(claims[0].decode::<Thing>().unwrap(), Thing { first: 1, second: 0 });
    }
}

/// OP-6: what is damaged is named with kind, id and reason, to the log and to whoever asks whether the service is well.
#[tokio::test]
async fn a_damaged_document_is_named_until_it_is_readable_again() {
    both_engines("kit", &[], |db| async move {
        let forms = db.forms();
        assert_eq!(forms.state(), CheckState::Ok);
        let error = forms.read::<Thing>("t1", r#"{"v":2,"first":1}"#).unwrap_err();
        assert_eq!(
            (error.to_string(), error.is_unavailable()),
            ("thing t1 cannot be read".to_owned(), false)
        );
        let reason =
            "thing t1 cannot be read: thing in form 2 is damaged: missing field `second` at line 1 column 17";
        assert_eq!(forms.state(), CheckState::Degraded(reason.to_owned()));
        let newer = forms.read::<Thing>("t2", r#"{"v":3}"#).unwrap_err();
        assert!(newer.is_unavailable(), "a newer replica answers");
        forms.read::<Thing>("t1", r#"{"v":2,"first":1,"second":2}"#).unwrap();
        forms.read::<Thing>("t2", r#"{"first":1}"#).unwrap();
        assert_eq!(forms.state(), CheckState::Ok);
    })
    .await;
}
