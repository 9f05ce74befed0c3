//! `phasegate pause`.

use serde_json::json;
use service_kit::ServiceName;
use shared_types::{TargetName, Timestamp};

use crate::api::ServicesArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate pause --target autosave --seconds 120    while a source is moved
  phasegate pause --target autosave --seconds 0      go on now

Events are taken in all the same; no window is closed meanwhile. After five minutes at most the collector goes on by
itself.";

/// Let the collector close no windows of a target for a while, five minutes at most
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The target
    #[arg(long)]
    target: TargetName,
    /// How long; 0 goes on now
    #[arg(long, value_parser = clap::value_parser!(u64).range(0..=300))]
    seconds: u64,
    #[command(flatten)]
    services: ServicesArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        super::block_on(async {
            let path = format!("/v1/targets/{}/pause", self.target);
            let body = self.services.act(json!({ "seconds": self.seconds }));
            let paused: collector_svc::api::Paused =
                self.services.api(ServiceName::Collector)?.post(&path, &body).await?;
            let answer = json!({ "target": self.target, "paused_until": paused.paused_until });
            self.output.print(&answer, |_| text(&self.target, self.seconds, paused.paused_until))?;
            Ok(Exit::Ok)
        })
    }
}

fn text(target: &TargetName, seconds: u64, until: Timestamp) -> String {
    match seconds {
        0 => format!("{target}: windows are closed again"),
        _ => format!("{target}: no windows are closed until {until}; then by itself again"),
    }
}
