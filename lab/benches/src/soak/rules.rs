//! The policy of a soak, as text that changes.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use service_kit::client::Neighbour;

use crate::latency::wanted::SHIPPED;

const LOOK: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);

/// What differs from the shipped policy: nobody misses a window of the past, little is looked back on, so that little must be
/// kept, and nothing keeps a target from being rolled back again and again.
const CHANGES: [(&str, &str); 8] = [
    ("targets:\n  autosave:\n", "templates:\n  usual:\n"),
    ("{ jsonl: { paths: [\"telemetry/autosave/*.jsonl\"] } }", "{ http: {} }"),
    ("delayed_after: 5m", "delayed_after: 3650d"),
    ("over: 1h", "over: 15m"),
    (
        "{ compliant_for: 24h, critical_alerts: 0, approvals: [sre] }",
        "{ compliant_batches: 8, approvals: [sre] }",
    ),
    (
        "{ compliant_for: 72h, incident_notifications: 0, approvals: [governance] }",
        "{ compliant_batches: 8, approvals: [governance] }",
    ),
    ("      timeout: 60s\n", "      timeout: 60s\n      budget: { automatic_rollbacks: 1000, per: 1h }\n"),
    (
        "{ batches: 400d, decisions: 400d, notifications: 400d, audit: forever }",
        "{ batches: 15m, decisions: 15m, notifications: 15m, audit: forever }",
    ),
];

/// With so many targets; each number is another version.
pub(super) fn text(targets: usize, number: usize) -> anyhow::Result<String> {
    let shipped = Path::new(SHIPPED).join("examples/policies/source-document.yaml");
    let mut text = std::fs::read_to_string(&shipped)?;
    for (from, to) in CHANGES {
        anyhow::ensure!(text.contains(from), "the policy has no `{from}` any more");
        text = text.replace(from, to);
    }
    let templates = Path::new(SHIPPED).join("templates/alerts").display().to_string();
    text = text.replace("templates: templates/alerts", &format!("templates: {templates}"));
    // A limit that nothing comes near, so that each version says something else.
    text = text.replace("save_latency_p95: 2.5s,", &format!("save_latency_p95: 2.{}s,", 3 + number % 7));
    let (target, rest) = text.split_once("    evidence:\n").context("the policy's evidence")?;
    let (_, retention) = rest.split_once("\nretention:").context("the policy's retention")?;
    let mut changed = format!("# Version {number}\n{target}    evidence: []\n\ntargets:\n");
    for target in 0..targets {
        writeln!(changed, "  autosave-{target}: {{ template: usual }}")?;
    }
    write!(changed, "\nretention:{retention}")?;
    Ok(changed)
}

/// Until a service goes by the version.
pub(super) async fn until_in_force(service: &Neighbour, version: &str) -> anyhow::Result<()> {
    let looking = async {
        loop {
            let newest: Value = service.get_json("/v1/policies?limit=1").await?;
            if newest["items"][0]["version"] == version {
                return anyhow::Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.context("the changed policy is not taken over")?
}
