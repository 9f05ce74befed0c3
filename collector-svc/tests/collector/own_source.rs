//! A kind of source of somebody else, one that counts by itself: a meter that is asked for the totals of a window once
//! that is over. Nothing of it stands in the product; through the registries it is collected like any other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use collector_svc::sources::{
    Asked, Contribution, Input, Moved, Opened, Opening, Reader, Source, SourceError, WindowTotals,
};
use collector_svc::state::TargetState;
use domain::kinds::{Chosen, Kinds};
use domain::policy::Policy;
use domain::policy::Wrong;
use domain::policy::kind_section::{Section, Text, schema_of};
use domain::sources::{SourceKind, SourceSettings};
use domain::telemetry::totals::Totals;
use serde_json::json;
use shared_types::Timestamp;

use crate::rig::{Fault, Rig, at, autosave, directive, saved, saves};

const KIND: SourceKind =
    SourceKind { key: "meter", schema: schema_of::<RawMeter>, read, example: "{ name: saves }", docs: "" };
pub(crate) const READER: Reader = Reader { key: KIND.key, open };
pub(crate) const SECRET: &str = "hunter2";

/// A meter that is asked by its name.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawMeter {
    /// Its name.
    name: Text,
}

/// The settings, with the meter itself: the tests turn it.
#[derive(Clone)]
pub(crate) struct Meter {
    name: String,
    token: &'static str,
    refusing: bool,
    /// By window, one reading after the other: a correction comes as a reading of its own.
    counted: Arc<Mutex<BTreeMap<Timestamp, Vec<u64>>>>,
}

