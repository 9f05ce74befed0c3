//! `phasegate incident`: the whole story of one.

use shared_types::{IncidentId, Timestamp};

use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::incident_view::{Story, story};
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate incident INC-20261122-001
  phasegate incident INC-20261122-001 --output json | jq -r '.timeline[] | [.at, .kind] | @tsv'";

/// Tell the story of an incident: every hop with its time, what was sent, what is still asked of whom
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
            let found: Story = self.reporter.api()?.get(&format!("/v1/incidents/{}", self.incident)).await?;
            let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
            self.output.print(&found, |found| story(found, now))?;
            Ok(Exit::Ok)
        })
    }
}
