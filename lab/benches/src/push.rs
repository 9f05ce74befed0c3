//! (b) NDJSON bodies pushed over HTTP, every 202 committed to SQLite or PostgreSQL, beside the same handler that only parses and
//! answers.

use domain::telemetry::event_specs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use clap::Args;
use collector_svc::api::BODY_LIMIT;
use collector_svc::generate::Generator;
use collector_svc::sources::Push;
use collector_svc::{Config, run};
use domain::kinds::Chosen;
use domain::policy::Policy;
use domain::sources::http::Http;
use events::EventSpecs;
use events::records::Records;
use service_kit::clock::{Clock, ManualClock};
use service_kit::config::HttpArgs;
use service_kit::db::SchemaName;
use service_kit::http::{Body, HttpOptions, Json, Readiness, ServiceParts, serve};
use service_kit::{CommonConfig, ServiceName};
use shared_types::Timestamp;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::collector::autosave;
use crate::latency::Store;
use crate::measure::{Measured, child, heading, line};

const START: &str = "2026-11-22T10:00:00Z";

/// How much.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Amount {
    #[arg(long, default_value_t = 2000)]
    pub(crate) bodies: usize,
    /// Events of each body.
    #[arg(long, default_value_t = 1000)]
    pub(crate) events: u64,
    /// Enough that a group commit is shared; with few, each waits for the disk.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
}

/// The table.
pub(crate) fn bench(stores: &[Store], amount: Amount, runs: usize) -> anyhow::Result<()> {
    let Amount { bodies, events, connections } = amount;
    println!("{bodies} bodies of {events} event(s), {connections} connections, client on the same cores");
    heading(&["ratio"]);
    let measured = |what: &str| {
        let (bodies, events, connections) = (bodies.to_string(), events.to_string(), connections.to_string());
        let amount = ["--bodies", &bodies, "--events", &events, "--connections", &connections];
        let arguments: Vec<String> = [what].iter().chain(&amount).map(ToString::to_string).collect();
        child(&arguments, runs)
    };
    let bare = measured("push-bare")?;
    line("the handler without a store", &bare, &[&bare]);
    for store in stores {
        let (what, name) = match store {
            Store::Sqlite => ("push-sqlite", "SQLite"),
            Store::Postgres => ("push-postgres", "PostgreSQL"),
        };
        line(&format!("collector, every 202 committed to {name}"), &measured(what)?, &[&bare]);
    }
    Ok(())
}

/// The same layers, the same parse, an answer: nothing is counted or kept.
pub(crate) fn bare(amount: Amount) -> anyhow::Result<Measured> {
    let serve = |listener, stop: CancellationToken| Ok(tokio::spawn(without_store(listener, stop)?));
    runtime()?.block_on(against(amount, serve))
}

/// The collector, on a store of its own.
pub(crate) fn collector(amount: Amount, store: Store) -> anyhow::Result<Measured> {
    store.with(&runtime()?, async |directory, database| {
        let serve = |listener: TcpListener, stop| {
            let config = Config::new(common(directory, database, listener.local_addr()?)?);
            Ok(tokio::spawn(run(config, listener, stop)))
        };
        against(amount, serve).await
    })
}

