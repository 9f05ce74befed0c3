//! Services that start before their database: they wait, say so once, and go on when it is there.

use phasegate_tests::proxy::{Mode, Proxy};
use phasegate_tests::stack::{Layout, SERVICES, Stack};
use phasegate_tests::wait;

use crate::story::POLICY;

const WAITING: &str = "waiting for the database";

/// Services behind a way to the database that is closed; the stack has run before, so nothing else is missing.
async fn started_too_early() -> (Stack, Proxy) {
    let mut stack = Stack::start(Layout::ThreeOnPostgres, POLICY, &[]).await;
    let proxy = stack.put_proxy_before_database().await;
    proxy.set(Mode::Cut);
    for name in stack.process_names() {
        stack.kill(&name);
        stack.launch(&name);
    }
    for name in stack.process_names() {
        wait::until("its word that it waits", || async {
            if stack.logged(&name, WAITING) > 0 { Ok(()) } else { Err(stack.logs()) }
        })
        .await;
    }
    (stack, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn services_wait_for_their_database_and_say_so_in_one_line() {
    let (stack, proxy) = started_too_early().await;
    proxy.set(Mode::Pass);
    for service in SERVICES {
        stack.until_healthy(service).await;
    }
    for name in stack.process_names() {
        assert_eq!(stack.logged(&name, WAITING), 1, "{}", stack.logs());
        assert_eq!(stack.logged(&name, "the database is there"), 1, "{}", stack.logs());
    }
    stack.act("/v1/rollouts/autosave/start", &serde_json::json!({})).await;
    stack.until_phase("A", "running").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_waits_for_its_database_ends_when_it_is_told_to() {
    let (mut stack, _proxy) = started_too_early().await;
    for name in stack.process_names() {
        assert_eq!(stack.terminate(&name), Some(0), "{}", stack.logs());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_is_bounded_and_a_database_that_refuses_is_not_waited_for() {
    let mut stack = Stack::start(Layout::ThreeOnPostgres, POLICY, &[]).await;
    let url = stack.variable("PHASEGATE_DATABASE_URL").to_owned();
    stack.kill("reporter-svc");

    stack.tell("PHASEGATE_DATABASE_URL", &format!("{url}_that_is_not_there"));
    stack.launch("reporter-svc");
    assert_eq!(stack.ended("reporter-svc"), Some(1));
    assert_eq!(stack.logged("reporter-svc", WAITING), 0, "{}", stack.logs());
    assert_eq!(stack.logged("reporter-svc", "does not exist"), 1, "{}", stack.logs());

    stack.tell("PHASEGATE_DATABASE_URL", &url);
    let proxy = stack.put_proxy_before_database().await;
    proxy.set(Mode::Cut);
    stack.tell("PHASEGATE_DATABASE_WAIT", "1");
    stack.launch("reporter-svc");
    assert_eq!(stack.ended("reporter-svc"), Some(1));
    assert_eq!(stack.logged("reporter-svc", WAITING), 1, "{}", stack.logs());
    assert_eq!(stack.logged("reporter-svc", "waited 1 s (--database-wait)"), 1, "{}", stack.logs());
}
