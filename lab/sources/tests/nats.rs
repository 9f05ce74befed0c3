//! The source of NATS JetStream on a server of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../../collector-svc/tests/collector/source_contract.rs"]
mod source_contract;

use std::sync::Arc;

use async_nats::jetstream::stream::Stream;
use collector_svc::sources::{
    Asked, Contribution, Cursor, Input, Opening, SHIPPED, Source, SourceError, open,
};
use domain::kinds::Chosen;
use domain::policy::{Policy, TargetPolicy};
use domain::sources::nats::{Auth, Nats as Settings};
use domain::telemetry::event_specs;
use phasegate_sources::nats::{Nats, Publisher, User};
use shared_types::{SecretFrom, TargetName, Timestamp};
use source_contract::Trial;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

const STREAM: &str = "TELEMETRY";
const SUBJECT: &str = "telemetry.autosave";

fn autosave() -> TargetName {
    TargetName::parse("autosave").unwrap()
}

fn saved(id: u64) -> String {
    format!(
        "{{\"ts\":\"2026-11-22T10:01:00Z\",\"name\":\"autosave.save.completed\",\"event_id\":\"{id}\",\"duration_ms\":640.5}}\n"
    )
}

fn settings(server: &Nats) -> Settings {
    Settings {
        url: server.url.clone(),
        stream: STREAM.to_owned(),
        subject: "telemetry.{target}".to_owned(),
        auth: None,
    }
}

fn policy_of(settings: Settings) -> TargetPolicy {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../governance/policy.yaml");
    let policy = Policy::load(std::path::Path::new(policy)).unwrap();
    let mut policy = policy.targets.into_values().next().unwrap();
    policy.collection.source = Chosen(Arc::new(settings));
    policy
}

fn opened(settings: Settings) -> Box<dyn Source> {
    let policy = policy_of(settings);
    let specs = Arc::new(event_specs(&policy).unwrap());
    open(&SHIPPED, &Opening { target: &autosave(), policy: &policy, specs: &specs, threads: 1 }).unwrap()
}

/// A server with one stream, whose other subjects are other targets'.
struct Place {
    server: Nats,
    publisher: Publisher,
    stream: Stream,
    saves: u64,
}

impl Place {
    async fn new() -> Self {
        let server = Nats::start().unwrap();
        let publisher = server.publisher(None).await;
        let stream = publisher.stream(STREAM).await;
        Self { server, publisher, stream, saves: 0 }
    }

    /// So many saves more, a hundred a message.
    async fn publish(&mut self, saves: u64) {
        let all: Vec<u64> = (self.saves..self.saves + saves).collect();
        self.saves += saves;
        for some in all.chunks(100) {
            self.publisher.publish("telemetry.search", saved(0)).await;
            self.publisher.publish(SUBJECT, some.iter().map(|id| saved(*id)).collect()).await;
        }
    }
}

impl Trial for Place {
    fn write(&mut self, saves: u64) {
        block_in_place(|| Handle::current().block_on(self.publish(saves)));
    }

    fn opened(&self) -> Box<dyn Source> {
        opened(settings(&self.server))
    }
}

/// TE-5: what every source keeps.
#[tokio::test(flavor = "multi_thread")]
async fn the_contract_of_sources_is_kept() {
    source_contract::a_cursor_gives_each_record_once("nats", &mut Place::new().await).await;
    source_contract::a_crash_between_read_and_commit_reads_again("nats", &mut Place::new().await).await;
    source_contract::pieces_are_bounded_and_caught_up_is_true("nats", &mut Place::new().await).await;
}

/// Reads with a cursor that is always committed.
struct Reading {
    source: Box<dyn Source>,
    cursor: Arc<Cursor>,
    now: Timestamp,
}

impl Reading {
    fn of(settings: Settings) -> Self {
        let now = Timestamp::parse("2026-11-22T10:16:00Z").unwrap();
        Self { source: opened(settings), cursor: Arc::default(), now }
    }

    async fn read(&mut self) -> Result<Input, SourceError> {
        let asked = Asked { cursor: Arc::clone(&self.cursor), now: self.now, windows: vec![] };
        let input = self.source.read(&asked).await?;
        let moved = input.moved.iter().map(|moved| (moved.place.clone(), moved.cursor.clone()));
        Arc::make_mut(&mut self.cursor).extend(moved);
        Ok(input)
    }

