//! `phasegate gate`: whether a target is well, as an exit status for pipelines.

use std::io::IsTerminal as _;
use std::time::Duration;

use domain::policy::units::parse_duration;
use domain::story::figures::format_duration;
use service_kit::clock::{Clock as _, SystemClock};
use shared_types::{TargetName, TargetVerdict, Timestamp, Verdict};
use tokio::time::{Instant, sleep};

use crate::api::{Api, ReporterArgs};
use crate::exit::{Exit, error, exit_of};
use crate::output::{OutputArgs, complain};

const EXAMPLES: &str = "\
Examples:
  phasegate gate --target autosave                 what is known now
  phasegate gate --target autosave --wait          until a window that ends from now on is judged, 45m at most
  phasegate gate --target autosave --wait=2h       the same, 2h at most
  phasegate gate --target autosave --output json | jq -r .verdict

In a pipeline, between one step and the next:
  phasegate gate --target autosave --wait && ./next-step.sh

A rollback that is under way or has just been made ends the wait at once.
Exit statuses: 0 ok, or warn, which is said; 1 violation or rollback; 2 wrong usage; 3 no such target; 4 the reporter cannot be
reached; 6 not known: too little proof, an open incident, a freeze, nothing judged yet or lately, no right to ask, or the wait ran
out.";

/// How often a wait asks.
const EVERY: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Say by exit status whether a target is well, for pipelines
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The feature, as the policy names it
    #[arg(long)]
    target: TargetName,
    /// Ask until a window that ends from now on is judged ok or in violation, so long at most [alone: 45m]
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "45m",
          value_parser = duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .filter(|it| !it.is_zero() && *it <= LONGEST)
        .ok_or_else(|| "expected a duration such as 45m, at most 24h".to_owned())
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        super::block_on(async {
            let api = self.reporter.api()?;
            let asked = match self.wait {
                None => ask(&api, &self.target).await,
                Some(wait) => settled(&api, &self.target, wait).await,
            };
            let found = asked.map_err(no_verdict)?;
            self.output.print(&found, text)?;
            Ok(exit(&found))
        })
    }
}

fn exit(found: &TargetVerdict) -> Exit {
    match found {
        it if it.ok => Exit::Ok,
        it if it.verdict == Verdict::Violation => Exit::Refused,
        _ => Exit::Unknown,
    }
}

/// Whoever is refused an answer has not been told of a violation: a pipeline may roll back at that.
fn no_verdict(cause: anyhow::Error) -> anyhow::Error {
    match exit_of(&cause) {
        Exit::Refused => error(Exit::Unknown, cause.to_string()),
        _ => cause,
    }
}

async fn ask(api: &Api, target: &TargetName) -> anyhow::Result<TargetVerdict> {
    api.get(&format!("/v1/targets/{target}/verdict")).await
}

/// Asks until it is settled. A reporter that goes away meanwhile is waited for; one that was never there is not.
async fn settled(api: &Api, target: &TargetName, wait: Duration) -> anyhow::Result<TargetVerdict> {
    // Windows end by the clocks of the services, not by this machine's.
    let began = api.time().await?.unwrap_or_else(|| SystemClock.now());
    let deadline = Instant::now() + wait;
    let mut progress = Progress::default();
    loop {
        let asked = ask(api, target).await;
        let is_over = match &asked {
            Ok(found) => settles(found, began),
            Err(error) => !matches!(exit_of(error), Exit::Unknown | Exit::Unreachable),
        };
        if is_over {
            return asked;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ran_out(asked, wait, began));
        }
        progress.say(&asked);
        sleep(EVERY.min(left)).await;
    }
}

/// Whether no further window has to be waited for.
fn settles(found: &TargetVerdict, began: Timestamp) -> bool {
    let is_new = found.window.is_some_and(|it| it.end > began);
    found.roll_back || is_new && (found.ok || found.verdict == Verdict::Violation)
}

fn ran_out(asked: anyhow::Result<TargetVerdict>, wait: Duration, began: Timestamp) -> anyhow::Error {
    let wait = format_duration(wait);
    match asked {
        Ok(found) => {
            let what = format!("no window that ended after {began} has settled it in {wait}; as it stands:");
            error(Exit::Unknown, format!("{what}\n{}", text(&found).trim_end()))
        }
        Err(cause) => error(exit_of(&cause), format!("in {wait} it did not come to be known: {cause:#}")),
    }
}

/// What is waited for, a line each time that it changes, for whoever sits before a terminal.
#[derive(Default)]
struct Progress {
    said: String,
}

impl Progress {
    fn say(&mut self, asked: &anyhow::Result<TargetVerdict>) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let line = match asked {
            Ok(found) => head(found),
            Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
        };
        if line != self.said {
            complain(&format!("waiting: {line}"));
            self.said = line;
        }
    }
}

fn head(found: &TargetVerdict) -> String {
    let verdict = match found.verdict {
        Verdict::Warn => "warn, which passes: within the limits, and not by much",
        verdict => verdict.as_str(),
    };
    let window = match found.window {
        Some(window) => format!("window {window}"),
        None => "no window of this epoch".to_owned(),
    };
    format!("{}: {verdict}; phase {}, epoch {}, {window}", found.target, found.phase, found.epoch)
}

fn text(found: &TargetVerdict) -> String {
    let mut lines = vec![head(found)];
    if found.roll_back {
        lines.push("  to be rolled back, or it is being or was just".to_owned());
    }
    lines.extend(found.incident.iter().map(|it| format!("  incident {it}")));
    lines.extend(found.decision_id.iter().map(|it| format!("  decision {it}: phasegate explain {it}")));
    if !found.blockers.is_empty() {
        lines.push("  before the next move up:".to_owned());
    }
    lines.extend(found.blockers.iter().map(|it| format!("  - {}: {}", it.code, it.detail)));
    lines.join("\n")
}
