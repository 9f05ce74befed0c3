//! The database takes no writes for a while, and then it does again: the guard says so meanwhile, and works on by itself.
//!
//! `PHASEGATE_OUTAGE_ROUNDS=20` plays each of them so often, each time with services that begin anew; by default once.

use std::time::{Duration, Instant};

use phasegate_tests::feeder::Feeder;
use phasegate_tests::proxy::{Mode, Proxy};
use phasegate_tests::stack::{Layout, SERVICES, Stack};
use phasegate_tests::wait;
use serde_json::{Value, json};
use shared_types::Timestamp;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use tokio::task::JoinHandle;

use crate::story::POLICY;

/// OP-2.
const SOON: Duration = Duration::from_secs(10);
/// What was stored so long ago still counts as just now.
const JUST_NOW: Duration = Duration::from_secs(1);
/// How long nothing can be stored, at least.
const LASTS: Duration = Duration::from_secs(3);
const ALL_TABLES: &str = "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables \
    WHERE schemaname IN ('collector', 'analyzer', 'reporter')";
/// As `statement_timeout` does, with the same code, to whoever waits for a table; the services' own is a minute.
const CANCEL: &str = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
    WHERE datname = current_database() AND wait_event = 'relation' AND query NOT LIKE '%LOCK TABLE%'";

/// What keeps anything from being stored.
enum Cause {
    /// Sessions that begin now are for reads alone, and those from before are ended.
    ReadOnly { admin: AnyConnection, name: String },
    /// Another session holds all tables; whoever waits for one may run out of time.
    TablesLocked { url: String, cancels: bool, holder: Option<(AnyConnection, Option<JoinHandle<()>>)> },
    /// Nothing is closed, and nothing is answered.
    HalfOpen(Proxy),
    /// Another process holds the files of SQLite.
    FilesLocked { files: Vec<String>, holders: Vec<AnyConnection> },
}

/// OP-1, OP-2: sessions that began while the primary was read-only stay so for ever; nothing was rolled back in 700 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_violation_is_rolled_back_after_a_failover_that_left_a_read_only_primary() {
    rounds("read only", Layout::ThreeOnPostgres, async |stack| {
        let url = database(stack);
        let mut admin = connected(&url).await;
        does(&mut admin, "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE").await;
        let name = url.rsplit('/').next().expect("its name").to_owned();
        Cause::ReadOnly { admin, name }
    })
    .await;
}

/// OP-1, OP-2
#[tokio::test(flavor = "multi_thread")]
async fn a_violation_is_rolled_back_after_another_session_locked_the_tables() {
    rounds("tables locked", Layout::ThreeOnPostgres, async |stack| Cause::tables_locked(stack, false)).await;
}

/// OP-1, OP-2: a connection whose statement ran out of time is used no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_violation_is_rolled_back_after_statements_ran_out_of_time() {
    rounds("out of time", Layout::ThreeOnPostgres, async |stack| Cause::tables_locked(stack, true)).await;
}

/// OP-1, OP-2
#[tokio::test(flavor = "multi_thread")]
async fn a_violation_is_rolled_back_after_the_way_to_the_database_was_half_open() {
    rounds("half open", Layout::ThreeOnPostgres, async |stack| {
        let proxy = stack.put_proxy_before_database().await;
        for name in stack.process_names() {
            stack.kill(&name);
            stack.launch(&name);
        }
        for service in SERVICES {
            stack.until_healthy(service).await;
        }
        Cause::HalfOpen(proxy)
    })
    .await;
}

/// OP-1, OP-2: another process holds the files for longer than is waited for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_violation_is_rolled_back_after_another_process_locked_the_files() {
    rounds("files locked", Layout::OneOnSqlite, async |stack| {
        let file = |service: &&str| stack.data_file(&format!("{service}.sqlite")).display().to_string();
        let files = SERVICES.iter().map(file).map(|file| format!("sqlite:{file}")).collect();
        Cause::FilesLocked { files, holders: Vec::new() }
    })
    .await;
}

impl Cause {
    fn tables_locked(stack: &Stack, cancels: bool) -> Self {
        Self::TablesLocked { url: database(stack), cancels, holder: None }
    }

    async fn begin(&mut self) {
        match self {
            Self::ReadOnly { admin, name } => {
                does(admin, &format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on"))
                    .await;
                does(
                    admin,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid()",
                )
                .await;
            }
            Self::TablesLocked { url, cancels, holder } => {
                let mut connection = connected(url).await;
                let tables: String =
                    sqlx::query_scalar(ALL_TABLES).fetch_one(&mut connection).await.expect("their names");
                // Whoever has some of them already may wait for others: then it is tried again.
                let lock = format!("BEGIN; LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE");
                while connection.execute(AssertSqlSafe(lock.clone())).await.is_err() {
                    does(&mut connection, "ROLLBACK").await;
                }
                let canceller = cancels.then(|| tokio::spawn(cancel_what_waits(url.clone())));
                *holder = Some((connection, canceller));
            }
            Self::HalfOpen(proxy) => proxy.set(Mode::HalfOpen),
            Self::FilesLocked { files, holders } => {
                for file in files {
                    let mut holder = connected(file).await;
                    does(&mut holder, "BEGIN EXCLUSIVE").await;
                    holders.push(holder);
                }
            }
        }
    }

    async fn end(&mut self) {
        match self {
            Self::ReadOnly { admin, name } => {
                does(admin, &format!("ALTER DATABASE \"{name}\" RESET default_transaction_read_only")).await;
            }
            Self::TablesLocked { holder, .. } => {
                let (mut connection, canceller) = holder.take().expect("a holder");
                does(&mut connection, "ROLLBACK").await;
                if let Some(canceller) = canceller {
                    canceller.abort();
                }
            }
            Self::HalfOpen(proxy) => proxy.set(Mode::Pass),
            Self::FilesLocked { holders, .. } => {
                for mut holder in holders.drain(..) {
                    does(&mut holder, "ROLLBACK").await;
                }
            }
        }
    }

    /// What `/readyz` says, where only one thing can be meant.
    fn told(&self) -> &'static str {
        match self {
            Self::ReadOnly { .. } => "it takes no writes",
            Self::FilesLocked { .. } => "it is locked by another",
            Self::TablesLocked { .. } | Self::HalfOpen(_) => "",
        }
    }
}

