//! RB-10: attempts that come late. A command hangs, whoever started it dies, stands still or loses its database, the next
//! attempt does the work, and a later move follows: the first one must not come after that.
//!
//! `PHASEGATE_LATE_ROUNDS=25` plays each of the four cases so often; by default once.

use std::fs;
use std::time::{Duration, Instant};

use phasegate_tests::feeder::Feeder;
use phasegate_tests::proxy::{Mode, Proxy};
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::wait;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::json;
use sqlx::{AnyConnection, Connection as _};

use crate::story::POLICY;

/// How long the straggler hangs: longer than all that follows takes.
const HANGS: &str = "28";

/// What becomes of the reporter under whose hands the command hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Killed,
    StandsStill,
    LosesItsDatabase,
}

/// RB-10
#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_reporter_is_killed_comes_never_late() {
    rounds(Layout::ThreeOnPostgres, Fate::Killed).await;
}

/// RB-10
#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_single_process_is_killed_comes_never_late() {
    rounds(Layout::OneOnSqlite, Fate::Killed).await;
}

/// RB-10
#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_reporter_stands_still_comes_never_late() {
    rounds(Layout::ThreeOnPostgres, Fate::StandsStill).await;
}

/// RB-10
#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_reporter_lost_its_database_comes_never_late() {
    rounds(Layout::ThreeOnPostgres, Fate::LosesItsDatabase).await;
}

async fn rounds(layout: Layout, fate: Fate) {
    let count = std::env::var("PHASEGATE_LATE_ROUNDS").map_or(1, |it| it.parse().expect("a number"));
    for round in 1..=count {
        let begun = Instant::now();
        let ended_after = round_of(layout, fate).await;
        println!(
            "{fate:?} {layout:?} {round}: the straggler was ended after {:.1} s; record and flag system agree after {:.1} s",
            ended_after.as_secs_f64(),
            begun.elapsed().as_secs_f64()
        );
    }
}

/// How long the straggler lived on.
async fn round_of(layout: Layout, fate: Fate) -> Duration {
    let late = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/bin/late-flags");
    let policy = POLICY
        .replace("promote:  { command: [\"@FLAGS@\"", &format!("promote:  {{ command: [\"{late}\""))
        .replace("      timeout: 5s", "      timeout: 60s");
    let mut stack = Stack::start(layout, &policy, &[]).await;
    let name = stack.process_names().pop().expect("a process with the reporter");
    let line = line_to_the_database(&mut stack, &name, fate).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    stack.act("/v1/rollouts/autosave/start", &json!({"by": "release engineer"})).await;
    stack.until_phase("A", "running").await;

    fs::write(stack.flag_file().with_extension("late"), HANGS).expect("a hanging flag system");
    stack.promote_when_ripe().await;
    let straggler = straggler(&stack).await;
    let reporter = Pid::from_raw(i32::try_from(stack.pid(&name)).expect("an id")).expect("an id");
    let struck = Instant::now();
    match fate {
        Fate::Killed => {
            stack.kill(&name);
            stack.launch(&name);
        }
        Fate::StandsStill => kill_process(reporter, Signal::STOP).expect("the process is ours"),
        Fate::LosesItsDatabase => line.as_ref().expect("a line").set(Mode::Cut),
    }
    until_ended(straggler).await;
    let lived_on = struck.elapsed();
    assert_eq!(stack.served_phase(), "A", "it has ended without effect");
    if let Some(left) = lease_left(&stack, layout).await {
        assert!(left > 0, "it was over before its lease was");
    }
    match fate {
        Fate::Killed => {}
        Fate::StandsStill => kill_process(reporter, Signal::CONT).expect("the process is ours"),
        Fate::LosesItsDatabase => line.as_ref().expect("a line").set(Mode::Pass),
    }
    stack.until_phase("B", "running").await;
    feeder.violate(true);
    stack.until_phase("A", "incident").await;
    feeder.violate(false);
    stack.until_phase("A", "running").await;
    feeder.stop().await;
    assert_eq!(stack.served_phase(), "A", "{}", stack.logs());
    assert_eq!(stack.phase_changes(), ["off A", "A B", "B A"], "each once");
    lived_on
}

/// Starts the reporter anew behind a line that can be cut, where that is what happens to it.
async fn line_to_the_database(stack: &mut Stack, name: &str, fate: Fate) -> Option<Proxy> {
    if fate != Fate::LosesItsDatabase {
        return None;
    }
    let url = stack.variable("PHASEGATE_DATABASE_URL").to_owned();
    let server = url.rsplit_once('/').and_then(|(before, _)| before.rsplit(['@', '/']).next());
    let server = server.expect("a server in its URL");
    let proxy = Proxy::start(vec![server.parse().expect("an address")]).await;
    stack.kill(name);
    stack.tell("PHASEGATE_DATABASE_URL", &url.replace(server, &proxy.address().to_string()));
    stack.launch(name);
    stack.tell("PHASEGATE_DATABASE_URL", &url);
    stack.until_healthy("reporter").await;
    Some(proxy)
}

async fn straggler(stack: &Stack) -> Pid {
    let file = stack.flag_file().with_extension("pid");
    wait::until("the command to hang", || async {
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let id = text.trim().parse().ok().and_then(Pid::from_raw);
        id.ok_or_else(|| format!("no id: {text}"))
    })
    .await
}

/// One that waits for its parent to reap it has ended.
async fn until_ended(process: Pid) {
    let stat = format!("/proc/{}/stat", process.as_raw_nonzero());
    wait::until("the straggler to end", || async {
        let is_zombie = fs::read_to_string(&stat).is_ok_and(|text| text.contains(") Z "));
        if is_zombie || test_kill_process(process).is_err() { Ok(()) } else { Err("it is still there") }
    })
    .await;
}

/// How long the attempt's lease still holds, ms; none on SQLite, whose file is its own.
async fn lease_left(stack: &Stack, layout: Layout) -> Option<i64> {
    if layout == Layout::OneOnSqlite {
        return None;
    }
    let mut connection =
        AnyConnection::connect(stack.variable("PHASEGATE_DATABASE_URL")).await.expect("a connection");
    let sql = "SELECT next_at - (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint FROM reporter.outbox \
        WHERE kind = 'RunTransition' AND state = 'leased'";
    Some(sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("the attempt's row"))
}
