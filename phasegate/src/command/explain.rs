//! `phasegate explain` (SLO-10).

use analyzer_svc::explain::Explanation;
use uuid::Uuid;

use crate::api::AnalyzerArgs;
use crate::exit::Exit;
use crate::explained;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate explain 0f4a8c7e-2c54-5d0e-9d0b-6a1f5f0d3c11
  phasegate explain 0f4a8c7e-2c54-5d0e-9d0b-6a1f5f0d3c11 --output json | jq .recomputed

Where ids are: in an incident (`phasegate status --target autosave`), and at the analyzer's /v1/decisions.
Exit statuses: 0 it comes out the same, 1 it does not (each difference is named), 3 no such decision.";

/// Say why a decision came out as it did, and whether it comes out the same again
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The decision's id
    #[arg(value_name = "DECISION")]
    decision: Uuid,
    #[command(flatten)]
    analyzer: AnalyzerArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        super::block_on(async {
            let path = format!("/v1/decisions/{}/explanation", self.decision);
            let explanation: Explanation = self.analyzer.api()?.get(&path).await?;
            self.output.print(&explanation, explained::text)?;
            Ok(if explanation.recomputed.same { Exit::Ok } else { Exit::Refused })
        })
    }
}
