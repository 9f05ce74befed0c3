//! OP-1: a long-lived task that panics ends its service, with one line that names it; half a service looks alive and guards nothing.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic; its helpers are tests too")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Command;
use domain::policy::Policy;
use phasegate::Product;
use phasegate_tests::wait;
use service_kit::clock::{Clock, SystemClock};
use service_kit::config::HttpArgs;
use service_kit::db::SchemaName;
use service_kit::{CommonConfig, ServiceName};
use shared_types::Timestamp;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Nothing here takes long; this only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The machine's, until it breaks whoever asks.
#[derive(Default)]
struct BreakingClock(AtomicBool);

impl Clock for BreakingClock {
    fn now(&self) -> Timestamp {
        assert!(!self.0.load(Ordering::SeqCst), "the clock broke");
        SystemClock.now()
    }
}

/// Runs one service without its neighbours until it is ready, breaks its clock, and returns the line it ends with.
async fn line_of(service: ServiceName) -> String {
    service_kit::client::install_crypto();
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    let nowhere: reqwest::Url = "http://127.0.0.1:9".parse().unwrap();
    let clock = Arc::new(BreakingClock::default());
    let policy_path = folder.path().join("policy.yaml");
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates/alerts");
    let policy = include_str!("../fixtures/policy.fast.yaml")
        .replace("@TEMPLATES@", &templates.display().to_string())
        .replace("@TELEMETRY@", &folder.path().display().to_string());
    std::fs::write(&policy_path, policy).unwrap();
    let common = CommonConfig {
        service,
        database_url: None,
        database_schema: SchemaName::default(),
        database_connections: None,
        database_wait: Duration::ZERO,
        http: HttpArgs::default(),
        services_here: 1,
        data_dir: folder.path().to_owned(),
        policy: Arc::new(Policy::load(&policy_path).unwrap()),
        policy_path,
        collector_url: nowhere.clone(),
        analyzer_url: nowhere.clone(),
        reporter_url: nowhere,
        tokens: None,
        service_token: None,
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
    };
    let (product, stop) = (Product::shipped(), CancellationToken::new());
    let running = match service {
        ServiceName::Collector => {
            tokio::spawn(collector_svc::run(product.collector(&common), listener, stop))
        }
        ServiceName::Analyzer => tokio::spawn(analyzer_svc::run(product.analyzer(&common), listener, stop)),
        ServiceName::Reporter => {
            let told =
                product.arguments(Command::new("reporter")).try_get_matches_from(["reporter"]).unwrap();
            tokio::spawn(reporter_svc::run(product.reporter(&told, &common).unwrap(), listener, stop))
        }
    };
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    wait::until("the service is ready", || async {
        let answer = http.get(format!("{own}/readyz")).send().await.map_err(|error| error.to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(answer.text().await.unwrap_or_default()) }
    })
    .await;
    clock.0.store(true, Ordering::SeqCst);
    let ended = tokio::time::timeout(PATIENCE, running).await.expect("it ends by itself").unwrap();
    format!("{:#}", ended.expect_err("it did not end well"))
}

async fn ends_with_a_line(service: ServiceName) {
    let line = line_of(service).await;
    assert!(line.ends_with(" panicked: the clock broke") && !line.contains('\n'), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_the_collector_that_panics_ends_it() {
    ends_with_a_line(ServiceName::Collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_the_analyzer_that_panics_ends_it() {
    ends_with_a_line(ServiceName::Analyzer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_the_reporter_that_panics_ends_it() {
    ends_with_a_line(ServiceName::Reporter).await;
}
