//! `phasegate audit verify|list|export` (GO-4).

use std::path::PathBuf;

use clap::Subcommand;
use domain::kinds::Kinds;
use shared_types::audit::{AuditVerification, StreamVerification};
use shared_types::{AuditEntry, Page, TargetName, Timestamp};

use crate::api::{Api, HistoryArgs, ReporterArgs, encoded};
use crate::archived;
use crate::audit_view;
use crate::bundle;
use crate::exit::{Exit, error};
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate audit verify                                      the reporter's log, beside its archive
  phasegate audit verify --archive /mnt/worm/logs/audit       files that were carried elsewhere
  phasegate audit list --target autosave --action rollout.rollback
  phasegate audit export --target autosave --output autosave.audit.jsonl
  phasegate audit verify --bundle autosave.audit.jsonl        without any service

Exit status 1 if a row does not hold; its stream and number are named.";

/// Look at the audit log: who did what, and that nothing of it was changed
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Walk the chains, and say where the first wrong row is
    #[command(after_help = EXAMPLES)]
    Verify(Box<Verify>),
    /// List rows, newest first
    #[command(after_help = EXAMPLES)]
    List(Box<List>),
    /// Write rows, decisions, batches and policies into one file that can be verified without any service
    #[command(after_help = EXAMPLES)]
    Export(Box<Export>),
}

#[derive(Debug, clap::Args)]
struct Verify {
    /// A bundle that `audit export` wrote, instead of a reporter: its chains, and its decisions made again
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// A directory of archived rows (`logs/audit` of a reporter's data directory), instead of a reporter; with
    /// `--bundle`, beside it
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// The public half of the key that the reporter signs with, as its log and `/v1/audit/seal` name it: with `--bundle` and
    /// `--archive` what is not signed by it does not hold
    #[arg(long, env = "PHASEGATE_AUDIT_PUBLIC_KEY", value_name = "HEX")]
    public_key: Option<String>,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only this target's
    #[arg(long)]
    target: Option<TargetName>,
    /// Only this person's or service's
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only this action, such as rollout.promote
    #[arg(long)]
    action: Option<String>,
    /// Only what is about this incident, decision, transition or effect
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Of this time or later (RFC 3339)
    #[arg(long, value_parser = Timestamp::parse, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Before this time (RFC 3339)
    #[arg(long, value_parser = Timestamp::parse, value_name = "TIME")]
    to: Option<Timestamp>,
    /// At most so many rows
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    reporter: ReporterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Args)]
struct Export {
    /// The file to write
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Only this target's stream, and the service's own
    #[arg(long)]
    target: Option<TargetName>,
    /// Of this time or later (RFC 3339)
    #[arg(long, value_parser = Timestamp::parse, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Before this time (RFC 3339)
    #[arg(long, value_parser = Timestamp::parse, value_name = "TIME")]
    to: Option<Timestamp>,
    #[command(flatten)]
    history: HistoryArgs,
}

impl Args {
    pub(super) fn run(self, kinds: &Kinds) -> anyhow::Result<Exit> {
        match self.action {
            Action::Verify(args) => args.run(kinds),
            Action::List(args) => super::block_on(args.run()),
            Action::Export(args) => super::block_on(args.run(kinds)),
        }
    }
}

impl Verify {
    fn run(self, kinds: &Kinds) -> anyhow::Result<Exit> {
        if let Some(file) = &self.bundle {
            let report = bundle::verify(file, self.archive.as_deref(), self.public_key.as_deref(), kinds)?;
            self.output.print(&report, audit_view::bundle)?;
            return Ok(if report.ok { Exit::Ok } else { Exit::Refused });
        }
        let streams = match &self.archive {
            Some(directory) => archived::verify(directory, self.public_key.as_deref())?,
            None => super::block_on(verified(&self.reporter.api()?))?,
        };
        let ok = streams.iter().all(|it| it.ok);
        self.output.print(&streams, |streams| audit_view::streams(streams))?;
        Ok(if ok { Exit::Ok } else { Exit::Refused })
    }
}

async fn verified(api: &Api) -> anyhow::Result<Vec<StreamVerification>> {
    let mut streams = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: AuditVerification = api.get(&format!("/v1/audit/verification?limit=50{cursor}")).await?;
        streams.extend(page.items);
        let Some(next) = page.next else { return Ok(streams) };
        cursor = format!("&cursor={next}");
    }
}

impl List {
    async fn run(self) -> anyhow::Result<Exit> {
        let api = self.reporter.api()?;
        let mut query = String::new();
        let texts = [
            ("target", self.target.map(|it| it.to_string())),
            ("actor", self.actor),
            ("action", self.action),
            ("subject", self.subject),
            ("from", self.from.map(|it| it.to_string())),
            ("to", self.to.map(|it| it.to_string())),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                query.push_str(&format!("&{name}={}", encoded(&value)));
            }
        }
        let wanted = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut rows: Vec<AuditEntry> = Vec::new();
        let mut cursor = String::new();
        loop {
            let limit = (wanted - rows.len()).min(1000);
            let page: Page<AuditEntry> = api.get(&format!("/v1/audit?limit={limit}{query}{cursor}")).await?;
            rows.extend(page.items);
            match page.next {
                Some(next) if rows.len() < wanted => cursor = format!("&cursor={next}"),
                _ => break,
            }
        }
        self.output.print(&rows, |rows| audit_view::rows(rows))?;
        Ok(Exit::Ok)
    }
}

impl Export {
    async fn run(self, kinds: &Kinds) -> anyhow::Result<Exit> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(error(Exit::Usage, "--to must be after --from"));
        }
        let span = bundle::Span { target: self.target, from: self.from, to: self.to };
        let (reporter, analyzer) = (self.history.reporter()?, self.history.analyzer()?);
        let header = bundle::export((&reporter, &analyzer), span, &self.output, kinds).await?;
        let rows: u64 = header.streams.iter().map(|it| it.rows).sum();
        crate::output::print(&format!(
            "{}: {rows} rows of {} streams, {} decisions, {} policies\nCheck it anywhere: phasegate audit verify --bundle {}",
            self.output.display(),
            header.streams.len(),
            header.decisions,
            header.policies,
            self.output.display(),
        ))?;
        Ok(Exit::Ok)
    }
}
