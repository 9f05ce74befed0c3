//! What every kind of source keeps, run over the registry: `source_contract`, and no error shows a secret.

use domain::telemetry::event_specs;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use collector_svc::sources::otlp::{Refused, readings};
use collector_svc::sources::{Asked, Opening, PushQueue, PushSource, SHIPPED, Source, open};
use domain::kinds::Chosen;
use domain::policy::TargetPolicy;
use domain::sources::SourceSettings;
use domain::sources::jsonl::Jsonl;
use events::EventSpecs;
use events::records::Records;
use serde_json::json;
use service_kit::http::BodyShare;
use shared_types::{Timestamp, Window};
use tokio::sync::Notify;

use crate::cloudwatch;
use crate::datadog;
use crate::loki::{self, Double};
use crate::otlp::{DELTA, OK, point, request, settings, sum};
use crate::own_source::{Meter, READER as METER};
use crate::prometheus::Server;
use crate::rig::{at, autosave, policy, saved};
use crate::source_contract::{self, Trial};

struct Files {
    directory: tempfile::TempDir,
    written: u64,
}

impl Files {
    fn policy(&self) -> TargetPolicy {
        let mut policy = policy();
        let pattern = self.directory.path().join("*.jsonl").display().to_string();
        policy.collection.source = Chosen(Arc::new(Jsonl { paths: vec![pattern] }));
        policy
    }
}

impl Trial for Files {
    fn write(&mut self, saves: u64) {
        let path = self.directory.path().join("a.jsonl");
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        for _ in 0..saves {
            self.written += 1;
            file.write_all(saved("10:01:00", &self.written.to_string()).as_bytes()).unwrap();
        }
    }

    fn opened(&self) -> Box<dyn Source> {
        let policy = self.policy();
        let specs = specs();
        open(&SHIPPED, &Opening { target: &autosave(), policy: &policy, specs: &specs, threads: 1 }).unwrap()
    }
}

struct Pushed {
    queue: PushQueue,
    written: u64,
}

impl Trial for Pushed {
    fn write(&mut self, saves: u64) {
        let lines: String = (0..saves).map(|n| saved("10:01:00", &(self.written + n).to_string())).collect();
        self.written += saves;
        let specs = specs();
        let records = Records::of_lines(lines.as_bytes(), &specs);
        drop(self.queue.push(records, specs, None, BodyShare::default()));
    }

    fn opened(&self) -> Box<dyn Source> {
        Box::new(PushSource(self.queue.clone()))
    }

    fn reads_again(&self) -> bool {
        false
    }
}

/// Data points, each of which is counted when it is committed.
struct Delivered(PushQueue);

impl Trial for Delivered {
    fn write(&mut self, saves: u64) {
        let one = point(OK, "10:00:00", "10:01:00", 1);
        let metric = sum(DELTA, (0..saves).map(|_| one.clone()).collect());
        let mut settings = settings();
        settings.counters.remove("autosave.save.error");
        let request = request("editor", "1", vec![metric]);
        let readings = readings(&request, &settings, &mut Refused::default()).unwrap();
        drop(self.0.deliver(readings, Chosen(Arc::new(settings)), BodyShare::default()));
    }

    fn opened(&self) -> Box<dyn Source> {
        Box::new(PushSource(self.0.clone()))
    }

    fn reads_again(&self) -> bool {
        false
    }
}

struct Metered(Meter);

impl Trial for Metered {
    fn write(&mut self, saves: u64) {
        self.0.count(at("10:00:00"), saves);
    }

    fn opened(&self) -> Box<dyn Source> {
        let mut policy = policy();
        policy.collection.source = Chosen(Arc::new(self.0.clone()));
        let specs = specs();
        open(&[METER], &Opening { target: &autosave(), policy: &policy, specs: &specs, threads: 1 }).unwrap()
    }
}

/// Each write is a minute's, and so a window's.
struct Scraped {
    server: Server,
    saves: u32,
    minutes: u8,
}

impl Scraped {
    fn new() -> Self {
        let scraped = Self { server: Server::start(), saves: 0, minutes: 0 };
        scraped.scrape("09:59:30");
        scraped
    }

    fn scrape(&self, time: &str) {
        let labels = serde_json::json!({ "instance": "a" });
        self.server.sample("saves_total{result=\"ok\"}", &labels, time, f64::from(self.saves));
        self.server.sample("up{job=\"editor\"}", &labels, time, 1.0);
    }
}

impl Trial for Scraped {
    fn write(&mut self, saves: u64) {
        self.saves += u32::try_from(saves).unwrap();
        self.scrape(&format!("10:{:02}:30", self.minutes));
        self.minutes += 1;
    }

    fn opened(&self) -> Box<dyn Source> {
        pulling(self.server.settings())
    }

    fn windows(&self) -> Vec<Window> {
        minutes(self.minutes)
    }
}

/// Each write is the number of a minute.
struct Logged {
    double: Double,
    minutes: u8,
}

impl Trial for Logged {
    fn write(&mut self, saves: u64) {
        self.minutes += 1;
        let end = self.windows().last().map(|window| window.end);
        let answer = loki::vector(&json!([loki::number(&json!({}), &saves.to_string())])).to_string();
        self.double.answers.lock().unwrap().insert(("q".to_owned(), end), (200, answer));
    }

    fn opened(&self) -> Box<dyn Source> {
        pulling(self.double.settings(&[("saves", "q")]))
    }

    fn windows(&self) -> Vec<Window> {
        minutes(self.minutes)
    }
}

/// Each write is the sum of a minute.
struct Watched {
    double: cloudwatch::Double,
    minutes: u8,
}