fn runtime() -> anyhow::Result<Runtime> {
    service_kit::client::install_crypto();
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

type Server = tokio::task::JoinHandle<anyhow::Result<()>>;

/// Starts a server, sends it the bodies, and stops it again.
async fn against(
    amount: Amount,
    serve: impl FnOnce(TcpListener, CancellationToken) -> anyhow::Result<Server>,
) -> anyhow::Result<Measured> {
    let bodies = generate(amount)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (address, stop) = (listener.local_addr()?, CancellationToken::new());
    let server = serve(listener, stop.clone())?;
    wait_for(address).await?;
    let handle = tokio::runtime::Handle::current();
    let sending =
        tokio::task::spawn_blocking(move || Measured::of(|| handle.block_on(send(address, bodies, amount))));
    let measured = sending.await??;
    stop.cancel();
    server.await??;
    Ok(measured)
}

fn generate(Amount { bodies, events, .. }: Amount) -> anyhow::Result<Arc<Vec<axum::body::Bytes>>> {
    let start = Timestamp::parse(START)?;
    let body = |seed: usize| {
        let mut generator = Generator::new(events, seed as u64, "autosave", start);
        generator.span = Duration::from_secs(600);
        if events == 1 {
            // A body of nothing else is refused.
            (generator.malformed_ratio, generator.unknown_ratio) = (0.0, 0.0);
        }
        let mut text = Vec::new();
        generator.write(&mut text).map(|_| axum::body::Bytes::from(text))
    };
    Ok(Arc::new((0..bodies).map(body).collect::<Result<_, _>>()?))
}

fn without_store(
    listener: TcpListener,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>>> {
    let specs = Arc::new(event_specs(&autosave()?.1)?);
    let parts = ServiceParts {
        service: ServiceName::Collector,
        router: Router::new().route("/v1/targets/autosave/events", post(parse_only)).with_state(specs),
        openapi: collector_svc::openapi(),
        readiness: Readiness::new(),
        tokens: None,
        options: HttpOptions { body_limit: BODY_LIMIT, ..HttpOptions::default() },
    };
    Ok(serve(parts, listener, stop))
}

async fn parse_only(State(specs): State<Arc<EventSpecs>>, Body(body): Body) -> (StatusCode, Json<Push>) {
    let records = tokio::task::spawn_blocking(move || Records::of_body(&body, &specs))
        .await
        .map(Result::unwrap_or_default);
    let accepted = records.map_or(0, |records| records.events.len() as u64);
    (StatusCode::ACCEPTED, Json(Push { accepted, ..Push::default() }))
}

fn common(directory: &Path, database: Option<&str>, address: SocketAddr) -> anyhow::Result<CommonConfig> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../governance/policy.yaml");
    let mut policy = Policy::load(&path)?;
    policy.targets.values_mut().for_each(|target| target.collection.source = Chosen(Arc::new(Http)));
    let clock = ManualClock::at(Timestamp::parse(START)?.plus(Duration::from_secs(601)));
    alone(directory, database, address, (path, policy), Arc::new(clock))
}

/// The configuration of a collector at an address, by a policy and the file that it is from, without the other services.
pub(crate) fn alone(
    directory: &Path,
    database: Option<&str>,
    address: SocketAddr,
    (policy_path, policy): (PathBuf, Policy),
    clock: Arc<dyn Clock>,
) -> anyhow::Result<CommonConfig> {
    let url = service_kit::config::http_url(&format!("http://{address}")).map_err(anyhow::Error::msg)?;
    let nobody = service_kit::config::http_url("http://127.0.0.1:9").map_err(anyhow::Error::msg)?;
    Ok(CommonConfig {
        service: ServiceName::Collector,
        database_url: database.map(Into::into),
        database_schema: SchemaName::default(),
        database_connections: None,
        database_wait: Duration::ZERO,
        http: HttpArgs::default(),
        services_here: 1,
        data_dir: directory.to_owned(),
        policy_path,
        policy: Arc::new(policy),
        collector_url: url,
        analyzer_url: nobody.clone(),
        reporter_url: nobody,
        tokens: None,
        service_token: None,
        clock,
    })
}

pub(crate) async fn wait_for(address: SocketAddr) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    for _ in 0..500 {
        if http.get(format!("http://{address}/healthz")).send().await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("the server does not answer")
}

/// Sends every body once, and is content with 202 only. Says how many events that were.
async fn send(
    address: SocketAddr,
    bodies: Arc<Vec<axum::body::Bytes>>,
    Amount { events, connections, .. }: Amount,
) -> anyhow::Result<u64> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let next = Arc::new(AtomicUsize::new(0));
    let mut senders = Vec::new();
    for _ in 0..connections.max(1) {
        let (http, next, bodies) = (http.clone(), Arc::clone(&next), Arc::clone(&bodies));
        senders.push(tokio::spawn(async move {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(body) = bodies.get(at) else { return anyhow::Ok(()) };
                let request = http.post(format!("http://{address}/v1/targets/autosave/events"));
                let response = request.body(body.clone()).send().await?;
                anyhow::ensure!(response.status() == 202, "answered {}", response.status());
                response.bytes().await.context("answer")?;
            }
        }));
    }
    for sender in senders {
        sender.await??;
    }
    Ok(bodies.len() as u64 * events)
}