impl Meter {
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), token: SECRET, refusing: false, counted: Arc::default() }
    }

    pub(crate) fn refusing(self) -> Self {
        Self { refusing: true, ..self }
    }

    pub(crate) fn count(&self, window_start: Timestamp, saves: u64) {
        self.counted.lock().unwrap().entry(window_start).or_default().push(saves);
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert_eq!(self.token, SECRET, "it is there, and not shown");
        f.debug_struct("Meter").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Meter {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

fn read(section: &Section) -> Result<Chosen<dyn SourceSettings>, Wrong> {
    let raw: RawMeter = section.read()?;
    Ok(Chosen(Arc::new(Meter::named(&section.text("name", &raw.name)?))))
}

impl SourceSettings for Meter {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    fn words(&self) -> String {
        format!("meter {}", self.name)
    }
}

struct MeterSource(Meter);

fn open(opening: &Opening<'_>) -> Opened {
    let meter = opening.policy.collection.source.of_kind::<Meter>();
    Ok(meter.map(|meter| Box::new(MeterSource(meter.clone())) as Box<dyn Source>))
}

#[async_trait]
impl Source for MeterSource {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    async fn read(&mut self, asked: &Asked) -> Result<Input, SourceError> {
        if self.0.refusing {
            let what = format!("meter {}", self.0.name);
            return Err(SourceError::Io { what, reason: "it does not answer".to_owned() });
        }
        let mut input = Input { caught_up: true, ..Input::default() };
        let counted = self.0.counted.lock().unwrap();
        for window in asked.windows.iter().map(|it| it.window).filter(|window| window.end <= asked.now) {
            let place = window.start.to_string();
            let readings = counted.get(&window.start).map_or(&[][..], Vec::as_slice);
            let known = asked.cursor.get(&place).and_then(|it| it["readings"].as_u64()).unwrap_or(0);
            let new = &readings[usize::try_from(known).unwrap()..];
            if new.is_empty() {
                continue;
            }
            let mut totals = Totals::default();
            let durations = totals.distributions.entry("autosave.save.completed".into()).or_default();
            (0..new.iter().sum::<u64>()).for_each(|_| durations.0.record(640.0));
            totals.counters.insert("autosave.save.completed".into(), new.iter().sum());
            input.contributions.push(Contribution::Totals(WindowTotals { window, totals }));
            let cursor = json!({ "readings": readings.len(), "etag": [1, "a"] });
            input.moved.push(Moved { place, cursor, anew: false });
        }
        Ok(input)
    }
}

async fn rig(meter: &Meter) -> Rig {
    let mut rig = Rig::pulling(Chosen(Arc::new(meter.clone())), &[READER]).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig
}

/// PO-1: its section of the policy is read through the registry, and refused like any other.
#[test]
fn a_policy_with_a_source_of_ones_own_is_read() {
    let kinds = Kinds::shipped().with_source(KIND);
    let shipped =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../governance/policy.yaml")).unwrap();
    let written =
        |source: &str| shipped.replacen(r#"{ jsonl: { paths: ["telemetry/autosave/*.jsonl"] } }"#, source, 1);
    let policy = Policy::parse_with(&written("{ meter: { name: saves } }"), "p", &kinds).unwrap();
    let source = &policy.targets[&autosave()].collection.source;
    assert_eq!((source.kind(), source.words().as_str()), ("meter", "meter saves"));
    assert_eq!(policy.summary().targets[0].source, "meter");
    let refused =
        |source: &str, kinds| Policy::parse_with(&written(source), "p", kinds).unwrap_err().to_string();
    assert_eq!(
        refused("{ meter: { nam: saves } }", &kinds),
        "p:10:26: targets.autosave.collection.source.meter.nam: unknown key `nam`; expected `name`"
    );
    assert_eq!(
        refused("{ meter: { name: saves } }", &Kinds::shipped()),
        "p:10:17: targets.autosave.collection.source: source `meter` is not supported in this version; supported: `jsonl`, `http`, `prometheus`, `otlp`, `nats`, `loki`, `cloudwatch` or `datadog`"
    );
}

/// TE-5, CO-1: totals reach the window's one batch exactly once, whatever is killed or refused when; what is pushed is
/// counted beside them.
#[tokio::test]
async fn totals_are_counted_once_through_kills_and_refused_commits() {
    for fault in [Fault::None, Fault::Refused, Fault::AnswerLost] {
        let meter = Meter::named("saves");
        let mut rig = rig(&meter).await;
        meter.count(at("10:00:00"), 70);
        rig.turn_at("10:14:59").await;
        assert_eq!(rig.analyzer.batches().len(), 0, "the window is not over");
        drop(rig.push(&saved("10:05:00", "pushed"), None));
        rig.clock.set(at("10:15:01"));
        rig.faults.fail_next_commit(fault);
        let _ = rig.worker.turn().await;
        rig.kill();
        rig.turn().await;
        meter.count(at("10:00:00"), 5);
        rig.turn().await;
        rig.kill();
        rig.turn_at("10:15:30").await;
        let batches = rig.analyzer.batches();
        // A push that was not answered when the process was killed is pushed again by its sender.
        let pushed = u64::from(fault != Fault::Refused);
        assert_eq!((batches.len(), saves(&batches[0])), (1, 75 + pushed), "{fault:?}");
        assert_eq!(batches[0].distributions["autosave.save.completed"].count, 75 + pushed);
        assert_eq!(batches[0].source, "meter");
        rig.assert_outbox_empty().await;
    }
}

/// TE-3: totals of a window that is closed change no batch.
#[tokio::test]
async fn totals_of_a_closed_window_are_not_asked_for() {
    let meter = Meter::named("saves");
    let mut rig = rig(&meter).await;
    meter.count(at("10:00:00"), 70);
    rig.turn_at("10:15:30").await;
    meter.count(at("10:00:00"), 5);
    meter.count(at("10:15:00"), 9);
    rig.turn_at("10:30:30").await;
    let batches = rig.analyzer.batches();
    assert_eq!(batches.iter().map(saves).collect::<Vec<_>>(), [70, 9]);
}

/// CO-5: a meter that does not answer is an outage of the source, told by its name.
#[tokio::test]
async fn a_source_that_fails_is_tried_again_and_told() {
    let meter = Meter::named("saves").refusing();
    let mut rig = rig(&meter).await;
    rig.turn_at("10:01:00").await;
    assert_eq!(rig.worker.source_error(), Some("meter saves: it does not answer"));
}

/// What the source remembers comes back as it was written, beside files of the same target; an old replica finds files in
/// every row that it reads.
#[tokio::test]
async fn its_cursor_is_kept_beside_those_of_files() {
    let meter = Meter::named("saves");
    let mut rig = rig(&meter).await;
    meter.count(at("10:00:00"), 7);
    rig.turn_at("10:15:01").await;
    let loaded =
        rig.store.load(&autosave(), &TargetState::initial(rig.policy.collection.window)).await.unwrap();
    let [place] = loaded.places.as_slice() else { panic!("{:?}", loaded.places) };
    assert_eq!(
        (place.source.as_str(), &place.cursor),
        ("meter", &json!({ "readings": 1, "etag": [1, "a"] }))
    );
    let rows: Vec<(String, String, Option<String>)> =
        sqlx::query_as("SELECT file_id, position, cursor FROM source_positions")
            .fetch_all(rig.db.pool())
            .await
            .unwrap();
    assert_eq!(rows.len(), 1);
    assert!(serde_json::from_str::<collector_svc::store::Position>(&rows[0].1).is_ok(), "{rows:?}");
    assert!(rows[0].0.starts_with("meter/") && rows[0].2.is_some());
}
