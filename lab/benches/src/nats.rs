//! (i) Collectors that share the targets of one stream of NATS JetStream, on one PostgreSQL: from the first read until all is counted.
//!
//! All are in this process, so on the same cores: more of them do nothing sooner here. What is held is that each event is counted
//! once, and that what they cost each other stays small.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use collector_svc::share::Share;
use collector_svc::shared_time::SharedTime;
use collector_svc::sources::{PushQueue, PushSource, SHIPPED};
use collector_svc::store::{MIGRATIONS, Store};
use collector_svc::versions::Version;
use collector_svc::worker::{Reading, Worker, WorkerParts};
use domain::kinds::Chosen;
use domain::sources::nats::Nats as Settings;
use phasegate_sources::nats::Nats;
use service_kit::clock::ManualClock;
use service_kit::db::Db;
use service_kit::rules::{PolicyVersions, Rules};
use shared_types::{TargetName, Timestamp};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::collector::whole_policy;
use crate::latency;
use crate::measure::{bounded, processor_seconds};

const STREAM: &str = "TELEMETRY";
const START: &str = "2026-11-22T10:00:00Z";
/// Events of a message.
const TOGETHER: u64 = 100;

/// The table. An error where an event costs more than `growth_most` with the most collectors of what it does with the fewest.
pub(crate) fn bench(
    counts: &[usize],
    targets: usize,
    events: u64,
    growth_most: Option<f64>,
) -> anyhow::Result<()> {
    service_kit::client::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!(
        "\nPostgres, one stream, {targets} targets, {events} events; collectors are in this process, on the same cores"
    );
    println!(
        "{:>10} {:>9} {:>12} {:>14} {:>7}",
        "collectors", "seconds", "events/s", "CPU us/event", "ratio"
    );
    let mut all: Vec<f64> = Vec::new();
    for count in counts {
        let (seconds, processor) = latency::Store::Postgres.with(&runtime, async |_, database| {
            one(database.context("PostgreSQL")?, *count, targets, events).await
        })?;
        #[expect(clippy::cast_precision_loss, reason = "millions")]
        let (rate, each) = (events as f64 / seconds, processor * 1e6 / events as f64);
        all.push(each);
        println!("{count:>10} {seconds:>9.3} {rate:>12.0} {each:>14.2} {:>7.2}", each / all[0]);
    }
    if let [first, .., last] = all.as_slice() {
        bounded("CPU of an event, most over fewest collectors", last / first, growth_most)?;
    }
    Ok(())
}

/// Seconds, and of the processor.
async fn one(database: &str, count: usize, targets: usize, events: u64) -> anyhow::Result<(f64, f64)> {
    let server = Nats::start()?;
    let mut publisher = server.publisher(None).await;
    publisher.stream(STREAM).await;
    let names: Vec<TargetName> =
        (0..targets).map(|n| Ok(TargetName::parse(&format!("t{n}"))?)).collect::<anyhow::Result<_>>()?;
    let mut published = 0;
    while published < events {
        for name in &names {
            let event = |n: u64| {
                let at = published + n;
                format!(
                    "{{\"ts\":\"{START}\",\"name\":\"autosave.save.completed\",\"event_id\":\"{at}\",\"duration_ms\":640.5}}\n"
                )
            };
            publisher.publish(&format!("telemetry.{name}"), (0..TOGETHER).map(event).collect()).await;
            published += TOGETHER;
        }
    }
    let versions = policy(&server, &names)?;
    let store = Store::new(Db::connect(database, "collector", MIGRATIONS).await?);
    let ids: Vec<String> = (0..count).map(|at| format!("collector {at}")).collect();
    let living = watch::Sender::new(ids.clone());
    let now = Timestamp::parse(START)?.plus(Duration::from_secs(60));
    let (began, used) = (Instant::now(), processor_seconds()?);
    let stop = CancellationToken::new();
    let mut running = Vec::new();
    for id in &ids {
        let store = Store::new(Db::connect(database, "collector", MIGRATIONS).await?);
        for name in &names {
            let share = Share::among(id, living.subscribe());
            let wake = Arc::new(Notify::new());
            let worker = Worker::new(WorkerParts {
                target: name.clone(),
                version: Version::of(name, &versions.current()).context("the target")?,
                policies: versions.clone(),
                store: store.clone(),
                clock: SharedTime::alone(Arc::new(ManualClock::at(now))),
                reading: Reading { share, ..Reading::alone(SHIPPED, 1) },
                push: PushSource(PushQueue::new(Arc::clone(&wake))),
            });
            let (handle, attended) = worker.attended();
            running.push((handle, tokio::spawn(attended.run(wake, stop.clone()))));
        }
    }
    loop {
        let mut counted = 0;
        for name in &names {
            let totals = store.totals(name, Timestamp::parse(START)?).await?;
            counted += totals.counters.values().sum::<u64>();
        }
        anyhow::ensure!(counted <= published, "{counted} of {published} are counted");
        if counted == published {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = (began.elapsed().as_secs_f64(), processor_seconds()? - used);
    stop.cancel();
    for (_, worker) in running {
        worker.await?;
    }
    Ok(took)
}

/// The shipped target, by many names, each with a subject of its own.
fn policy(server: &Nats, names: &[TargetName]) -> anyhow::Result<PolicyVersions> {
    let mut policy = whole_policy()?;
    let target = policy.targets.values().next().context("the policy has no target")?.clone();
    policy.targets.clear();
    for name in names {
        let mut target = target.clone();
        target.collection.source = Chosen(Arc::new(Settings {
            url: server.url.clone(),
            stream: STREAM.to_owned(),
            subject: "telemetry.{target}".to_owned(),
            auth: None,
        }));
        policy.targets.insert(name.clone(), target);
    }
    Ok(PolicyVersions::fixed(Rules::without_texts(Arc::new(policy))))
}
