//! (i) Nothing happens: what so many targets in their first phase cost that no telemetry comes for, over a stack of one target.
//!
//! The services are in this process, each stack on stores of its own. No window is missed yet, as the policy waits long.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::latency::Store;
use crate::latency::marks::Marks;
use crate::latency::stack::Stack;
use crate::latency::wanted::Wanted;
use crate::measure::{bounded, processor_seconds, resident_mib};
use crate::storm::start_all;

/// Lets the starts be done, and what they took be given back.
const SETTLE: Duration = Duration::from_secs(15);

/// How many targets, for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub(crate) targets: usize,
    pub(crate) measured: Duration,
    /// With the product's collector.
    pub(crate) collector: bool,
}

/// What a quiet stack takes.
#[derive(Debug, Clone, Copy)]
struct Quiet {
    /// Of one core.
    share: f64,
    resident_mib: f64,
}

/// A table for each store. An error where a target takes more than `kib_most` of memory.
pub(crate) fn bench(stores: &[Store], amount: Amount, kib_most: Option<f64>) -> anyhow::Result<()> {
    service_kit::client::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for store in stores {
        let with = if amount.collector { "collector, analyzer, reporter" } else { "analyzer, reporter" };
        println!("\n{store:?}, {with}, {} s measured", amount.measured.as_secs());
        println!("{:>8} {:>12} {:>12}", "targets", "% of a core", "memory MiB");
        let mut measured = Vec::new();
        for targets in [1, amount.targets] {
            let amount = Amount { targets, ..amount };
            let quiet =
                store.with(&runtime, async |directory, database| one(directory, database, amount).await)?;
            println!("{targets:>8} {:>12.3} {:>12.1}", 100.0 * quiet.share, quiet.resident_mib);
            measured.push(quiet);
        }
        if let [empty, full] = measured.as_slice() {
            #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
            let more = amount.targets.saturating_sub(1).max(1) as f64;
            println!(
                "% of a core a target, over one alone: {:.5}",
                100.0 * (full.share - empty.share) / more
            );
            let each = (full.resident_mib - empty.resident_mib) * 1024.0 / more;
            bounded("KiB a target, over one alone", each, kib_most)?;
        }
    }
    Ok(())
}

async fn one(directory: &Path, database: Option<&str>, amount: Amount) -> anyhow::Result<Quiet> {
    let wanted = Wanted { collector: amount.collector, ..Wanted::targets(amount.targets)? };
    let stack = Stack::start(directory, database, wanted, Arc::new(Marks::default())).await?;
    start_all(&stack).await?;
    tokio::time::sleep(SETTLE).await;
    let spent = processor_seconds()?;
    tokio::time::sleep(amount.measured).await;
    let share = (processor_seconds()? - spent) / amount.measured.as_secs_f64();
    let quiet = Quiet { share, resident_mib: resident_mib()? };
    stack.stop().await?;
    Ok(quiet)
}
