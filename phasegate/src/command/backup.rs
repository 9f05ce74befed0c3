//! `phasegate backup`: copies of the three stores that belong together (OP-3).

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use crate::backup::{self, Manifest};
use crate::exit::Exit;
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate backup --to /backup/2026-11-22                     while the services run
  phasegate backup --to /backup/today --data-dir /var/lib/phasegate --output json
  phasegate restore --from /backup/today --check               is it whole?
  phasegate backup --to /backup/today --database-url postgres://db/phasegate
                                                               prints what PostgreSQL's own tools need

A copy of a SQLite file made otherwise may lack what is in its -wal. How often, and how to try one: docs/backup.md.";

/// Copy the three services' stores, the audit log's archive and the policy, while they run
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The directory to make it in; it must be empty or not there
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The services' data directory
    #[arg(long, env = "PHASEGATE_DATA_DIR", value_name = "DIR", default_value = "./.phasegate")]
    data_dir: PathBuf,
    /// The services' database, if they have another than SQLite in the data directory
    #[arg(long, env = "PHASEGATE_DATABASE_URL", value_name = "URL")]
    database_url: Option<SecretString>,
    /// The policy file
    #[arg(long, env = "PHASEGATE_POLICY", value_name = "FILE", default_value = "governance/policy.yaml")]
    policy: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        if self.database_url.as_ref().is_some_and(|url| url.expose_secret().starts_with("postgres")) {
            crate::output::print(&format!(
                "PostgreSQL makes a copy of one moment itself, of all three schemas at once:\n  \
                 pg_dump --format=custom --file={to}/phasegate.dump \"$PHASEGATE_DATABASE_URL\"\n  \
                 cp -a {data}/logs/audit {to}/\n\
                 After a restore: phasegate restore --check, then phasegate restore --accept --reason \"…\" (docs/backup.md)",
                to = self.to.display(),
                data = self.data_dir.display(),
            ))?;
            return Ok(Exit::Ok);
        }
        let manifest = super::block_on(backup::make(&self.data_dir, &self.policy, &self.to))?;
        self.output.print(&manifest, |it| text(it, &self.to))?;
        Ok(Exit::Ok)
    }
}

fn text(manifest: &Manifest, to: &std::path::Path) -> String {
    let bytes: u64 = manifest.files.iter().map(|it| it.bytes).sum();
    format!(
        "{}: {} files, {bytes} bytes, of {}\nCheck it: phasegate restore --from {} --check",
        to.display(),
        manifest.files.len(),
        manifest.made_at,
        to.display()
    )
}
