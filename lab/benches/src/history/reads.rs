//! Reads of a long history over HTTP, each beside the bare statement for its rows.
//!
//! The rows are copies of eight real ones with another key and another time beside them; the time in their bodies is that of
//! the original, which costs the same to read.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use service_kit::clock::{Clock, SystemClock};
use service_kit::forms::{HEARTBEAT, OLD_RELEASES_LIVE};
use sqlx::{AnyConnection, AssertSqlSafe, Executor as _};

use super::clock::Behind;
use crate::cycle;
use crate::latency::marks::Marks;
use crate::latency::sample::Sample;
use crate::latency::stack::Stack;
use crate::latency::wanted::{WINDOW, Wanted};
use crate::storm::start_all;
use crate::tables;

/// Windows that go through the services.
const REAL: usize = 8;
const CALLS: usize = 50;
/// The first ones open connections and fill caches.
const UNCOUNTED: usize = 5;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// Each copy further back, the newest where the real ones begin. A key stays one: its last twelve digits are a number.
const MULTIPLY: &str = "WITH RECURSIVE copies (number) AS \
    (SELECT CAST(1 AS BIGINT) UNION ALL SELECT number + 1 FROM copies WHERE number < {copies}) \
    INSERT INTO {decisions} (id, target, phase, epoch, window_start, window_end, verdict, stale, received_at, counted, body) \
    SELECT substr(id, 1, 24) || substr(CAST(1000000000000 + number AS TEXT), 2), target, phase, epoch, \
    window_start - number * {apart}, window_end - number * {apart}, verdict, stale, received_at - number * {apart}, counted, body \
    FROM {decisions} CROSS JOIN copies";
/// The day of the real ones, for each day of the copies that it has not.
const MULTIPLY_DAYS: &str = "WITH RECURSIVE copies (number) AS \
    (SELECT CAST(1 AS BIGINT) UNION ALL SELECT number + 1 FROM copies WHERE number < {copies}) \
    INSERT INTO {days} (target, day, metric, ok, warn, unsure, violation, insufficient, alarms, stale, rollback_required, worst, \
    threshold, at_least, unit) SELECT target, day - number * {day}, metric, 96, 0, 0, 0, 0, 0, 0, 0, worst, threshold, at_least, unit \
    FROM {days} CROSS JOIN copies WHERE day = (SELECT MIN(day) FROM {days})";

/// A call, and the statement for the same rows.
struct Read {
    what: &'static str,
    path: String,
    sql: String,
}

/// Prints the table.
pub(super) async fn measure(directory: &Path, database: Option<&str>, windows: usize) -> anyhow::Result<()> {
    let clock = Arc::new(Behind::by(OLD_RELEASES_LIVE));
    let wanted = Wanted { clock: Arc::<Behind>::clone(&clock), ..Wanted::targets(1)? };
    let mut stack = Stack::start(directory, database, wanted, Arc::new(Marks::default())).await?;
    start_all(&stack).await?;
    // From then on what is kept is compressed.
    clock.put_on(OLD_RELEASES_LIVE);
    tokio::time::sleep(HEARTBEAT + Duration::from_secs(2)).await;
    let back = WINDOW * u32::try_from(REAL + 1)?;
    stack.first_window = SystemClock.now().minus(back).align_down(WINDOW);
    for number in 0..REAL {
        cycle::window(&stack, number).await?;
    }
    let mut connection = tables::open(directory, database, "reporter").await?.context("the store")?;
    multiply(&mut connection, database.is_some(), windows).await?;
    let target = stack.targets.first().context("no target")?;
    println!("{:<52} {:>6} {:>9} {:>9} {:>9} {:>9}", "milliseconds", "n", "p50", "p99", "max", "p50 ratio");
    for read in reads(target.as_str(), database.is_some()) {
        let (mut served, mut bare, mut rows, mut bytes) = (Sample::default(), Sample::default(), 0, 0);
        for number in 0..CALLS + UNCOUNTED {
            let begun = Instant::now();
            rows = sqlx::query(AssertSqlSafe(read.sql.clone())).fetch_all(&mut connection).await?.len();
            let by_statement = begun.elapsed();
            let begun = Instant::now();
            bytes = stack.first.reporter.get_text(&read.path).await?.len();
            let over_http = begun.elapsed();
            if number >= UNCOUNTED {
                bare.add(by_statement);
                served.add(over_http);
            }
        }
        bare.line(&format!("the bare statement, {rows} rows"), &bare);
        served.line(&format!("{}, {} kB", read.what, bytes / 1000), &bare);
    }
    stack.stop().await
}

async fn multiply(connection: &mut AnyConnection, is_postgres: bool, windows: usize) -> anyhow::Result<()> {
    let (copies, apart) = (windows.div_ceil(REAL), WINDOW.as_millis() * REAL as u128);
    let days = (copies as u128 * apart).div_ceil(u128::try_from(DAY_MS)?);
    let decisions = MULTIPLY
        .replace("{copies}", &copies.saturating_sub(1).max(1).to_string())
        .replace("{apart}", &apart.to_string());
    let of_days = MULTIPLY_DAYS.replace("{copies}", &days.to_string()).replace("{day}", &DAY_MS.to_string());
    for sql in [decisions, of_days] {
        connection.execute(AssertSqlSafe(in_schema(&sql, is_postgres))).await.context("the copies")?;
    }
    // As the server would by itself, a little later.
    let keep = if is_postgres { "VACUUM ANALYZE reporter.decisions" } else { "ANALYZE" };
    connection.execute(keep).await?;
    Ok(())
}

fn in_schema(sql: &str, is_postgres: bool) -> String {
    let schema = if is_postgres { "reporter." } else { "" };
    ["decisions", "days"]
        .iter()
        .fold(sql.to_owned(), |sql, table| sql.replace(&format!("{{{table}}}"), &format!("{schema}{table}")))
}

/// What the page and the command line ask for first.
fn reads(target: &str, is_postgres: bool) -> [Read; 3] {
    let now = SystemClock.now();
    let week = now.minus(Duration::from_secs(7 * 24 * 3600));
    let year = now.as_millis() - 364 * DAY_MS;
    let newest = format!(
        "FROM {{decisions}} WHERE target = '{target}' AND window_end > {} ORDER BY window_end DESC, id DESC LIMIT",
        week.as_millis()
    );
    let reads = [
        Read {
            what: "the newest 50 decisions",
            path: format!("/v1/decisions?target={target}&limit=50"),
            sql: format!("SELECT id, body, stale, incident {newest} 50"),
        },
        Read {
            what: "a week by window, as the page asks",
            path: format!("/v1/targets/{target}/windows?from={week}&limit=1000"),
            sql: format!("SELECT id, body, stale {newest} 1000"),
        },
        Read {
            what: "a year by day",
            path: format!("/v1/targets/{target}/days"),
            sql: format!(
                "SELECT day, metric, ok, warn, unsure, violation, insufficient, alarms, stale, rollback_required, worst, \
                 threshold, at_least, unit FROM {{days}} WHERE target = '{target}' AND day >= {year}"
            ),
        },
    ];
    reads.map(|read| Read { sql: in_schema(&read.sql, is_postgres), ..read })
}