/// Nobody is ready while nothing can be stored; soon after the cause is gone windows are decided again, and a violation is
/// rolled back.
async fn rounds(name: &str, layout: Layout, cause_in: impl AsyncFn(&mut Stack) -> Cause) {
    let count = std::env::var("PHASEGATE_OUTAGE_ROUNDS").map_or(1, |it| it.parse().expect("a number"));
    let (mut back, mut looks) = (Vec::new(), 0);
    for _ in 0..count {
        let mut stack = Stack::start(layout, POLICY, &[]).await;
        let mut cause = cause_in(&mut stack).await;
        let feeder = in_phase_a(&stack).await;
        cause.begin().await;
        tokio::time::sleep(JUST_NOW).await;
        let [one, two, three] = SERVICES.map(|service| looks_of(&stack, service, cause.told()));
        let seen: [_; 3] = tokio::join!(one, two, three).into();
        looks += seen.iter().sum::<usize>();
        cause.end().await;
        back.push(the_guard_is_back(&stack).await);
        feeder.violate(true);
        wait::until("the rollback", || async {
            if stack.served_phase() == "off" { Ok(()) } else { Err(stack.logs()) }
        })
        .await;
        feeder.stop().await;
    }
    back.sort();
    println!(
        "{name}: {count} rounds, back after {:.1} s (median), {:.1} s at the latest; none of {looks} looks saw 200",
        back[back.len() / 2].as_secs_f64(),
        back[back.len() - 1].as_secs_f64()
    );
}

async fn cancel_what_waits(url: String) {
    let mut admin = connected(&url).await;
    while admin.execute(CANCEL).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn database(stack: &Stack) -> String {
    stack.database_url().expect("PostgreSQL").to_owned()
}

async fn connected(url: &str) -> AnyConnection {
    service_kit::db::install_drivers();
    AnyConnection::connect(url).await.expect("a connection of our own")
}

async fn does(connection: &mut AnyConnection, sql: &str) {
    connection.execute(AssertSqlSafe(sql.to_owned())).await.expect("it may do that");
}

async fn in_phase_a(stack: &Stack) -> Feeder {
    let feeder = Feeder::start(&stack.url("collector", ""));
    stack.act("/v1/rollouts/autosave/start", &json!({"by": "release engineer"})).await;
    stack.until_phase("A", "running").await;
    feeder
}

/// What `/readyz` says of the database, where it is not ready.
async fn readiness(stack: &Stack, service: &str) -> Option<String> {
    let answer = stack.http.get(stack.url(service, "/readyz")).send().await.expect("an answer");
    let ready = answer.status().is_success();
    let report: Value = answer.json().await.expect("a report");
    let check = report["checks"].as_array()?.iter().find(|check| check["name"] == "database")?;
    (!ready).then(|| check["detail"].as_str().unwrap_or_default().to_owned())
}

/// Looks at `/readyz` for as long as it lasts, and until it says why: how often. None may see 200.
async fn looks_of(stack: &Stack, service: &str, why: &str) -> usize {
    let (begun, mut seen, mut told) = (Instant::now(), 0, false);
    while !told || begun.elapsed() < LASTS {
        assert!(begun.elapsed() < SOON * 3, "the {service} does not say that {why}");
        let detail = readiness(stack, service).await;
        told |= detail.as_ref().is_some_and(|detail| detail.contains(why));
        assert!(detail.is_some(), "the {service} is ready although nothing can be stored:\n{}", stack.logs());
        seen += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    seen
}

/// How long that takes: all are ready, and a window has been decided since.
async fn the_guard_is_back(stack: &Stack) -> Duration {
    let (since, now) = (Instant::now(), Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()));
    for service in SERVICES {
        wait::until_within(SOON, &format!("the {service} to be ready again"), || async {
            readiness(stack, service).await.map_or(Ok(()), Err)
        })
        .await;
    }
    wait::until_within(SOON.saturating_sub(since.elapsed()), "a window to be decided", || async {
        let newest = stack.get("analyzer", "/v1/decisions?target=autosave&limit=1").await?;
        let decided: Option<Timestamp> = serde_json::from_value(newest["items"][0]["decided_at"].clone())
            .map_err(|error| error.to_string())?;
        if decided.is_some_and(|at| at > now) { Ok(()) } else { Err(format!("{decided:?} is the newest")) }
    })
    .await;
    since.elapsed()
}
