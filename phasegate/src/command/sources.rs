//! `phasegate sources`: where telemetry comes from, looked at before it counts.

use std::path::PathBuf;

use clap::Subcommand;
use domain::policy::Policy;
use service_kit::ServiceName;
use service_kit::clock::{Clock as _, SystemClock};
use shared_types::{TargetName, Timestamp};

use crate::Product;
use crate::api::ServicesArgs;
use crate::exit::{Exit, error};
use crate::output::{Format, OutputArgs, print_json, print_marked};
use crate::sources::{MARKS, Places, Report, check, newest_window, text, window_at};

const EXAMPLES: &str = "\
Examples:
  phasegate sources check
  phasegate sources check --target autosave --at 2026-11-22T10:00:00Z
  phasegate sources check --output json | jq '.targets[].metrics[] | select(.standing != \"judged\")'";

const CHECK_EXAMPLES: &str = "\
Examples:
  phasegate sources check                              every target of the policy
  phasegate sources check --target autosave            before its first rollout
  phasegate sources check --target autosave --at 2026-11-22T10:00:00Z
  phasegate sources check --output json | jq '.targets[].metrics[] | select(.standing != \"judged\")'

Reads the newest whole window as the collector would, from the policy's own sources, and stores nothing; no service need run.
Of each metric it says what it is made from, its value, its attempts, and whether its limits can be judged by them:
  ok         each window by itself
  too few    less than `gate.min_samples` attempts, with the windows that it takes
  not seen   it is pushed, and no collector runs here: --collector-url says where it is
  MISSING    the source does not have it, with the reason
Of files the newest 256 MiB are read, and what was read is said. Run it where the collector runs: patterns are relative,
and secrets come from its environment.

Exit statuses: 0 every metric can be judged, 1 something is missing or can't be judged, 4 a source cannot be read;
the others as everywhere.";

/// Look at telemetry before it counts: what comes, what is missing, what the policy does not know
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read the newest whole window and say of each metric whether its limits can be judged
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Box<CheckArgs>),
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The feature, as the policy names it [default: all]
    #[arg(long)]
    target: Option<TargetName>,
    /// The window that holds this moment (RFC 3339), instead of the newest whole one
    #[arg(long, value_parser = super::collect::moment, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The policy file
    #[arg(long, env = "PHASEGATE_POLICY", default_value = "governance/policy.yaml", value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    services: ServicesArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self, product: &Product) -> anyhow::Result<Exit> {
        match self.action {
            Action::Check(args) => super::block_on(args.run(product)),
        }
    }
}

impl CheckArgs {
    async fn run(self, product: &Product) -> anyhow::Result<Exit> {
        let policy = super::policy::load(&self.policy, product.kinds())?;
        let names = match self.target {
            Some(target) => vec![super::policy::target(&policy, Some(target))?],
            None => policy.targets.keys().cloned().collect(),
        };
        let collector = self.services.api(ServiceName::Collector)?;
        let places = Places { readers: product.sources(), collector: &collector, now: SystemClock.now() };
        let report = look(&policy, names, self.at, &places).await?;
        match self.output.output {
            Format::Json => print_json(&report)?,
            Format::Text => print_marked(text(&report).trim_end(), &MARKS)?,
        }
        Ok(report.exit())
    }
}

/// One after the other: several of them mostly ask the same server.
async fn look(
    policy: &Policy,
    names: Vec<TargetName>,
    at: Option<Timestamp>,
    places: &Places<'_>,
) -> anyhow::Result<Report> {
    let mut targets = Vec::new();
    for name in names {
        let target = &policy.targets[&name];
        let window = match at {
            None => newest_window(target, places.now),
            Some(at) => window_at(target, at, places.now).map_err(|settled| {
                let message = format!(
                    "--at {at}: the window of {name} is not over, or more may come of it until {settled}"
                );
                error(Exit::Usage, message)
            })?,
        };
        targets.push(check(&name, target, window, places).await?);
    }
    Ok(Report { at: places.now, targets })
}
