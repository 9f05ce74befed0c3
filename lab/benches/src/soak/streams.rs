//! The page's streams: held, read, and opened anew; what they name is fetched, as the page does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use serde_json::Value;
use shared_types::dashboard::Dashboard;
use tokio_util::sync::CancellationToken;

use crate::latency::stack::Stack;

/// The shortest that one is held.
const HELD: Duration = Duration::from_secs(40);

/// Counts what came.
#[derive(Debug, Default)]
pub(super) struct Streams {
    events: AtomicUsize,
}

impl Streams {
    pub(super) fn events(&self) -> usize {
        self.events.load(Ordering::Relaxed)
    }

    /// Holds one after the other until `stop`, each number for another time.
    pub(super) async fn hold(
        self: Arc<Self>,
        stack: Arc<Stack>,
        number: u64,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let held = HELD + Duration::from_secs(7 * number);
        while !stop.is_cancelled() {
            let before = self.events();
            tokio::select! {
                () = stop.cancelled() => break,
                read = self.read(&http, &stack) => return read,
                () = tokio::time::sleep(held) => {}
            }
            anyhow::ensure!(self.events() > before, "nothing came on the page's streams in {held:?}");
        }
        Ok(())
    }

    /// Reads one to its end, which should not come.
    async fn read(&self, http: &reqwest::Client, stack: &Stack) -> anyhow::Result<()> {
        let url = format!("{}/v1/stream", stack.first.reporter.base().trim_end_matches('/'));
        let answer = http.get(url).send().await?.error_for_status()?;
        let mut pieces = answer.bytes_stream();
        let mut unread = Vec::new();
        while let Some(piece) = pieces.next().await {
            unread.extend_from_slice(&piece?);
            while let Some(end) = unread.iter().position(|it| *it == b'\n') {
                let line: Vec<u8> = unread.drain(..=end).collect();
                if let Some(data) = line.strip_prefix(b"data:") {
                    self.events.fetch_add(1, Ordering::Relaxed);
                    fetch(stack, data).await?;
                }
            }
        }
        anyhow::bail!("a stream ended")
    }
}

async fn fetch(stack: &Stack, data: &[u8]) -> anyhow::Result<()> {
    let news: Value = serde_json::from_slice(data).context("an event")?;
    let names = news["targets"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let names: Vec<&str> = names.collect();
    let path = match names.as_slice() {
        [] => "/v1/dashboard".to_owned(),
        names => format!("/v1/dashboard?targets={}", names.join(",")),
    };
    stack.first.reporter.get_json::<Dashboard>(&path).await?;
    Ok(())
}
