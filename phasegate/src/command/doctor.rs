//! `phasegate doctor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use domain::kinds::Kinds;
use secrecy::SecretString;
use service_kit::ServiceName;
use service_kit::config::secret;

use crate::api::ServicesArgs;
use crate::doctor::{Ask, CHECKS, Level, MARKS, Peer, Place, examine, markdown, text};
use crate::exit::Exit;
use crate::output::{print, print_json, print_marked};

const EXAMPLES: &str = "\
Examples:
  phasegate doctor                                     everything, changing nothing
  phasegate doctor --send                              and a test message through every channel, a page that is taken back
  phasegate doctor --only channels --only flags        these alone
  phasegate doctor --format markdown >> ticket.md
  phasegate doctor --format json | jq '.checks[] | select(.level != \"ok\")'

The checks: services, stores, disk, clocks, policy, neighbours, rollouts, incidents, flags, effects, channels, sources, telemetry,
alerts, certificates. They run side by side. Each that is not in order says what is wrong and, after →, what to do about it.
Run it where the services run (its settings are theirs: PHASEGATE_DATA_DIR, PHASEGATE_POLICY, PHASEGATE_DATABASE_URL), or from anywhere
with their URLs: what cannot be seen from there is \"not checked\". Of a service that does not answer, what can be seen without it is told.
Exit statuses: 0 all is well, 1 warnings or something not checked, 2 something fails, over 10 the command itself failed.";

/// Check everything that a person would check at three in the morning, or before a first rollout
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Send a message through every channel that says it is a test, and a page that is taken back at once
    #[arg(long)]
    send: bool,
    /// Only this check; may be repeated
    #[arg(long, value_name = "CHECK", value_parser = checks(), conflicts_with = "skip", hide_possible_values = true)]
    only: Vec<String>,
    /// A check to leave out; may be repeated
    #[arg(long, value_name = "CHECK", value_parser = checks(), hide_possible_values = true)]
    skip: Vec<String>,
    #[command(flatten)]
    services: ServicesArgs,
    /// Where the services keep their files
    #[arg(long, env = "PHASEGATE_DATA_DIR", default_value = "./.phasegate", value_name = "DIR")]
    data_dir: PathBuf,
    /// The policy file
    #[arg(long, env = "PHASEGATE_POLICY", default_value = "governance/policy.yaml", value_name = "FILE")]
    policy: PathBuf,
    /// The services' database, if it is not SQLite: its URL is checked, and its certificate looked at
    #[arg(long, env = "PHASEGATE_DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = secret)]
    database_url: Option<SecretString>,
    /// The alert rules [default: those of this release]
    #[arg(long, value_name = "FILE")]
    alerts: Option<PathBuf>,
    /// How long each check may take, in seconds
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=300), value_name = "SECONDS")]
    timeout: u64,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// For a ticket or a pull request
    Markdown,
    /// One JSON document for scripts
    Json,
}

fn checks() -> PossibleValuesParser {
    PossibleValuesParser::new(CHECKS.iter().map(|it| it.name))
}

impl Args {
    pub(super) fn run(self, kinds: &Kinds) -> anyhow::Result<Exit> {
        let peer = |name| anyhow::Ok(Peer::new(name, self.services.api(name)?));
        let peers =
            [peer(ServiceName::Collector)?, peer(ServiceName::Analyzer)?, peer(ServiceName::Reporter)?];
        let place = Place {
            data_dir: self.data_dir.clone(),
            policy: self.policy.clone(),
            database_url: self.database_url.clone(),
            alerts: self.alerts.clone(),
        };
        let send = self.send.then(|| self.services.act(serde_json::json!({})));
        let ask = Ask::new(peers, place, kinds, send);
        let wanted = |name: &str| {
            (self.only.is_empty() || self.only.iter().any(|it| it == name))
                && !self.skip.iter().any(|it| it == name)
        };
        let within = Duration::from_secs(self.timeout);
        let report = super::block_on(async { Ok(examine(&ask, wanted, within).await) })?;
        match self.format {
            Format::Text => print_marked(text(&report).trim_end(), &MARKS)?,
            Format::Markdown => print(markdown(&report).trim_end())?,
            Format::Json => print_json(&report)?,
        }
        Ok(match report.level {
            Level::Ok => Exit::Ok,
            Level::NotChecked | Level::Warning => Exit::Examined { failed: false },
            Level::Failed => Exit::Examined { failed: true },
        })
    }
}
