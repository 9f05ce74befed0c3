//! `phasegate status`.

use serde::Serialize;
use shared_types::dashboard::{Dashboard, DashboardTarget};
use shared_types::incident::Incident;
use shared_types::rollout::Rollout;
use shared_types::{Page, TargetName};

use crate::api::{Api, ReporterArgs};
use crate::exit::Exit;
use crate::output::OutputArgs;
use crate::view;

const EXAMPLES: &str = "\
Examples:
  phasegate status                                    every target
  phasegate status --target autosave                  one, with its newest window and open incident
  phasegate status --target autosave --output json | jq -r .rollout.phase";

/// Show where the rollouts stand
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only this one, in detail
    #[arg(long)]
    target: Option<TargetName>,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// One target in detail.
#[derive(Debug, Serialize)]
struct Detail {
    rollout: Rollout,
    /// Its card on the dashboard.
    dashboard: Option<DashboardTarget>,
    /// The open incident.
    incident: Option<Incident>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        super::block_on(async {
            let api = self.reporter.api()?;
            match &self.target {
                Some(target) => self.output.print(&detail(&api, target).await?, text)?,
                None => self.output.print(&all(&api).await?, |rollouts| {
                    rollouts.iter().map(view::rollout).collect::<Vec<_>>().concat()
                })?,
            }
            Ok(Exit::Ok)
        })
    }
}

async fn all(api: &Api) -> anyhow::Result<Vec<Rollout>> {
    let mut rollouts = Vec::new();
    let mut path = "/v1/rollouts?limit=1000".to_owned();
    loop {
        let page: Page<Rollout> = api.get(&path).await?;
        rollouts.extend(page.items);
        let Some(next) = page.next else { return Ok(rollouts) };
        path = format!("/v1/rollouts?limit=1000&cursor={next}");
    }
}

async fn detail(api: &Api, target: &TargetName) -> anyhow::Result<Detail> {
    let rollout: Rollout = api.get(&format!("/v1/rollouts/{target}")).await?;
    let dashboard: Dashboard = api.get("/v1/dashboard").await?;
    let dashboard = dashboard.targets.into_iter().find(|card| &card.target == target);
    let incident = match &rollout.incident {
        Some(id) => Some(api.get(&format!("/v1/incidents/{id}")).await?),
        None => None,
    };
    Ok(Detail { rollout, dashboard, incident })
}

fn text(detail: &Detail) -> String {
    let mut text = view::rollout(&detail.rollout);
    text.extend(detail.dashboard.as_ref().map(view::cards));
    text.extend(detail.incident.as_ref().map(view::incident));
    text
}
