//! `phasegate daily`.

use domain::story::daily::markdown;
use domain::story::day::Zone;
use shared_types::TargetName;
use shared_types::daily::DailyReport;

use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate daily --target autosave                      the last whole day
  phasegate daily --target autosave --date 2026-11-22    another one; today tells of it so far
  phasegate daily --target autosave --output json | jq .windows

The day is that of the time zone of the policy's daily_report, else of UTC. In the phases the policy names the reporter
makes the report by itself: reports/daily/<date>-<target>.md below its data directory, and a message to the channel.";

/// Tell a day of a rollout: each SLO's worst and median, windows by verdict, incidents, what is asked of whom
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The target
    #[arg(long)]
    target: TargetName,
    /// The day, `YYYY-MM-DD` [default: the last whole one]
    #[arg(long, value_name = "DATE")]
    date: Option<jiff::civil::Date>,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        super::block_on(async {
            let query = self.date.map(|date| format!("?date={date}")).unwrap_or_default();
            let path = format!("/v1/targets/{}/daily{query}", self.target);
            let report: DailyReport = self.reporter.api()?.get(&path).await?;
            self.output.print(&report, |report| markdown(report, &Zone::named(&report.time_zone)))?;
            Ok(Exit::Ok)
        })
    }
}
