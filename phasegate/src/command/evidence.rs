//! `phasegate evidence`: the checklist of an incident, and its whole bundle as one document (EV-1 to EV-3).

use domain::story::visible::one_line;
use serde_json::json;
use shared_types::IncidentId;
use shared_types::incident::{EvidenceBundle, EvidenceItem, Incident};

use crate::api::ReporterArgs;
use crate::exit::Exit;
use crate::github::{Github, Posted, Thread};
use crate::output::{Format, OutputArgs, print};

const EXAMPLES: &str = "\
Examples:
  phasegate evidence INC-20261122-001 > evidence.md              everything, as one Markdown document
  phasegate evidence INC-20261122-001 --checklist                what is complete, what is missing, whose it is
  phasegate evidence INC-20261122-001 --sign retry_log --comment \"one outage of the source\"
  phasegate evidence INC-20261122-001 --sign retry_log --task \"a second source\" --link https://tracker/7
  phasegate evidence INC-20261122-001 --sign retry_log --task-done
  phasegate evidence INC-20261122-001 --post owner/repo#123      as a comment there; again: brings it up to date

Until every item is complete no phase moves up. `--post` asks for GITHUB_TOKEN, which may write comments there.";

/// Show, sign or post the evidence that an incident was dealt with
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The incident, as its messages name it
    incident: IncidentId,
    /// Print the checklist only
    #[arg(long, conflicts_with_all = ["sign", "post"])]
    checklist: bool,
    /// Put your name to this item of the checklist
    #[arg(long, value_name = "ITEM", conflicts_with = "post")]
    sign: Option<String>,
    /// What you have seen; needed where the system's check does not find what it looks for
    #[arg(long, value_name = "TEXT", requires = "sign")]
    comment: Option<String>,
    /// Where the evidence is
    #[arg(long, value_name = "URL", requires = "sign")]
    link: Option<String>,
    /// A follow-up; it stands in the reporter's reports/checklist.md until it is done
    #[arg(long, value_name = "TEXT", requires = "sign")]
    task: Option<String>,
    /// The follow-up of the signed item is done
    #[arg(long, requires = "sign", conflicts_with_all = ["comment", "link", "task"])]
    task_done: bool,
    /// Post the document as a comment on this pull request or issue, or bring the one there up to date
    #[arg(long, value_name = "OWNER/REPO#NUMBER")]
    post: Option<Thread>,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        super::block_on(async {
            match (&self.sign, &self.post) {
                (Some(item), _) => self.put(item).await,
                (None, Some(thread)) => self.publish(thread).await,
                (None, None) => self.show().await,
            }?;
            Ok(Exit::Ok)
        })
    }

    fn path(&self) -> String {
        format!("/v1/incidents/{}/evidence", self.incident)
    }

    async fn show(&self) -> anyhow::Result<()> {
        let api = self.reporter.api()?;
        if self.checklist || self.output.output == Format::Json {
            let bundle: EvidenceBundle = api.get(&self.path()).await?;
            return self.output.print(&bundle, |it| checklist(&it.items));
        }
        let text = api.get_text(&format!("{}?format=markdown", self.path())).await?;
        print(text.trim_end())
    }

    async fn put(&self, item: &str) -> anyhow::Result<()> {
        let mut body = json!({ "task_done": self.task_done });
        let given = [("comment", &self.comment), ("link", &self.link), ("task", &self.task)];
        for (name, value) in given {
            if let Some(value) = value {
                body[name] = value.as_str().into();
            }
        }
        let path = format!("{}/{}", self.path(), segment(item));
        let incident: Incident = self.reporter.api()?.put(&path, &self.reporter.act(body)).await?;
        self.output.print(&incident.evidence, |items| checklist(items))
    }

    async fn publish(&self, thread: &Thread) -> anyhow::Result<()> {
        let github = Github::from_environment()?;
        let text = self.reporter.api()?.get_text(&format!("{}?format=markdown", self.path())).await?;
        let marker = text.lines().next().unwrap_or_default().to_owned();
        let posted = github.post(thread, &marker, &text).await?;
        self.output.print(&posted, Posted::line)
    }
}

/// An item's name within a path.
fn segment(item: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let escaped = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    item.bytes().map(escaped).collect()
}

/// A line an item; below it what was found, said and is missing.
fn checklist(items: &[EvidenceItem]) -> String {
    if items.is_empty() {
        return "the policy asks for no evidence\n".to_owned();
    }
    let mut text = String::new();
    for it in items {
        let mark = if it.state.is_complete() { "x" } else { " " };
        let who = match (&it.signer, it.at) {
            (Some(signer), Some(at)) => format!("signed by {} at {at}", visible(signer)),
            _ => it.state.as_str().to_owned(),
        };
        text.push_str(&format!("[{mark}] {:<12} {:<12} {who}\n", it.item, it.owner));
        let task = if it.task_done == Some(true) { "task, done" } else { "task" };
        let more = [("found", &it.figures), ("comment", &it.comment), ("link", &it.link), (task, &it.task)];
        for (name, value) in more {
            if let Some(value) = value {
                text.push_str(&format!("      {name}: {}\n", visible(value)));
            }
        }
        for missing in &it.missing {
            text.push_str(&format!("      missing: {}\n", visible(missing)));
        }
    }
    text
}

/// What a person typed stays on its line.
fn visible(text: &str) -> String {
    one_line(text, usize::MAX)
}

#[cfg(test)]
mod tests {
    use shared_types::incident::EvidenceState;

    use super::*;

    fn item(name: &str, state: EvidenceState) -> EvidenceItem {
        EvidenceItem {
            item: name.to_owned(),
            owner: "sre".to_owned(),
            auto: false,
            state,
            figures: None,
            figures_data: Vec::new(),
            link: None,
            signer: None,
            at: None,
            comment: None,
            task: None,
            task_done: None,
            missing: Vec::new(),
            missing_data: serde_json::Value::Null,
        }
    }

    /// EV-1: whose it is, and what is missing.
    #[test]
    fn a_checklist_says_what_is_missing_and_whose_it_is() {
        let signed = EvidenceItem {
            signer: Some("ana\u{1b}[2J".to_owned()),
            at: Some(shared_types::Timestamp::parse("2026-11-22T10:00:00Z").unwrap()),
            task: Some("a second source".to_owned()),
            task_done: Some(false),
            ..item("retry_log", EvidenceState::Signed)
        };
        let waiting =
            EvidenceItem { missing: vec!["rca".to_owned()], ..item("release", EvidenceState::Waiting) };
        let expected = "\
[x] retry_log    sre          signed by ana\u{fffd}[2J at 2026-11-22T10:00:00.000Z
      task: a second source
[ ] release      sre          waiting
      missing: rca
";
        assert_eq!(checklist(&[signed, waiting]), expected);
        assert_eq!(checklist(&[]), "the policy asks for no evidence\n");
    }

    #[test]
    fn an_item_stays_within_its_part_of_the_path() {
        assert_eq!(segment("retry_log"), "retry_log");
        assert_eq!(segment("../rca?x#ü"), "..%2Frca%3Fx%23%C3%BC");
    }
}
