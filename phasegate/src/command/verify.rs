//! `phasegate verify` (VE-1).

use std::path::PathBuf;
use std::time::Duration;

use domain::kinds::Kinds;
use domain::policy::units::parse_duration;
use service_kit::clock::{Clock, SystemClock};
use shared_types::TargetName;

use crate::api::HistoryArgs;
use crate::exit::Exit;
use crate::output::{print, print_json};
use crate::verify::{Ask, Item, check, gather, markdown, text};

const EXAMPLES: &str = "\
Examples:
  phasegate verify --target autosave --last 2h
  phasegate verify --target autosave --last 2h --format markdown >> pull-request.md
  phasegate verify --target autosave --last 2h --skip jsonl --skip drift    from another machine

Run it where the collector's data directory, the policy and its templates can be read: what cannot be
looked at is \"not checked\", and counts as failed unless it is left out by name.
Exit statuses: 0 all of it holds, 1 something does not (the text says what to do), 3 no such target.";

/// Verify what was measured, decided, told and done in the last hours: six items, each with its figure
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The feature
    #[arg(long)]
    target: TargetName,
    /// So far back from now
    #[arg(long, default_value = "2h", value_parser = duration, value_name = "DURATION")]
    last: Duration,
    /// An item to leave out; may be repeated
    #[arg(long, value_enum, value_name = "ITEM")]
    skip: Vec<Item>,
    /// Where the services write `logs/`
    #[arg(long, env = "PHASEGATE_DATA_DIR", default_value = "./.phasegate", value_name = "DIR")]
    data_dir: PathBuf,
    /// The policy file
    #[arg(long, env = "PHASEGATE_POLICY", default_value = "governance/policy.yaml", value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    services: HistoryArgs,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// For a pull request
    Markdown,
    /// One JSON document for scripts
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).filter(|it| !it.is_zero()).ok_or_else(|| "expected a duration such as 2h".to_owned())
}

impl Args {
    pub(super) fn run(self, kinds: &Kinds) -> anyhow::Result<Exit> {
        let report = super::block_on(async {
            let to = SystemClock.now();
            let ask = Ask {
                target: self.target.clone(),
                from: to.minus(self.last),
                to,
                analyzer: self.services.analyzer()?,
                reporter: self.services.reporter()?,
                data_dir: self.data_dir.clone(),
                policy: self.policy.clone(),
                kinds,
                skip: &self.skip,
            };
            Ok(check(&gather(&ask).await?, &self.skip))
        })?;
        match self.format {
            Format::Text => print(text(&report).trim_end())?,
            Format::Markdown => print(markdown(&report).trim_end())?,
            Format::Json => print_json(&report)?,
        }
        Ok(if report.ok { Exit::Ok } else { Exit::Refused })
    }
}
