//! (a) JSONL files through the real source, counting, and a SQLite store with its flushes and closed windows.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use collector_svc::generate::Generator;
use collector_svc::shared_time::SharedTime;
use collector_svc::sources::{PushQueue, PushSource, SHIPPED};
use collector_svc::store::{MIGRATIONS, Store};
use collector_svc::versions::Version;
use collector_svc::worker::{Reading, Worker, WorkerParts};
use domain::kinds::Chosen;
use domain::policy::{Policy, TargetPolicy};
use domain::sources::jsonl::Jsonl;
use events::map::Map;
use service_kit::clock::ManualClock;
use service_kit::db::Db;
use service_kit::rules::{PolicyVersions, Rules};
use shared_types::{TargetName, Timestamp};
use tokio::sync::Notify;

use crate::logged;
use crate::measure::{child, heading, line};

const START: &str = "2026-11-22T00:00:00Z";

/// What is to be measured.
pub(crate) struct Amount {
    pub(crate) events: Vec<u64>,
    pub(crate) files: Vec<usize>,
    pub(crate) threads: Vec<usize>,
    pub(crate) seed: u64,
    pub(crate) runs: usize,
}

/// The table.
pub(crate) fn bench(amount: &Amount) -> anyhow::Result<()> {
    for events in &amount.events {
        for files in &amount.files {
            one_table(*events, *files, amount)?;
        }
    }
    Ok(())
}

fn one_table(events: u64, files: usize, amount: &Amount) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut dealt = Dealt::into(directory.path(), files)?;
    let written =
        Generator::new(events, amount.seed, "autosave", Timestamp::parse(START)?).write(&mut dealt)?;
    let size = written.bytes as f64 / 1e9;
    let logs = logged::write(&dealt.paths)?;
    println!("\n{events} events over 24 h in {files} file(s), {size:.2} GB, seed {}", amount.seed);
    heading(&["of flat", "of serde"]);
    for threads in &amount.threads {
        let run_on = |what: &str, files: &[PathBuf]| {
            let mut arguments = vec![what.to_owned(), "--threads".to_owned(), threads.to_string()];
            for path in files {
                arguments.extend(["--file".to_owned(), path.display().to_string()]);
            }
            child(&arguments, amount.runs)
        };
        let run = |what: &str| run_on(what, &dealt.paths);
        let (split, flat, parse, collector) = (run("lines")?, run("flat")?, run("parse")?, run("collector")?);
        let mapped = run_on("collector-mapped", &logs)?;
        let counted = [&split, &flat, &parse, &collector, &mapped].map(|it| it.events);
        anyhow::ensure!(counted == [events; 5], "not all was counted: {counted:?}");
        let print = |what: &str, it| line(&format!("{what}, {threads} core(s)"), it, &[&flat, &parse]);
        print("line split", &split);
        print("flat scan by hand + ids a window", &flat);
        print("typed serde_json parse + ids a window", &parse);
        print("collector into SQLite", &collector);
        print("the same as an app's own log, by a map", &mapped);
        println!("mapped of unmapped: {:.2}", mapped.per_second() / collector.per_second());
    }
    Ok(())
}

/// Files that get a line each, one after the other.
struct Dealt {
    paths: Vec<PathBuf>,
    writers: Vec<BufWriter<File>>,
    next: usize,
}

impl Dealt {
    fn into(directory: &Path, files: usize) -> std::io::Result<Self> {
        let paths: Vec<PathBuf> =
            (0..files.max(1)).map(|n| directory.join(format!("{n:02}.jsonl"))).collect();
        let writers =
            paths.iter().map(|path| File::create(path).map(BufWriter::new)).collect::<Result<_, _>>()?;
        Ok(Self { paths, writers, next: 0 })
    }
}

impl Write for Dealt {
    /// A whole line each time.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let at = self.next % self.writers.len();
        self.next += 1;
        self.writers[at].write_all(line).map(|()| line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writers.iter_mut().try_for_each(Write::flush)
    }
}

/// Reads all files, closes all their windows, and says how many lines were counted.
pub(crate) fn measure(files: &[PathBuf], map: Option<Arc<Map>>, threads: usize) -> anyhow::Result<u64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(collect(files, map, threads))
}

async fn collect(files: &[PathBuf], map: Option<Arc<Map>>, threads: usize) -> anyhow::Result<u64> {
    let directory = tempfile::tempdir()?;
    let db = Db::connect(&Db::embedded_url(directory.path(), "collector"), "collector", MIGRATIONS).await?;
    let store = Store::new(db.clone());
    let (target, mut policy) = autosave()?;
    policy.collection.source =
        Chosen(Arc::new(Jsonl { paths: files.iter().map(|file| file.display().to_string()).collect() }));
    policy.collection.map = map;
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
        reading: Reading::alone(SHIPPED, threads),
        push: PushSource(queue),
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
pub(crate) fn whole_policy() -> anyhow::Result<Policy> {
    Ok(Policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../governance/policy.yaml"))?)
}

pub(crate) fn autosave() -> anyhow::Result<(TargetName, TargetPolicy)> {
    whole_policy()?.targets.into_iter().next().context("the policy has no target")
}
