//! `phasegate incidents`: which there are, newest first.

use clap::builder::PossibleValuesParser;
use shared_types::incident::{Incident, IncidentState};
use shared_types::{Page, TargetName};
use strum::IntoEnumIterator as _;

use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate incidents                                  the newest of all targets
  phasegate incidents --target autosave --state open
  phasegate incidents --output json | jq -r '.[].id'";

/// List incidents, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only of this feature
    #[arg(long)]
    target: Option<TargetName>,
    /// Only in this state
    #[arg(long, value_parser = states())]
    state: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn states() -> PossibleValuesParser {
    IncidentState::iter().map(IncidentState::as_str).collect::<Vec<_>>().into()
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        super::block_on(async {
            let mut path = format!("/v1/incidents?limit={}", self.limit);
            if let Some(target) = &self.target {
                path.push_str(&format!("&target={target}"));
            }
            if let Some(state) = &self.state {
                path.push_str(&format!("&state={state}"));
            }
            let page: Page<Incident> = self.reporter.api()?.get(&path).await?;
            self.output.print(&page.items, |incidents| match incidents.as_slice() {
                [] => "no incidents\n".to_owned(),
                some => some.iter().map(crate::incident_view::line).collect(),
            })?;
            Ok(Exit::Ok)
        })
    }
}
