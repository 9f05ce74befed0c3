//! `phasegate rca`: the root cause analysis of an incident (GO-1, GO-3).

use std::path::PathBuf;

use serde_json::json;
use shared_types::IncidentId;
use shared_types::incident::{Incident, Rca, RcaFileState};

use crate::api::ReporterArgs;
use crate::exit::{Exit, error};
use crate::output::{OutputArgs, complain};

const EXAMPLES: &str = "\
Examples:
  phasegate rca show INC-20261122-001 > rca.md          the file, timeline and figures filled in
  phasegate rca submit INC-20261122-001 --file rca.md   cause and prevention as completed there
  phasegate rca submit INC-20261122-001                 as completed in the reporter's reports/rca/
  phasegate rca submit INC-20261122-001 --cause \"…\" --prevention \"…\" --link https://wiki/…
  phasegate rca confirm INC-20261122-001 --read sha256:0b1c2d3e4f5a --comment \"RCA confirmed\"
                                                        what `rca show` has shown, by the hash it says; nothing else

Not submitted when it is due: a governance review opens. Nobody confirms their own.";

/// Show, submit or confirm the root cause analysis of an incident
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Print the file as things stand now
    Show(Show),
    /// Submit cause and prevention, both of them
    Submit(Submit),
    /// Confirm what another person submitted
    Confirm(Confirm),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The incident, as its messages name it
    incident: IncidentId,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Args)]
struct Submit {
    /// The incident, as its messages name it
    incident: IncidentId,
    /// The completed file [default: the reporter's own]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cause", "prevention"])]
    file: Option<PathBuf>,
    /// What made it happen
    #[arg(long, value_name = "TEXT")]
    cause: Option<String>,
    /// What keeps it from happening again
    #[arg(long, value_name = "TEXT")]
    prevention: Option<String>,
    /// Where else the analysis is
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Args)]
struct Confirm {
    /// The incident, as its messages name it
    incident: IncidentId,
    /// Hash of the analysis that you have read, as `phasegate rca show` says it, or its first 12 digits; refused if another
    /// was submitted since
    #[arg(long, value_name = "HASH")]
    read: String,
    /// What you have seen; kept with the confirmation
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    comment: String,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What the reporter answers.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Document {
    incident: IncidentId,
    rca: Rca,
    document: String,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        super::block_on(async {
            match self.what {
                What::Show(args) => args.run().await,
                What::Submit(args) => args.run().await,
                What::Confirm(args) => args.run().await,
            }
        })
    }
}

impl Show {
    async fn run(self) -> anyhow::Result<Exit> {
        let path = format!("/v1/incidents/{}/rca", self.incident);
        let found: Document = self.reporter.api()?.get(&path).await?;
        self.output.print(&found, |found| found.document.clone())?;
        // Beside the file, which may go into another one.
        if let Some(note) = note(&found) {
            complain(&note);
        }
        Ok(Exit::Ok)
    }
}

/// What somebody who is going to confirm it has to know besides; none while nothing was submitted.
fn note(Document { incident, rca, .. }: &Document) -> Option<String> {
    let hash = rca.hash.as_ref()?;
    Some(match rca.on_disk {
        Some(RcaFileState::Differs) => format!(
            "{} says something else than what was submitted: `phasegate rca submit {incident}` submits it as it is",
            rca.file
        ),
        Some(RcaFileState::Unreadable) => format!("{} cannot be read by the reporter", rca.file),
        _ if rca.confirmed_at.is_some() => format!("confirmed as {hash}"),
        _ => format!("to confirm it: phasegate rca confirm {incident} --read {hash} --comment …"),
    })
}

impl Submit {
    async fn run(self) -> anyhow::Result<Exit> {
        let document = match &self.file {
            Some(file) => Some(read(file)?),
            None => None,
        };
        let body = json!({
            "document": document, "cause": self.cause, "prevention": self.prevention, "link": self.link,
        });
        let path = format!("/v1/incidents/{}/rca", self.incident);
        let incident: Incident = self.reporter.api()?.put(&path, &self.reporter.act(body)).await?;
        self.output.print(&incident, crate::incident_view::summary)?;
        Ok(Exit::Ok)
    }
}

fn read(file: &std::path::Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).map_err(|cause| {
        let exit = match cause.kind() {
            std::io::ErrorKind::NotFound => Exit::NotFound,
            std::io::ErrorKind::InvalidData => Exit::Usage,
            _ => Exit::Failed,
        };
        error(exit, format!("{}: {cause}", file.display()))
    })
}

impl Confirm {
    async fn run(self) -> anyhow::Result<Exit> {
        let path = format!("/v1/incidents/{}/rca/confirmation", self.incident);
        let body = self.reporter.act(json!({ "comment": self.comment, "read": self.read }));
        let incident: Incident = self.reporter.api()?.post(&path, &body).await?;
        self.output.print(&incident, crate::incident_view::summary)?;
        Ok(Exit::Ok)
    }
}
