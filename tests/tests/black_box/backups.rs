//! A store on PostgreSQL that its own tools copied and put back.

use std::path::Path;

use phasegate_tests::cli::{Ran, phasegate, run};
use phasegate_tests::postgres;
use phasegate_tests::stack::{Layout, Stack};
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection as _};

use crate::story::POLICY;

fn restore(stack: &Stack, how: &[&str]) -> Ran {
    let url = stack.database_url().expect("a database");
    let data = stack.variable("PHASEGATE_DATA_DIR");
    let place = ["--database-url", url, "--data-dir", data];
    phasegate(&["restore"].iter().chain(how).chain(&place).copied().collect::<Vec<_>>())
}

/// What the check finds; it ends with 1 if that is something.
fn check(stack: &Stack) -> Vec<String> {
    let Ran { status, out, err } = restore(stack, &["--check", "--output", "json"]);
    let checked: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let findings: Vec<String> = serde_json::from_value(checked["findings"].clone()).expect("texts");
    assert_eq!(status, Some(i32::from(!findings.is_empty())), "{out}{err}");
    assert_eq!(checked["ok"], findings.is_empty());
    findings
}

fn tool(program: &str, arguments: &[&str], file: &Path) {
    let ran = run(postgres::client(program).args(arguments).arg(file));
    assert_eq!(ran.status, Some(0), "{program}: {}", ran.err);
}

fn stop(stack: &mut Stack) {
    for name in stack.process_names() {
        stack.terminate(&name);
    }
}

async fn sql(stack: &Stack, statement: &'static str) {
    let mut connection =
        AnyConnection::connect(stack.database_url().expect("a database")).await.expect("connected");
    sqlx::query(statement).execute(&mut connection).await.expect("done");
}

/// OP-3: stores of one moment are whole, while the services run too; a reporter's that was put back alone is found by its mark and
/// by its neighbours, and gone on from; a document that cannot be read is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_on_postgres_is_checked_by_its_url() {
    let mut stack = Stack::start(Layout::ThreeOnPostgres, POLICY, &[]).await;
    stack.act("/v1/rollouts/autosave/start", &json!({"by": "ana"})).await;
    stack.until_phase("A", "running").await;
    assert_eq!(check(&stack), Vec::<String>::new());

    let (url, dump) =
        (stack.database_url().expect("a database").to_owned(), stack.data_file("reporter.dump"));
    let file = format!("--file={}", dump.display());
    tool("pg_dump", &["--format=custom", "--schema=reporter", &file], Path::new(&url));
    let body = json!({"by": "ana", "phase": "A", "reason": "by hand"});
    stack.act("/v1/rollouts/autosave/rollbacks", &body).await;
    stack.until_phase("off", "off").await;
    stop(&mut stack);
    let told_later = check(&stack);
    assert_eq!(told_later, Vec::<String>::new());

    tool("pg_restore", &["--clean", "--if-exists", &format!("--dbname={url}")], &dump);
    let found = check(&stack);
    assert!(
        found.iter().any(|it| it.starts_with("the reporter's store is younger than its data directory")),
        "{found:?}"
    );
    assert!(found.iter().any(|it| it.contains("autosave: the collector was told epoch 2")), "{found:?}");
    let accepted = restore(&stack, &["--accept", "--reason", "restored", "--by", "ana"]);
    assert_eq!(accepted.status, Some(0), "{}{}", accepted.out, accepted.err);
    for name in stack.process_names() {
        stack.launch(&name);
    }
    stack.until_healthy("reporter").await;
    let gone_on = stack.until_phase("A", "running").await;
    assert!(gone_on["epoch"].as_u64() > Some(1000), "{gone_on}");
    stop(&mut stack);
    assert_eq!(check(&stack), Vec::<String>::new());

    let elsewhere = restore(&stack, &["--check", "--database-schema", "elsewhere_{service}"]);
    assert!(
        elsewhere.status == Some(1) && elsewhere.out.contains("the stores are empty"),
        "{}",
        elsewhere.out
    );

    sql(&stack, "UPDATE reporter.targets SET state = '{' WHERE target = 'autosave'").await;
    let found = check(&stack);
    assert!(found.len() == 1 && found[0].contains("autosave"), "{found:?}");
}
