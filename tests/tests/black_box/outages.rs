//! The database takes no writes for a while, and then it does again: the guard says so meanwhile, and works on by itself.

use std::time::Duration;

use phasegate_tests::feeder::Feeder;
use phasegate_tests::stack::{Layout, SERVICES, Stack};
use phasegate_tests::wait;
use serde_json::{Value, json};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};

use crate::story::POLICY;

/// OP-2.
const SOON: Duration = Duration::from_secs(10);

/// OP-1, OP-2: sessions that began while the primary was read-only stay so for ever; nothing was rolled back in 700 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_violation_is_rolled_back_after_a_failover_that_left_a_read_only_primary() {
    let stack = Stack::start(Layout::ThreeOnPostgres, POLICY, &[]).await;
    let feeder = in_phase_a(&stack).await;
    let mut admin = connected(stack.database_url().expect("PostgreSQL")).await;
    does(&mut admin, "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE").await;
    let name = stack.database_url().and_then(|url| url.rsplit('/').next()).expect("its name").to_owned();
    does(&mut admin, &format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on")).await;
    does(
        &mut admin,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
    nobody_is_ready(&stack, "it takes no writes").await;
    does(&mut admin, &format!("ALTER DATABASE \"{name}\" RESET default_transaction_read_only")).await;
    the_guard_is_back(&stack, feeder).await;
}

/// OP-1, OP-2: another process holds the files for longer than is waited for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_violation_is_rolled_back_after_another_process_locked_the_files() {
    let stack = Stack::start(Layout::OneOnSqlite, POLICY, &[]).await;
    let feeder = in_phase_a(&stack).await;
    let mut holders = Vec::new();
    for service in SERVICES {
        let file = stack.data_file(&format!("{service}.sqlite"));
        let mut holder = connected(&format!("sqlite:{}", file.display())).await;
        does(&mut holder, "BEGIN EXCLUSIVE").await;
        holders.push(holder);
    }
    nobody_is_ready(&stack, "it is locked by another").await;
    for mut holder in holders {
        does(&mut holder, "ROLLBACK").await;
    }
    the_guard_is_back(&stack, feeder).await;
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

async fn nobody_is_ready(stack: &Stack, why: &str) {
    for service in SERVICES {
        wait::until(&format!("the {service} to say why it is not ready"), || async {
            match readiness(stack, service).await {
                Some(detail) if detail.contains(why) => Ok(()),
                Some(detail) => Err(detail),
                None => Err("it is ready".to_owned()),
            }
        })
        .await;
    }
}

async fn the_guard_is_back(stack: &Stack, feeder: Feeder) {
    for service in SERVICES {
        wait::until_within(SOON, &format!("the {service} to be ready again"), || async {
            readiness(stack, service).await.map_or(Ok(()), Err)
        })
        .await;
    }
    feeder.violate(true);
    wait::until("the rollback", || async {
        if stack.served_phase() == "off" { Ok(()) } else { Err(stack.logs()) }
    })
    .await;
    feeder.stop().await;
}