    /// How many saves there are to the end, and what is lost.
    async fn read_all(&mut self) -> (usize, Vec<String>) {
        let (mut saves, mut lost) = (0, Vec::new());
        loop {
            let input = self.read().await.unwrap();
            for contribution in input.contributions {
                match contribution {
                    Contribution::Records(part) => saves += part.records.events.len(),
                    Contribution::Lost(it) => lost.push(it.file),
                    other => panic!("{other:?}"),
                }
            }
            if input.caught_up {
                return (saves, lost);
            }
        }
    }
}

/// CO-9: what the stream dropped before it was read is told once, and what comes then is read on; so is a stream that was made
/// anew under its name.
#[tokio::test]
async fn what_the_stream_no_longer_has_is_told() {
    let mut place = Place::new().await;
    let mut reading = Reading::of(settings(&place.server));
    assert_eq!(reading.read_all().await, (0, vec![]));
    place.publish(300).await; // six messages, three of them ours
    assert_eq!(reading.read_all().await, (300, vec![]));

    // While it runs, and over a restart.
    for (restart, from) in [(false, 7), (true, 11)] {
        place.publish(100).await;
        place.stream.purge().await.unwrap();
        place.publish(100).await;
        if restart {
            reading.source = opened(settings(&place.server));
        }
        let lost = format!("stream TELEMETRY, messages {from} to {}", from + 1);
        assert_eq!(reading.read_all().await, (100, vec![lost]), "restart: {restart}");
        assert_eq!(reading.read_all().await, (0, vec![]));
    }

    place.publisher.context.delete_stream(STREAM).await.unwrap();
    place.stream = place.publisher.stream(STREAM).await;
    place.publish(200).await;
    let (saves, lost) = reading.read_all().await;
    assert_eq!(saves, 200);
    assert!(
        lost.len() == 1 && lost[0].contains("as it was before") && lost[0].ends_with("after message 14"),
        "{lost:?}"
    );
}

/// CO-9: messages that are others' may go while ours are quiet, without being taken for lost; after a restart too, as far as the
/// position has moved on.
#[tokio::test]
async fn what_is_not_ours_is_not_taken_for_lost() {
    let mut place = Place::new().await;
    let mut reading = Reading::of(settings(&place.server));
    place.publish(100).await;
    assert_eq!(reading.read_all().await, (100, vec![]));
    for _ in 0..5 {
        place.publisher.publish("telemetry.search", saved(0)).await;
    }
    assert_eq!(reading.read_all().await, (0, vec![]));
    place.stream.purge().await.unwrap();
    assert_eq!(reading.read_all().await, (0, vec![]));
    // It moves once that was known for a while.
    for time in ["10:27:00", "10:27:40"] {
        reading.now = Timestamp::parse(&format!("2026-11-22T{time}Z")).unwrap();
        assert_eq!(reading.read_all().await, (0, vec![]));
    }
    reading.source = opened(settings(&place.server));
    place.publish(100).await;
    assert_eq!(reading.read_all().await, (100, vec![]));
}

/// CO-9, PO-2: what another subject has from before it was read by it is not passed over without a word.
#[tokio::test]
async fn another_subject_is_told() {
    let mut place = Place::new().await;
    let mut reading = Reading::of(settings(&place.server));
    place.publish(100).await;
    assert_eq!(reading.read_all().await, (100, vec![]));
    reading.source = opened(Settings { subject: "telemetry.>".to_owned(), ..settings(&place.server) });
    place.publish(100).await;
    let lost = "stream TELEMETRY, up to message 2 of telemetry.>: it was read by telemetry.autosave";
    assert_eq!(reading.read_all().await, (101, vec![lost.to_owned()]));
    assert_eq!(reading.read_all().await, (0, vec![]));
}

