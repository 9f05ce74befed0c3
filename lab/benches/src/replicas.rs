//! (f) Replicas of the analyzer and of the reporter on one PostgreSQL: the end of a window, and a storm, with one of each and with more.
//!
//! All are in this process (see [`crate::latency::stack`]), so on the same cores: more of them do nothing sooner here. What is
//! held is that each command begins once, whoever begins it, and that what replicas cost each other stays small. The server's
//! processor time is told too: what they wait for, and what they look for in vain, is paid there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cycle;
use crate::latency::Store;
use crate::latency::commands::Start;
use crate::latency::marks::Marks;
use crate::latency::stack::Stack;
use crate::latency::wanted::Wanted;
use crate::measure::{Server, bounded, processor_seconds};
use crate::storm::{self, Struck};

/// Lets what came before be done.
const QUIET: Duration = Duration::from_secs(3);
/// In which a command would begin that began before.
const TWICE: Duration = Duration::from_secs(2);

/// What one number of replicas came to: seconds, and milliseconds of processor time a target, ours and the server's.
#[derive(Debug, Clone, Copy)]
struct Cost {
    seconds: f64,
    ours_ms: f64,
    server_ms: f64,
}

impl Cost {
    fn processor_ms(self) -> f64 {
        self.ours_ms + self.server_ms
    }
}

/// The table. An error where a target of the most replicas costs more than `growth_most` of those of the fewest.
pub(crate) fn bench(
    counts: &[usize],
    targets: usize,
    how: Start,
    growth_most: Option<f64>,
) -> anyhow::Result<()> {
    service_kit::client::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!(
        "\nPostgres, {targets} targets, command {how:?}; replicas are in this process, on the same cores"
    );
    println!(
        "{:>8} {:<24} {:>9} {:>7} {:>12} {:>12} {:>7}  commands begun by each",
        "replicas", "", "seconds", "ratio", "CPU ms each", "server's", "ratio"
    );
    let mut all: Vec<[Cost; 2]> = Vec::new();
    for count in counts {
        let (costs, shares) = Store::Postgres.with(&runtime, async |directory, database| {
            one(directory, database, *count, targets, how).await
        })?;
        all.push(costs);
        let shares: Vec<String> = shares.iter().map(usize::to_string).collect();
        let told = [("window until known", String::new()), ("storm until last command", shares.join(" "))];
        for (number, (what, shares)) in told.iter().enumerate() {
            let (cost, of_first) = (costs[number], all[0][number]);
            println!(
                "{count:>8} {what:<24} {:>9.3} {:>7.2} {:>12.2} {:>12.2} {:>7.2}  {shares}",
                cost.seconds,
                cost.seconds / of_first.seconds,
                cost.ours_ms,
                cost.server_ms,
                cost.processor_ms() / of_first.processor_ms()
            );
        }
    }
    if let [first, .., last] = all.as_slice() {
        let growth = |number: usize| last[number].processor_ms() / first[number].processor_ms();
        bounded("CPU of a target in a window, most over fewest replicas", growth(0), growth_most)?;
        bounded("CPU of a rollback, most over fewest replicas", growth(1), growth_most)?;
    }
    Ok(())
}

/// The window, the storm, and how many commands each replica began.
async fn one(
    directory: &Path,
    database: Option<&str>,
    count: usize,
    targets: usize,
    how: Start,
) -> anyhow::Result<([Cost; 2], Vec<usize>)> {
    let wanted = Wanted { replicas: count, ..Wanted::targets(targets)? };
    let stack = Stack::start(directory, database, wanted, Arc::new(Marks::default())).await?;
    let server = Server::of(database.unwrap_or_default()).await?;
    storm::start_all(&stack).await?;
    // In the first one it is asked what is collected.
    cycle::window(&stack, 0).await?;
    tokio::time::sleep(QUIET).await;
    let before = (processor_seconds()?, server.processor_seconds()?);
    let (_, known) = cycle::window(&stack, 1).await?;
    let of_window = cost(known, targets, before, server)?;
    tokio::time::sleep(QUIET).await;
    for replica in stack.replicas() {
        replica.commands.start_by(how);
        replica.commands.take_started();
    }
    let before = (processor_seconds()?, server.processor_seconds()?);
    let struck = storm::strike(&stack, 2).await?;
    let of_storm = cost(struck.seconds(), targets, before, server)?;
    let Struck { shares, .. } = struck;
    tokio::time::sleep(TWICE).await;
    let again: usize = stack.replicas().map(|it| it.commands.take_started().len()).sum();
    anyhow::ensure!(again == 0, "{again} commands began a second time");
    stack.stop().await?;
    Ok(([of_window, of_storm], shares))
}

fn cost(seconds: f64, targets: usize, (ours, servers): (f64, f64), server: Server) -> anyhow::Result<Cost> {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let each = |seconds: f64| seconds * 1000.0 / targets as f64;
    Ok(Cost {
        seconds,
        ours_ms: each(processor_seconds()? - ours),
        server_ms: each(server.processor_seconds()? - servers),
    })
}
