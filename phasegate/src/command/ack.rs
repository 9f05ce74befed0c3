//! `phasegate ack`: takes an incident on (ES-3).

use shared_types::IncidentId;
use shared_types::incident::Incident;

use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate ack INC-20261122-001

The first acknowledgement counts. It stops the escalation, if that has not happened yet.";

/// Take an incident on, so that nobody else is woken for it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The incident, as its messages name it
    incident: IncidentId,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        super::block_on(async {
            let path = format!("/v1/incidents/{}/acknowledgement", self.incident);
            let body = self.reporter.act(serde_json::json!({}));
            let incident: Incident = self.reporter.api()?.post(&path, &body).await?;
            self.output.print(&incident, crate::incident_view::summary)?;
            Ok(Exit::Ok)
        })
    }
}
