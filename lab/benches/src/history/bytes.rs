//! The bytes that a batch leaves, table by table with all indexes.
//!
//! What is measured is what many windows have added to what a few before them had: tables that are there anyway, and the time
//! before compressed rows may be written, are left out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use collector_svc::generate::Generator;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use service_kit::clock::Clock;
use service_kit::forms::{Forms, HEARTBEAT, OLD_RELEASES_LIVE};
use shared_types::{Batch, Page};

use super::clock::Behind;
use crate::cycle::until_known;
use crate::latency::marks::Marks;
use crate::latency::stack::Stack;
use crate::latency::wanted::{WINDOW, Wanted};
use crate::measure::bounded;
use crate::storm::start_all;
use crate::tables::{self, Table};

/// Targets that have their windows at the same time: many, as the collector notices a clock that was put on only when it next asks
/// for the analyzer's.
const TARGETS: usize = 200;
/// A window's saves: log-normal durations, a few errors, a few lines twice.
const EVENTS: u64 = 1000;
/// Far from the limit.
const ERRORS: f64 = 0.001;
/// Rounds that nothing is measured of.
const BEFORE: usize = 3;
const SENDERS: usize = 8;
/// Behind a window's end: the grace of the shipped policy, and a second.
const CLOSED_AFTER: Duration = Duration::from_secs(31);
/// Lets what a round has caused be done before the clock is put on.
const QUIET: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(120);

/// Prints the table.
pub(super) async fn measure(
    directory: &Path,
    database: Option<&str>,
    batches: usize,
    bytes_most: Option<f64>,
) -> anyhow::Result<()> {
    let rounds = batches.div_ceil(TARGETS).max(1);
    let behind = WINDOW * u32::try_from(rounds + BEFORE + 4)? + OLD_RELEASES_LIVE;
    let clock = Arc::new(Behind::by(behind));
    let wanted = Wanted { collector: true, clock: Arc::<Behind>::clone(&clock), ..Wanted::targets(TARGETS)? };
    let stack = Stack::start(directory, database, wanted, Arc::new(Marks::default())).await?;
    start_all(&stack).await?;
    // So long it is not known whether a release before lives that reads nothing compressed; it is looked at with a heartbeat.
    clock.put_on(OLD_RELEASES_LIVE);
    tokio::time::sleep(HEARTBEAT + Duration::from_secs(2)).await;
    to_next_window(&clock);
    for number in 0..BEFORE {
        round(&stack, &clock, number).await?;
    }
    let before = tables::look(directory, database).await?;
    for number in BEFORE..BEFORE + rounds {
        round(&stack, &clock, number).await?;
    }
    let after = tables::look(directory, database).await?;
    let page: Page<Batch> = stack.first.analyzer.get_json("/v1/batches?limit=100").await?;
    stack.stop().await?;
    println!("{:<10} {:<20} {:>10} {:>14}", "", "", "rows added", "bytes a batch");
    let (mut whole, mut stays) = (0.0, 0.0);
    for service in ["collector", "analyzer", "reporter"] {
        let mut of_service = 0.0;
        for ((_, name), table) in after.iter().filter(|((of, _), _)| *of == service) {
            let was = before.get(&(service, name.clone())).copied().unwrap_or_default();
            let added = Table { rows: table.rows - was.rows, bytes: table.bytes - was.bytes };
            if added.rows != 0 || added.bytes != 0 {
                let each = each(added.bytes, rounds);
                let (kept, counts) = match (service, name.as_str()) {
                    _ if added.rows == 0 => ("  room to work in, no row stays", 0.0),
                    ("collector", _) | (_, "outbox") => ("  for a week", 1.0),
                    _ => ("", 1.0),
                };
                println!("{service:<10} {name:<20} {:>10} {each:>14.0}{kept}", added.rows);
                of_service += each * counts;
                stays += if kept.is_empty() { each } else { 0.0 };
            }
        }
        println!("{service:<10} {:<20} {:>10} {of_service:>14.0}", "all", "");
        whole += of_service;
    }
    println!("kept beyond a week: {stays:.0} bytes a batch");
    histogram(&page.items)?;
    bounded("bytes a batch, all services", whole, bytes_most)
}

#[expect(clippy::cast_precision_loss, reason = "sizes of one run")]
fn each(bytes: i64, rounds: usize) -> f64 {
    bytes as f64 / (rounds * TARGETS) as f64
}

/// What of a batch is its histogram, as text and as it is kept.
#[expect(clippy::cast_precision_loss, reason = "sizes of one run")]
fn histogram(batches: &[Batch]) -> anyhow::Result<()> {
    let forms = Forms::default();
    let (mut text, mut kept, mut without) = (0, 0, 0);
    for batch in batches {
        kept += forms.wire_text(batch).len();
        let mut batch = batch.clone();
        for distribution in batch.distributions.values_mut() {
            text += std::mem::take(&mut distribution.histogram).len();
        }
        without += forms.wire_text(&batch).len();
    }
    anyhow::ensure!(!batches.is_empty(), "no batch");
    let each = |bytes: usize| bytes as f64 / batches.len() as f64;
    println!(
        "a batch compressed: {:.0} bytes, {:.0} of them its histogram, whose text is {:.0} long",
        each(kept),
        each(kept - without),
        each(text)
    );
    Ok(())
}

/// Puts the clock on to right after the begin of a window.
fn to_next_window(clock: &Behind) {
    let now = clock.now();
    clock.put_on(now.plus(Duration::from_millis(1)).align_up(WINDOW).since(now) + CLOSED_AFTER);
}

/// A window of every target, until the reporter knows what came of it. Begins right after its begin, ends right after its end.
async fn round(stack: &Stack, clock: &Behind, number: usize) -> anyhow::Result<()> {
    let start = clock.now().align_down(WINDOW);
    let http = reqwest::Client::builder().no_proxy().build()?;
    stream::iter(stack.targets.iter().enumerate())
        .map(|(which, target)| {
            let (http, collector) = (&http, &stack.collector);
            async move {
                let mut events = Generator::new(EVENTS, seed(number, which), "autosave", start);
                events.error_ratio = ERRORS;
                events.span = WINDOW;
                let mut body = Vec::new();
                events.write(&mut body)?;
                let base = collector.base();
                let url = format!("{}/v1/targets/{target}/events", base.trim_end_matches('/'));
                let answer = http.post(url).body(body).send().await?;
                anyhow::ensure!(answer.status() == 202, "answered {}", answer.status());
                anyhow::Ok(())
            }
        })
        .buffer_unordered(SENDERS)
        .try_for_each(|()| async { Ok(()) })
        .await
        .context("a push")?;
    tokio::time::sleep(QUIET).await;
    // Not by a window's length: what a round takes would add up, until batches come too late for the policy.
    to_next_window(clock);
    let known = until_known(stack, start.plus(WINDOW));
    tokio::time::timeout(PATIENCE, known).await.context("not all windows are known")??;
    tokio::time::sleep(QUIET).await;
    Ok(())
}

fn seed(number: usize, which: usize) -> u64 {
    (number * TARGETS + which) as u64
}
