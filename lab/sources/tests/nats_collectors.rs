//! Several collectors on one stream of NATS JetStream.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use phasegate_sources::nats::Nats;
use phasegate_sources::policy::of_targets;
use phasegate_sources::story::starts;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use phasegate_tests::{ports, wait};
use serde_json::Value;
use service_kit::clock::{Clock as _, SystemClock};

const TARGETS: [&str; 6] = ["cart", "checkout", "editor", "search", "share", "upload"];
const COLLECTORS: [&str; 3] = ["collector-svc", "collector-2", "collector-3"];
const KILLS: u64 = 20;

/// The policy of the other stories, once for each target, each with a subject of its own.
fn policy(url: &str) -> String {
    // What a collector that was killed could not take comes seconds later.
    let changes = [
        ("window: 2s", "window: 10s"),
        ("grace: 200ms", "grace: 5s"),
        ("watch: 6s, cadence: 1s", "watch: 20s, cadence: 6s"),
        ("over: 8s", "over: 40s"),
        ("gaps: { tolerated: 0, blind: rollback }", "gaps: { tolerated: 3, blind: page }"),
        ("collector_latency: rollback", "collector_latency: page"),
    ];
    of_targets(TARGETS, &changes, |_| {
        format!("{{ nats: {{ url: \"{url}\", stream: TELEMETRY, subject: \"telemetry.{{target}}\" }} }}")
    })
}

/// Saves of the batches of a target's archive.
fn counted(folder: &Path) -> u64 {
    let mut saves = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap();
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let batch: Value = serde_json::from_str(line).unwrap();
            assert_eq!(batch["source"], "nats");
            let intake = &batch["intake"];
            let uncounted = ["late", "lost", "malformed"].map(|it| intake[it].as_u64().unwrap_or(0));
            assert_eq!(uncounted, [0; 3], "{batch}");
            saves += batch["counters"]["autosave.save.completed"].as_u64().unwrap_or(0);
        }
    }
    saves
}

/// TE-5, CO-1: three collectors share the targets of one stream; whichever of them, or the server, is killed when, each event is
/// counted once.
#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_counted_once_whoever_is_killed() {
    let mut server = Nats::start().unwrap();
    let mut publisher = server.publisher(None).await;
    publisher.stream("TELEMETRY").await;
    let vendors = Vendors::start().await;
    let mut stack = Stack::start(Layout::ThreeOnPostgres, &policy(&server.url), &vendors.environment()).await;
    let listen: BTreeMap<&str, String> =
        COLLECTORS[1..].iter().map(|name| (*name, format!("127.0.0.1:{}", ports::own()))).collect();
    let launch = |stack: &mut Stack, name: &str| match listen.get(name) {
        Some(listen) => {
            let variables = [("PHASEGATE_COLLECTOR_LISTEN", listen.as_str())];
            stack.launch_another("collector-svc", name, &variables);
        }
        None => stack.launch(name),
    };
    for name in &COLLECTORS[1..] {
        launch(&mut stack, name);
    }
    starts(&stack, TARGETS).await;
    let mut expected = BTreeMap::new();
    for round in 0..KILLS {
        for (at, target) in TARGETS.into_iter().enumerate() {
            let saves = 50 + round * 7 + at as u64;
            *expected.entry(target).or_insert(0) += saves;
            let event = |_| {
                let ts = SystemClock.now();
                format!("{{\"ts\":\"{ts}\",\"name\":\"autosave.save.completed\",\"duration_ms\":640}}\n")
            };
            publisher.publish(&format!("telemetry.{target}"), (0..saves).map(event).collect()).await;
            if at as u64 == round % 6 {
                let name = COLLECTORS[usize::try_from(round).unwrap() % COLLECTORS.len()];
                stack.kill(name);
                launch(&mut stack, name);
                let url = match listen.get(name) {
                    Some(listen) => format!("http://{listen}/healthz"),
                    None => stack.url("collector", "/healthz"),
                };
                wait::until(name, || async { stack.http.get(&url).send().await?.error_for_status() }).await;
            }
        }
        if round % 5 == 2 {
            server.restart().unwrap();
        }
    }
    for (target, expected) in expected {
        let folder = stack.data_file(&format!("logs/{target}"));
        wait::until(target, || async {
            let found = counted(&folder);
            if found == expected { Ok(()) } else { Err(format!("{found} of {expected}")) }
        })
        .await;
    }
}
