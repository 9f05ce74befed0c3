//! A service's registry: which effect a row is, and what comes of rows that nobody can do.

use std::sync::Mutex;

use async_trait::async_trait;
use domain::effects::{Effect, NewMessage, RetrySchedule};
use domain::stored::{Document, Form, Step};
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_kit::clock::Clock as _;
use service_kit::db::{Db, DbError};
use service_kit::outbox::{
    Attempt, Claim, EffectKind, Handler as _, Outcome, Perform, Recorded, Registry, retry_dead, work_once,
};
use shared_types::Timestamp;

use crate::harness::*;

/// Notes what was done and what was settled.
#[derive(Default)]
struct Garden(Mutex<Vec<String>>);

impl Garden {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl Registry for Garden {
    const EFFECTS: &'static [EffectKind<Self>] = &[EffectKind::of::<Plant>(), EffectKind::of::<Water>()];
}

#[derive(Serialize, Deserialize)]
struct Plant {
    what: String,
}

impl Document for Plant {
    const KIND: &'static str = "Plant";
    const STEPS: &'static [Step] = &[Step {
        name: "trees are plants",
        up: |mut it| Ok(json!({ "what": it["tree"].take() })),
        down: |mut it| Ok(json!({ "tree": it["what"].take() })),
    }];
}

impl Effect for Plant {
    const ALSO: &'static [&'static str] = &["PlantTree"];

    fn row_kind(&self) -> &'static str {
        if self.what == "oak" { "PlantTree" } else { Self::KIND }
    }

    fn lane(&self) -> String {
        format!("garden/{}", self.what)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_our_own()
    }
}

#[async_trait]
impl Perform<Garden> for Plant {
    fn lease(_garden: &Garden) -> std::time::Duration {
        seconds(7)
    }

    async fn run(&self, garden: &Garden, _claim: &Claim) -> Outcome {
        garden.note(format!("set {}", self.what));
        done()
    }

    async fn settle(&self, garden: &Garden, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        garden.note(format!("settled {}: {}", self.what, attempt.outcome.label()));
        attempt.record().await
    }
}

#[derive(Serialize, Deserialize)]
struct Water {}

impl Document for Water {
    const KIND: &'static str = "Water";
}

impl Effect for Water {
    fn lane(&self) -> String {
        "water".to_owned()
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::then_dead([])
    }
}

#[async_trait]
impl Perform<Garden> for Water {
    async fn run(&self, garden: &Garden, _claim: &Claim) -> Outcome {
        garden.note("watered".to_owned());
        done()
    }
}

async fn work(db: &Db) -> Vec<String> {
    let garden = Garden::default();
    work_once(db, &clock(), &garden).await.unwrap();
    garden.0.into_inner().unwrap()
}

async fn state(db: &Db, key: &str) -> (String, Option<String>) {
    let sql = "SELECT state, last_error FROM outbox WHERE dedup_key = $1";
    sqlx::query_as(sql).bind(key).fetch_one(db.pool()).await.unwrap()
}

/// The message says all of the effect: its line, its schedule, the kind of its row.
#[tokio::test]
async fn a_row_is_done_and_settled_by_its_effect() {
    everywhere(|db| async move {
        let rose = NewMessage::of(&Plant { what: "rose".into() }, "rose".into(), "bed".into(), start());
        let oak = NewMessage::of(&Plant { what: "oak".into() }, "oak".into(), "lawn".into(), start());
        assert_eq!((rose.kind, oak.kind, rose.lane.as_str()), ("Plant", "PlantTree", "garden/rose"));
        assert_eq!(rose.retry, RetrySchedule::of_our_own());
        let water = NewMessage::of(&Water {}, "water".into(), "bed".into(), start());
        for message in [&rose, &oak, &water] {
            put(&db, message).await;
        }
        let mut noted = work(&db).await;
        noted.sort();
        let expected = ["set oak", "set rose", "settled oak: done", "settled rose: done", "watered"];
        assert_eq!(noted, expected);
        for key in ["rose", "oak", "water"] {
            assert_eq!(state(&db, key).await, ("done".to_owned(), None));
        }
    })
    .await;
}

/// OP-6: a payload of an older release is read through the steps, also under another name of its kind.
#[tokio::test]
async fn an_older_payload_is_read_through_its_steps() {
    everywhere(|db| async move {
        let old =
            NewMessage { kind: "PlantTree", payload: json!({ "tree": "elm" }), ..message("g/1", "old") };
        put(&db, &old).await;
        assert_eq!(work(&db).await, ["set elm", "settled elm: done"]);
    })
    .await;
}