/// CO-9: an older state of a stream that was put back is told; as long as it may be a server that is behind, it is an outage.
#[tokio::test]
async fn a_stream_that_was_put_back_is_told() {
    let mut place = Place::new().await;
    let mut reading = Reading::of(settings(&place.server));
    place.publish(100).await;
    assert_eq!(reading.read_all().await, (100, vec![]));
    let known = Arc::clone(&reading.cursor);
    let put = |reading: &mut Reading, key: &str, value: serde_json::Value| {
        let mut cursor = Cursor::clone(&known);
        cursor.get_mut(STREAM).unwrap()[key] = value;
        reading.cursor = Arc::new(cursor);
        reading.source = opened(settings(&place.server));
    };
    // Another message stands where the last one was read.
    put(&mut reading, "at", "2026-11-22T10:00:00Z".into());
    let lost = "stream TELEMETRY, whose message 2 is another one than was read";
    assert_eq!(reading.read_all().await, (0, vec![lost.to_owned()]));
    assert_eq!(reading.read_all().await, (0, vec![]));

    put(&mut reading, "sequence", 1000.into());
    let error = reading.read().await.unwrap_err().to_string();
    assert!(error.contains("it ends at message 2, and was read up to 1000"), "{error}");
    reading.now = reading.now.plus(std::time::Duration::from_secs(30));
    let lost = "stream TELEMETRY, which went back from message 1000 to 2";
    assert_eq!(reading.read_all().await, (0, vec![lost.to_owned()]));
}

/// CO-9: a stream that drops what is in its midst cannot say so.
#[tokio::test]
async fn a_stream_that_keeps_so_many_of_a_subject_is_refused() {
    let place = Place::new().await;
    let mut config = place.stream.cached_info().config.clone();
    config.max_messages_per_subject = 10;
    place.publisher.context.update_stream(config).await.unwrap();
    let asked = Asked { cursor: Arc::default(), now: Timestamp::from_millis(0), windows: vec![] };
    let error = opened(settings(&place.server)).read(&asked).await.unwrap_err().to_string();
    assert!(error.contains("keeps 10 messages of a subject"), "{error}");
}

/// TE-5: over restarts of the server, killed while it is read and written, each save comes once.
#[tokio::test(flavor = "multi_thread")]
async fn each_save_comes_once_through_kills_of_the_server() {
    let mut place = Place::new().await;
    let mut reading = Reading::of(settings(&place.server));
    let mut found = 0;
    for round in 0..10 {
        place.publish(100 + round).await;
        place.server.restart().unwrap();
        while found < place.saves {
            // While it is down that is an outage.
            let Ok(input) = reading.read().await else { continue };
            for contribution in input.contributions {
                match contribution {
                    Contribution::Records(part) => found += part.records.events.len() as u64,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(found, place.saves, "round {round}");
    }
}

/// CO-5: a stream that is not there, a server that is not, and one that does not know us are outages that say so, without a secret.
#[tokio::test]
async fn outages_say_what_is_wrong() {
    let user = User { name: "phasegate", password: "hunter2" };
    let server = Nats::asking(Some(user)).unwrap();
    server.publisher(Some(user)).await.stream(STREAM).await;
    let read = async |settings: Settings| {
        let asked = Asked { cursor: Arc::default(), now: Timestamp::from_millis(0), windows: vec![] };
        opened(settings).read(&asked).await.map(|input| input.caught_up).map_err(|error| error.to_string())
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    let as_user = |stream: &str, password: &str| {
        std::fs::write(file.path(), password).unwrap();
        let password = SecretFrom::File(file.path().display().to_string());
        let auth = Some(Auth::User("phasegate".to_owned(), password));
        Settings { stream: stream.to_owned(), auth, ..settings(&server) }
    };
    assert_eq!(read(as_user(STREAM, "hunter2")).await, Ok(true));
    let error = read(as_user("OTHER", "hunter2")).await.unwrap_err();
    assert!(error.starts_with(&format!("stream OTHER at {}: stream not found", server.url)), "{error}");
    let error = read(as_user(STREAM, "hunter3")).await.unwrap_err();
    assert!(error.contains("uthorization") && !error.contains("hunter"), "{error}");
    let error = read(settings(&server)).await.unwrap_err();
    assert!(error.contains("uthorization"), "{error}");
    let nobody = Settings { url: "nats://127.0.0.1:9".to_owned(), ..settings(&server) };
    let error = read(nobody).await.unwrap_err();
    assert!(error.contains("stream TELEMETRY at nats://127.0.0.1:9: "), "{error}");
}
