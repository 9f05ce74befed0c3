//! `phasegate policy show`.

use serde::Serialize;
use service_kit::ServiceName;
use service_kit::rules::PolicyVersion;
use shared_types::{Page, Timestamp};

use crate::api::ServicesArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  phasegate policy show
  phasegate policy show --output json | jq .agree

What is in force on the running services. Exit status 0 if all three go by the same version, 1 if not (for a moment
after a change that is right; if it stays so, /readyz of the service that is behind says why), 4 if one cannot be
reached.";

/// What one service goes by.
#[derive(Debug, Serialize)]
struct Row {
    service: &'static str,
    version: String,
    texts_version: Option<String>,
    in_force_from: Timestamp,
}

#[derive(Debug, Serialize)]
struct Shown {
    agree: bool,
    services: Vec<Row>,
}

/// Asks all three.
pub(super) async fn run(services: &ServicesArgs, output: OutputArgs) -> anyhow::Result<Exit> {
    let mut rows = Vec::new();
    for service in [ServiceName::Collector, ServiceName::Analyzer, ServiceName::Reporter] {
        let page: Page<PolicyVersion> = services.api(service)?.get("/v1/policies?limit=1").await?;
        rows.extend(page.items.into_iter().map(|it| Row {
            service: service.as_str(),
            version: it.version,
            texts_version: it.texts_version,
            in_force_from: it.in_force_from,
        }));
    }
    let agree = rows.windows(2).all(|pair| pair[0].version == pair[1].version);
    output.print(&Shown { agree, services: rows }, text)?;
    Ok(if agree { Exit::Ok } else { Exit::Refused })
}

fn text(shown: &Shown) -> String {
    let mut text = String::new();
    for row in &shown.services {
        let from = match row.in_force_from.as_millis() {
            0 => "since ever".to_owned(),
            _ => format!("for windows that begin from {} on", row.in_force_from),
        };
        text.push_str(&format!("{:9}  {}  {from}\n", row.service, row.version));
    }
    text.push_str(if shown.agree { "all go by the same version\n" } else { "they do not agree\n" });
    text
}
