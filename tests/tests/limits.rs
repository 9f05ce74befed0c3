//! Limits of the host, seen from outside: one process with all three services, many clients that want nothing.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic; its helpers are tests too")]

use std::collections::BTreeSet;

use phasegate_tests::feeder::push_body;
use phasegate_tests::stack::{Layout, SERVICES, Stack};
use phasegate_tests::wait;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const POLICY: &str = include_str!("../fixtures/policy.fast.yaml");

async fn one_process(environment: &[(&str, &str)]) -> Stack {
    let environment: Vec<(&str, String)> =
        environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Stack::start(Layout::OneOnSqlite, POLICY, &environment).await
}

async fn metrics(stack: &Stack, service: &str) -> String {
    let answer = stack.http.get(stack.url(service, "/metrics")).send().await.unwrap();
    answer.text().await.unwrap()
}

/// The metrics' names.
fn names(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect()
}

/// OP-7: each port shows its own service's metrics, and no other's.
#[tokio::test(flavor = "multi_thread")]
async fn each_port_of_one_process_shows_its_own_metrics() {
    let stack = one_process(&[]).await;
    let own = [
        ("collector", "phasegate_events_total"),
        ("analyzer", "phasegate_decisions_total"),
        ("reporter", "phasegate_transitions_total"),
    ];
    for (service, _) in own {
        let text = metrics(&stack, service).await;
        for (other, counter) in own {
            assert_eq!(names(&text).contains(counter), other == service, "{counter} at the {service}");
            assert_eq!(
                text.contains(&format!("service=\"{other}\"")),
                other == service,
                "{other} at the {service}"
            );
        }
    }
}

/// Issue 13, point 16: idle connections, half requests and streams beyond the bounds, at all three services: calls get
/// through, events are taken in, and `/readyz` says what is short.
#[tokio::test(flavor = "multi_thread")]
async fn many_clients_that_want_nothing_keep_nobody_out() {
    let bounds = [("PHASEGATE_HTTP_CONNECTIONS", "40"), ("PHASEGATE_HTTP_STREAMS", "10")];
    let stack = one_process(&bounds).await;
    let mut idle = Vec::new();
    for service in SERVICES {
        let address = stack.url(service, "").replace("http://", "");
        for number in 0..120 {
            let mut client = TcpStream::connect(&address).await.unwrap();
            let half = [&b""[..], b"POST /v1/targets/autosave/events HTTP/1.1\r\nHost: localho"][number % 2];
            client.write_all(half).await.unwrap();
            idle.push(client);
        }
    }
    let mut refused = 0;
    let mut streams = Vec::new();
    for _ in 0..30 {
        let answer = stack.http.get(stack.url("reporter", "/v1/stream")).send().await.unwrap();
        refused += u32::from(answer.status() == 503 && answer.headers().contains_key("retry-after"));
        streams.push(answer);
    }
    assert_eq!(refused, 20, "ten streams are open");
    for service in SERVICES {
        let answer = stack.http.get(stack.url(service, "/healthz")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let ready = stack.get(service, "/readyz").await.unwrap();
        let checks = ready["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == "connections").unwrap();
        assert_eq!(check["state"], "degraded", "{check}");
    }
    stack.act("/v1/rollouts/autosave/start", &json!({"by": "release engineer"})).await;
    stack.until_phase("A", "running").await;
    wait::until("a push to be taken in", || async {
        let url = stack.url("collector", "/v1/targets/autosave/events");
        let push = stack.http.post(url).body(push_body(100, 1));
        let answer = push.send().await.map_err(|it| it.to_string())?;
        if answer.status() == 202 { Ok(()) } else { Err(answer.text().await.unwrap()) }
    })
    .await;
    drop((idle, streams));
}