impl Trial for Watched {
    fn write(&mut self, saves: u64) {
        self.minutes += 1;
        let start = minutes(self.minutes).pop().unwrap().start;
        self.double.saves.lock().unwrap().insert(start.as_millis() / 1000, saves);
    }

    fn opened(&self) -> Box<dyn Source> {
        pulling(self.double.settings(&[("saves", "saves")]))
    }

    fn windows(&self) -> Vec<Window> {
        minutes(self.minutes)
    }
}

/// Each write is the number of a minute.
struct Dogged {
    double: datadog::Double,
    minutes: u8,
}

impl Trial for Dogged {
    fn write(&mut self, saves: u64) {
        self.minutes += 1;
        let start = minutes(self.minutes).pop().unwrap().start;
        let answer = datadog::columns(&json!([datadog::numbers(&json!([saves]))]));
        let key = ("lost".to_owned(), Some(start.as_millis()));
        self.double.answers.lock().unwrap().insert(key, (200, answer));
    }

    fn opened(&self) -> Box<dyn Source> {
        pulling(self.double.settings(&[("lost", "lost")]))
    }

    fn windows(&self) -> Vec<Window> {
        minutes(self.minutes)
    }
}

/// So many windows of a minute.
fn minutes(count: u8) -> Vec<Window> {
    let minute = |minutes: u64| at("10:00:00").plus(Duration::from_secs(60 * minutes));
    (0..u64::from(count)).map(|at| Window { start: minute(at), end: minute(at + 1) }).collect()
}

fn pulling(settings: impl SourceSettings + 'static) -> Box<dyn Source> {
    let mut policy = policy();
    policy.collection.source = Chosen(Arc::new(settings));
    let specs = specs();
    open(&SHIPPED, &Opening { target: &autosave(), policy: &policy, specs: &specs, threads: 1 }).unwrap()
}

/// In `lab/sources`, by the same contract.
const TRIED_WITH_THEIR_SERVERS: [&str; 1] = ["nats"];

fn specs() -> Arc<EventSpecs> {
    Arc::new(event_specs(&policy()).unwrap())
}

fn trials() -> BTreeMap<&'static str, Box<dyn Trial>> {
    let files = Files { directory: tempfile::tempdir().unwrap(), written: 0 };
    let pushed = Pushed { queue: PushQueue::new(Arc::new(Notify::new())), written: 0 };
    let metered = Metered(Meter::named("contract"));
    BTreeMap::from([
        ("jsonl", Box::new(files) as Box<dyn Trial>),
        ("http", Box::new(pushed)),
        ("prometheus", Box::new(Scraped::new())),
        ("cloudwatch", Box::new(Watched { double: cloudwatch::Double::start(), minutes: 0 })),
        ("datadog", Box::new(Dogged { double: datadog::Double::start(), minutes: 0 })),
        ("loki", Box::new(Logged { double: Double::start(), minutes: 0 })),
        ("otlp", Box::new(Delivered(PushQueue::new(Arc::new(Notify::new()))))),
        (METER.key, Box::new(metered)),
    ])
}

#[test]
fn every_kind_that_is_shipped_is_tried_here() {
    let shipped: Vec<&str> = domain::sources::SHIPPED.iter().map(|kind| kind.key).collect();
    assert_eq!(shipped, SHIPPED.iter().map(|reader| reader.key).collect::<Vec<_>>());
    let is_tried = |key: &str| trials().contains_key(key) || TRIED_WITH_THEIR_SERVERS.contains(&key);
    let untried: Vec<&&str> = shipped.iter().filter(|key| !is_tried(key)).collect();
    assert!(untried.is_empty(), "without a line in `trials`: {untried:?}");
}

/// TE-5
#[tokio::test]
async fn a_cursor_gives_each_record_once() {
    for (key, mut trial) in trials() {
        source_contract::a_cursor_gives_each_record_once(key, &mut *trial).await;
    }
}

/// TE-5
#[tokio::test]
async fn a_crash_between_read_and_commit_reads_again() {
    for (key, mut trial) in trials() {
        source_contract::a_crash_between_read_and_commit_reads_again(key, &mut *trial).await;
    }
}

#[tokio::test]
async fn pieces_are_bounded_and_caught_up_is_true() {
    for (key, mut trial) in trials() {
        source_contract::pieces_are_bounded_and_caught_up_is_true(key, &mut *trial).await;
    }
}

/// CO-5: a source that cannot be read, or not even opened, is an outage whose text shows no secret.
#[tokio::test]
async fn errors_name_what_failed_and_no_secret() {
    let asked = Asked { cursor: Arc::default(), now: Timestamp::from_millis(0), windows: vec![] };
    let (specs, mut policy) = (specs(), policy());
    let meter = Meter::named("out of order").refusing();
    policy.collection.source = Chosen(Arc::new(meter));
    let opening = Opening { target: &autosave(), policy: &policy, specs: &specs, threads: 1 };
    let mut source = open(&[METER], &opening).unwrap();
    let error = source.read(&asked).await.unwrap_err().to_string();
    assert_eq!(error, "meter out of order: it does not answer");
    let words = format!("{} {:?}", policy.collection.source.words(), policy.collection.source);
    assert!(!words.contains(crate::own_source::SECRET) && !error.contains(crate::own_source::SECRET));

    let mut source = open(&SHIPPED, &opening).unwrap();
    assert_eq!(source.kind(), METER.key);
    let error = source.read(&asked).await.unwrap_err().to_string();
    assert_eq!(error, "meter: nothing here reads it");
}
