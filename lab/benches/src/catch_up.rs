//! (j) An hour away: what a collector that comes back counts of what each source has kept meanwhile, how long that takes, and how
//! much memory. Windows of a minute; SQLite; what sends is in the same process, and the server of Prometheus on the same cores.

mod kept;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum as _;
use collector_svc::store::{MIGRATIONS, Store};
use collector_svc::{Config, run};
use domain::policy::Policy;
use reqwest::Client;
use serde_json::{Value, json};
use service_kit::clock::ManualClock;
use service_kit::db::Db;
use shared_types::{TargetName, Timestamp};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::latency::wanted::SHIPPED;
use crate::measure::{Measured, child, heading, line};
use crate::push::{alone, wait_for};
pub(crate) use kept::Kept;

/// When the hour begins.
const START: &str = "2026-11-22T10:00:00Z";
const HOUR: Duration = Duration::from_secs(3600);
const WINDOW: Duration = Duration::from_secs(60);
/// After the hour, so that the grace of its last window is over.
const BACK_AFTER: Duration = Duration::from_secs(35);
const TARGET: &str = "autosave";
const LOOK: Duration = Duration::from_millis(10);

/// The table.
pub(crate) fn bench(all_kept: &[Kept], events: &[u64], runs: usize) -> anyhow::Result<()> {
    for events in events {
        println!("\n{events} events of an hour away");
        heading(&[]);
        for kept in all_kept {
            let name = kept.to_possible_value().context("a name")?.get_name().to_owned();
            let arguments = [format!("catch-up-{name}"), "--events".to_owned(), events.to_string()];
            line(kept.counted(), &child(&arguments, runs)?, &[]);
        }
    }
    Ok(())
}

/// Where the events of the hour were counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    /// In the windows of their own time.
    in_windows: u64,
    /// As late, in the window that is open.
    late: u64,
    /// In the window that is open.
    now: u64,
}

/// Goes away, comes back, and counts what was kept: an error where that is not all of it.
pub(crate) fn measure(kept: Kept, events: u64) -> anyhow::Result<Measured> {
    service_kit::client::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let directory = tempfile::tempdir()?;
    let start = Timestamp::parse(START)?;
    let clock = Arc::new(ManualClock::at(start.minus(WINDOW)));
    let server = runtime.block_on(kept.server(start, events))?;
    let rules = rules(directory.path(), &kept.source(directory.path(), server.as_ref()))?;
    runtime.block_on(async {
        let collector = Collector::start(directory.path(), &rules, &clock).await?;
        collector.begin_phase().await?;
        kept.before(&collector, start).await?;
        collector.stop().await
    })?;
    runtime.block_on(kept.write(directory.path(), server.as_ref(), start, events))?;
    clock.set(start.plus(HOUR + BACK_AFTER));
    let measured = Measured::of(|| {
        runtime.block_on(async {
            let collector = Collector::start(directory.path(), &rules, &clock).await?;
            collector.until_closed(start.plus(HOUR)).await?;
            kept.send(&collector, start, events).await?;
            collector.stop().await
        })?;
        Ok(events)
    })?;
    let counted = counted(&runtime, directory.path(), start)?;
    anyhow::ensure!(counted == kept.expected(events), "{kept:?}: {counted:?}");
    Ok(measured)
}

/// The shipped policy with short windows and this source, and its file.
fn rules(directory: &Path, source: &str) -> anyhow::Result<(PathBuf, Policy)> {
    let mut text = std::fs::read_to_string(Path::new(SHIPPED).join("governance/policy.yaml"))?;
    let templates = format!("templates: {SHIPPED}/templates/alerts");
    for (from, to) in [
        ("{ jsonl: { paths: [\"telemetry/autosave/*.jsonl\"] } }", source),
        ("window: 15m", "window: 1m"),
        ("templates: templates/alerts", &templates),
    ] {
        anyhow::ensure!(text.contains(from), "the shipped policy has no `{from}`");
        text = text.replacen(from, to, 1);
    }
    let path = directory.join("policy.yaml");
    std::fs::write(&path, text)?;
    let policy = Policy::load(&path)?;
    Ok((path, policy))
}

fn counted(runtime: &Runtime, directory: &Path, start: Timestamp) -> anyhow::Result<Counted> {
    runtime.block_on(async {
        let db = Db::connect(&Db::embedded_url(directory, "collector"), "collector", MIGRATIONS).await?;
        let (store, target) = (Store::new(db.clone()), TargetName::parse(TARGET)?);
        let (mut counted, mut window, end) = (Counted::default(), start, start.plus(HOUR));
        while window < end {
            let batch =
                store.batch(&target, window).await?.context("a window of the hour has no batch")?.batch;
            counted.in_windows += batch.counters.values().sum::<u64>();
            counted.late += batch.intake.late;
            window = window.plus(WINDOW);
        }
        let open = store.totals(&target, end).await?;
        counted.late += open.intake.late;
        counted.now = open.counters.values().sum();
        db.close().await;
        Ok(counted)
    })
}

/// The product's, in this process, without its neighbours.
struct Collector {
    http: Client,
    url: String,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Collector {
    async fn start(
        directory: &Path,
        rules: &(PathBuf, Policy),
        clock: &Arc<ManualClock>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, stop) = (listener.local_addr()?, CancellationToken::new());
        let clock = Arc::<ManualClock>::clone(clock);
        let config = Config::new(alone(directory, None, address, rules.clone(), clock)?);
        let server = tokio::spawn(run(config, listener, stop.clone()));
        wait_for(address).await?;
        let http = Client::builder().no_proxy().build()?;
        Ok(Self { http, url: format!("http://{address}"), stop, server })
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.server.await?
    }

    /// The first, at once.
    async fn begin_phase(&self) -> anyhow::Result<()> {
        let directive = json!({
            "target": TARGET, "phase": "A", "epoch": 1, "cadence_ms": WINDOW.as_millis(), "collect": true,
            "sequence": 1, "until": null,
        });
        let put = self.http.put(format!("{}/v1/targets/{TARGET}/directive", self.url)).json(&directive);
        put.send().await?.error_for_status()?;
        self.until("phase A", |view| view["current"]["phase"] == "A").await
    }

    async fn until_closed(&self, end: Timestamp) -> anyhow::Result<()> {
        let end = end.to_string();
        let is_last = |view: &Value| view["last_batch"]["window"]["end"] == *end;
        self.until("the last window to be closed", is_last).await
    }

    async fn until(&self, what: &str, reached: impl Fn(&Value) -> bool) -> anyhow::Result<()> {
        let looked = async {
            loop {
                let get = self.http.get(format!("{}/v1/targets/{TARGET}", self.url));
                let view: Value = get.send().await?.error_for_status()?.json().await?;
                if reached(&view) {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(600), looked).await.context(what.to_owned())?
    }
}
