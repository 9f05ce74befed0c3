//! `phasegate review`: governance decides the review of an overdue root cause analysis (GO-2).

use serde_json::json;
use shared_types::IncidentId;
use shared_types::incident::Incident;

use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate review INC-20261122-001 --approve --comment \"no cause known after a day\"
  phasegate review INC-20261122-001 --decline --comment \"cause known, the RCA follows today\"

An approval takes the target back one phase at once; no gate and no approval is asked.";

/// Decide the governance review of an overdue root cause analysis
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The incident, as its messages name it
    incident: IncidentId,
    /// Go back one phase
    #[arg(long, required_unless_present = "decline", conflicts_with = "decline")]
    approve: bool,
    /// Stay
    #[arg(long)]
    decline: bool,
    /// Why; kept with the decision and in the messages
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    comment: String,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        super::block_on(async {
            let path = format!("/v1/incidents/{}/review", self.incident);
            let body = self.reporter.act(json!({ "approve": self.approve, "comment": self.comment }));
            let incident: Incident = self.reporter.api()?.post(&path, &body).await?;
            self.output.print(&incident, crate::incident_view::summary)?;
            Ok(Exit::Ok)
        })
    }
}
