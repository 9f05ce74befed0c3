//! A stream of pushed telemetry that goes on while services are killed, and knows what was accepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use shared_types::Timestamp;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Events a push; one push about every 100 ms.
const EVENTS_A_PUSH: u64 = 20;

/// Pushes saves until it is stopped; a push without a 2xx is repeated under the same `Idempotency-Key`.
pub struct Feeder {
    violating: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Feeder {
    /// Starts with compliant telemetry for `autosave` to the collector at `url`.
    #[must_use]
    pub fn start(url: &str) -> Self {
        let violating = Arc::new(AtomicBool::new(false));
        let stop = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(feed(
            format!("{url}/v1/targets/autosave/events"),
            Arc::clone(&violating),
            Arc::clone(&stop),
            Arc::clone(&accepted),
        ));
        Self { violating, stop, accepted, task }
    }

    /// From now on saves take far longer than any phase allows; or do not.
    pub fn violate(&self, on: bool) {
        self.violating.store(on, Ordering::SeqCst);
    }

    /// Ends after the push under way was accepted; how many events were accepted in all.
    ///
    /// # Panics
    /// If the feeding task did.
    pub async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.expect("the feeder's task");
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn feed(url: String, violating: Arc<AtomicBool>, stop: Arc<AtomicBool>, accepted: Arc<AtomicU64>) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().expect("an HTTP client");
    while !stop.load(Ordering::SeqCst) {
        let duration_ms = if violating.load(Ordering::SeqCst) { 9_000 } else { 300 };
        let body = push_body(duration_ms, EVENTS_A_PUSH);
        push_until_accepted(&client, &url, &body).await;
        accepted.fetch_add(EVENTS_A_PUSH, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// NDJSON of `events` saves that end now.
#[must_use]
pub fn push_body(duration_ms: u64, events: u64) -> String {
    let ts = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    (0..events)
        .map(|_| {
            let id = Uuid::now_v7();
            format!("{{\"ts\":\"{ts}\",\"name\":\"autosave.save.completed\",\"duration_ms\":{duration_ms},\"event_id\":\"{id}\"}}\n")
        })
        .collect()
}

async fn push_until_accepted(client: &reqwest::Client, url: &str, body: &str) {
    let key = Uuid::now_v7().to_string();
    loop {
        let sent = client
            .post(url)
            .header("content-type", "application/x-ndjson")
            .header("idempotency-key", &key)
            .body(body.to_owned())
            .send()
            .await;
        match sent {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) if answer.status().is_client_error() && answer.status().as_u16() != 429 => {
                panic!("a well-formed push was refused: {}", answer.text().await.unwrap_or_default())
            }
            // Down, overloaded or killed in the middle: the same push again, under the same key.
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
