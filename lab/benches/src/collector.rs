//! (a) A JSONL file through the real source, counting, and a SQLite store with its flushes and closed windows.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use collector_svc::generate::Generator;
use collector_svc::shared_time::SharedTime;
use collector_svc::sources::{PushQueue, PushSource, SHIPPED};
use collector_svc::store::{MIGRATIONS, Store};
use collector_svc::versions::Version;
use collector_svc::worker::{Worker, WorkerParts};
use domain::kinds::Chosen;
use domain::policy::{Policy, TargetPolicy};
use domain::sources::jsonl::Jsonl;
use service_kit::clock::ManualClock;
use service_kit::db::Db;
use service_kit::rules::{PolicyVersions, Rules};
use shared_types::{TargetName, Timestamp};
use tokio::sync::Notify;

use crate::measure::{child, heading, line};

const START: &str = "2026-11-22T00:00:00Z";

/// The table.
pub(crate) fn bench(events: &[u64], threads: &[usize], seed: u64, runs: usize) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    for events in events {
        let file = directory.path().join(format!("{events}.jsonl"));
        let generator = Generator::new(*events, seed, "autosave", Timestamp::parse(START)?);
        let written = generator.write(&mut BufWriter::new(File::create(&file)?))?;
        println!("\n{events} events over 24 h, {:.2} GB, seed {seed}", written.bytes as f64 / 1e9);
        heading();
        for threads in threads {
            let run = |what: &str| {
                let file = file.display().to_string();
                let arguments = [what, "--file", &file, "--threads", &threads.to_string()];
                child(&arguments.map(str::to_owned), runs)
            };
            let (split, parse, collector) = (run("lines")?, run("parse")?, run("collector")?);
            line(&format!("line split, {threads} core(s)"), &split, &parse);
            line(&format!("typed serde_json parse + ids, {threads} core(s)"), &parse, &parse);
            line(&format!("collector into SQLite, {threads} core(s)"), &collector, &parse);
        }
    }
    Ok(())
}

/// Reads the whole file, closes all its windows, and says how many lines were counted.
pub(crate) fn measure(file: &Path, threads: usize) -> anyhow::Result<u64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(collect(file, threads))
}

async fn collect(file: &Path, threads: usize) -> anyhow::Result<u64> {
    let directory = tempfile::tempdir()?;
    let db = Db::connect(&Db::embedded_url(directory.path(), "collector"), "collector", MIGRATIONS).await?;
    let store = Store::new(db.clone());
    let (target, mut policy) = autosave()?;
    policy.collection.source = Chosen(Arc::new(Jsonl { paths: vec![file.display().to_string()] }));
    let mut whole = whole_policy()?;
    whole.targets.insert(target.clone(), policy.clone());
    let versions = PolicyVersions::fixed(Rules::without_texts(Arc::new(whole)));
    let version = Version::of(&target, &versions.current()).context("the target")?;
    let now = Timestamp::parse(START)?.plus(Duration::from_secs(25 * 3600));
    let queue = PushQueue::new(Arc::new(Notify::new()));
    let mut worker = Worker::new(WorkerParts {
        target: target.clone(),
        version,
        policies: versions,
        store: store.clone(),
        clock: SharedTime::alone(Arc::new(ManualClock::at(now))),
        parse_threads: threads,
        push: PushSource(queue),
        sources: SHIPPED.into(),
    });
    while worker.turn().await?.more {}
    // Closed windows are in `batches`; each counted line is in one of them.
    let mut lines = 0;
    let mut start = Timestamp::parse(START)?;
    while start < now {
        if let Some(row) = store.batch(&target, start).await? {
            let intake = row.batch.intake;
            lines += row.batch.counters.values().sum::<u64>() + intake.duplicates + intake.unknown;
            lines += intake.malformed + intake.late;
        }
        start = start.plus(policy.collection.window);
    }
    let malformed = store.totals(&target, now).await?.intake.malformed;
    db.close().await;
    Ok(lines + malformed)
}

/// The shipped target.
fn whole_policy() -> anyhow::Result<Policy> {
    Ok(Policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../governance/policy.yaml"))?)
}

pub(crate) fn autosave() -> anyhow::Result<(TargetName, TargetPolicy)> {
    whole_policy()?.targets.into_iter().next().context("the policy has no target")
}
