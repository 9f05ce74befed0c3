//! Telemetry that is pushed to a collector: what has gathered goes out together, and again under the same key until it is taken.

use std::time::Duration;

use serde_json::value::RawValue;
use service_kit::client::{ClientError, Neighbour};
use tokio::sync::mpsc::{self, Receiver, Sender};
use uuid::Uuid;

/// What gathers while a collector is away for minutes. An application does not wait for its telemetry: what is beyond is lost.
const KEPT: usize = 50_000;
const AT_ONCE: usize = 2_000;
const PAUSE: Duration = Duration::from_millis(500);

/// Takes lines from any thread.
#[derive(Debug, Clone)]
pub(crate) struct Lines(Sender<Box<RawValue>>);

impl Lines {
    pub(super) fn push(&self, line: Box<RawValue>) {
        self.0.try_send(line).ok();
    }
}

/// The other end of [`Lines`].
pub(crate) struct Pusher {
    lines: Receiver<Box<RawValue>>,
    collector: Neighbour,
    path: String,
}

impl Pusher {
    pub(crate) fn new(collector: Neighbour, target: &str) -> (Lines, Self) {
        let (sender, lines) = mpsc::channel(KEPT);
        (Lines(sender), Self { lines, collector, path: format!("/v1/targets/{target}/events") })
    }

    /// Until there is nobody left who writes lines.
    pub(crate) async fn run(mut self) {
        let mut events = Vec::new();
        while self.lines.recv_many(&mut events, AT_ONCE).await > 0 {
            let key = Uuid::now_v7().to_string();
            let mut told = false;
            while let Err(error) = self.post(&events, &key).await {
                if !std::mem::replace(&mut told, true) {
                    eprintln!("telemetry waits for the collector: {error}");
                }
                if matches!(error, ClientError::Refused { status: 400..=499, .. }) {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            events.clear();
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn post(&self, events: &[Box<RawValue>], key: &str) -> Result<serde_json::Value, ClientError> {
        self.collector.post_json_once(&self.path, events, key).await
    }
}