/// OP-6: what nobody here can do is not done: what a newer replica may have written waits for it, damage is shown to a person.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_not_done() {
    everywhere(|db| async move {
        let row = |key, kind, payload| NewMessage { kind, payload, ..message(&format!("g/{key}"), key) };
        let rows = [
            row("newer", "Plant", json!({ "v": 3 })),
            row("damaged", "Plant", json!({ "v": 2, "what": 7 })),
            row("unknown", "Mow", json!({})),
        ];
        for row in &rows {
            put(&db, row).await;
        }
        assert_eq!(work(&db).await, Vec::<String>::new());
        let found = [state(&db, "newer").await, state(&db, "damaged").await, state(&db, "unknown").await];
        let found = found.map(|(state, error)| (state, error.unwrap()));
        let expected = [
            ("ready", "Plant is kept in form 3, this release reads up to form 2: run the newer release"),
            ("dead", "Plant in form 2 is damaged: invalid type: integer `7`, expected a string"),
            ("ready", "no effect of this release is called Mow: run the newer release"),
        ];
        assert_eq!(found, expected.map(|(state, error)| (state.to_owned(), error.to_owned())));
    })
    .await;
}

/// What the release after this one does. Notes since when the rows it did had not been known.
#[derive(Default)]
struct NewerGarden(Mutex<Vec<Option<Timestamp>>>);

impl Registry for NewerGarden {
    const EFFECTS: &'static [EffectKind<Self>] = &[EffectKind::of::<Mow>()];
}

#[derive(Serialize, Deserialize)]
struct Mow {}

impl Document for Mow {
    const KIND: &'static str = "Mow";
}

impl Effect for Mow {
    fn lane(&self) -> String {
        "lawn".to_owned()
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::then_dead([])
    }
}

#[async_trait]
impl Perform<NewerGarden> for Mow {
    async fn run(&self, garden: &NewerGarden, claim: &Claim) -> Outcome {
        garden.0.lock().unwrap().push(claim.kind_unknown_since);
        done()
    }
}

/// OP-6: a row of a newer release that an older replica comes upon first is done by the newer one, with its whole schedule.
#[tokio::test]
async fn a_row_of_a_kind_that_is_not_known_here_waits_for_a_replica_that_knows_it() {
    everywhere(|db| async move {
        put(&db, &NewMessage::of(&Mow {}, "mow".into(), "lawn".into(), start())).await;
        let clock = clock();
        let (older, newer) = (Garden::default(), NewerGarden::default());
        for _ in 0..3 {
            assert_eq!(work_once(&db, &clock, &older).await.unwrap(), 1);
            assert_eq!(next_in(&db, "lawn", &clock).await, Some(10));
            clock.advance(seconds(10));
        }
        assert_eq!(work_once(&db, &clock, &newer).await.unwrap(), 1);
        assert_eq!(*newer.0.lock().unwrap(), [Some(start())]);
        let row = view(&db, "mow").await;
        assert_eq!((row.state.as_str(), row.failures, row.unknowns), ("done", 0, 0));
    })
    .await;
}

/// OP-6: a kind that nobody has known for a day is shown to a person, who may let it wait for another day. The day begins when
/// the row is first looked at, however long its lane was busy.
#[tokio::test]
async fn a_row_of_a_kind_that_nobody_has_known_for_a_day_is_dead() {
    everywhere(|db| async move {
        put(&db, &NewMessage { kind: "Mow", ..message("g/1", "mow") }).await;
        let (clock, garden) = (clock(), Garden::default());
        let day = seconds(24 * 3600);
        clock.advance(day * 3);
        for _ in 0..2 {
            work_once(&db, &clock, &garden).await.unwrap();
            clock.advance(day - seconds(1));
            work_once(&db, &clock, &garden).await.unwrap();
            assert_eq!(view(&db, "mow").await.state, "ready");
            clock.advance(seconds(10));
            work_once(&db, &clock, &garden).await.unwrap();
            let row = view(&db, "mow").await;
            assert_eq!((row.state.as_str(), row.failures), ("dead", 0));
            let mut tx = db.begin().await.unwrap();
            assert!(retry_dead(&mut tx, &row.id, clock.now()).await.unwrap());
            tx.commit().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn the_registry_says_how_long_and_in_which_forms() {
    let garden = Garden::default();
    let leases = ["Plant", "PlantTree", "Water", "Mow"].map(|kind| garden.lease(kind).as_secs());
    assert_eq!(leases, [7, 7, 60, 60]);
    let forms: Vec<(&str, u32)> = Garden::forms().map(|form: Form| (form.kind, form.newest())).collect();
    assert_eq!(forms, [("Plant", 2), ("Water", 1)]);
}
