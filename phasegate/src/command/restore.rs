//! `phasegate restore`: a backup checked or put back, and a restored store gone on from (OP-3).

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Serialize;
use service_kit::clock::{Clock as _, SystemClock};
use service_kit::db::SchemaName;
use service_kit::mark::Acceptance;

use crate::backup::{self, Place};
use crate::exit::{Exit, error};
use crate::output::OutputArgs;

const EXAMPLES: &str = "\
Examples:
  phasegate restore --from /backup/today --check       is that backup whole? changes nothing
  phasegate restore --from /backup/today               put it back; stop the services first
  phasegate restore --from /backup/today --force       move the stores that are there aside
  phasegate restore --check                            do the stores where they are belong together?
  phasegate restore --accept --reason \"the disk is gone, this is the newest copy\"
                                                       go on from stores that are older than what they belong to

A restored store is gone on from at the next start: every target begins a new epoch in the phase on record, above all that
was told before; approvals are asked for anew; incident ids go on above those that may have been given out. Look what the
flag systems serve: it may be another phase (docs/backup.md).
Exit status 1 if a check finds something, or a store is in the way.";

/// Check a backup, put it back, or go on from a restored store
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A directory that `phasegate backup` made
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Only look: hashes, SQLite's own check, every document read, the three stores agree, the audit log's chains hold
    #[arg(long, conflicts_with = "accept")]
    check: bool,
    /// Go on from the stores as they are, although they are older than what they belong to
    #[arg(long, conflicts_with = "from", requires = "reason")]
    accept: bool,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    /// Who decides it, for the audit log [default: the name in USER]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Move stores that are in the way aside, into the data directory's `before-restore-…`
    #[arg(long, requires = "from")]
    force: bool,
    /// The services' data directory
    #[arg(long, env = "PHASEGATE_DATA_DIR", value_name = "DIR", default_value = "./.phasegate")]
    data_dir: PathBuf,
    /// The services' database, if they have another than SQLite in the data directory
    #[arg(long, env = "PHASEGATE_DATABASE_URL", value_name = "URL")]
    database_url: Option<SecretString>,
    /// PostgreSQL's schemas, as the services are told
    #[arg(long, env = "PHASEGATE_DATABASE_SCHEMA", value_name = "NAME")]
    database_schema: Option<SchemaName>,
    #[command(flatten)]
    output: OutputArgs,
}

/// What was done, a line each.
#[derive(Debug, Serialize)]
struct Done {
    done: Vec<String>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        super::block_on(self.restore())
    }

    async fn restore(self) -> anyhow::Result<Exit> {
        let place = Place {
            data_dir: self.data_dir.clone(),
            database_url: self.database_url.clone(),
            schema: self.database_schema.clone().unwrap_or_default(),
        };
        if self.check {
            let checked = match &self.from {
                Some(from) => backup::check_directory(from).await?,
                None => backup::check_database(&place).await?,
            };
            self.output.print(&checked, backup::Checked::text)?;
            return Ok(if checked.ok { Exit::Ok } else { Exit::Refused });
        }
        let (mut done, reason) = match (&self.from, &self.reason) {
            (Some(from), reason) => {
                let checked = backup::check_directory(from).await?;
                if !checked.ok {
                    self.output.print(&checked, backup::Checked::text)?;
                    return Ok(Exit::Refused);
                }
                if self.database_url.is_some() {
                    let line = "--from puts SQLite files into the data directory; --database-url names another database";
                    return Err(error(Exit::Usage, line));
                }
                let stamp = SystemClock.now().as_millis();
                let aside = backup::put(from, &self.data_dir, self.force, stamp)?;
                let moved = aside.map(|it| format!("what was there stands in {}", it.display()));
                let made_at = checked.made_at.map(|it| it.to_string()).unwrap_or_default();
                let reason =
                    reason.clone().unwrap_or_else(|| format!("restored from the backup of {made_at}"));
                (moved.into_iter().collect::<Vec<_>>(), reason)
            }
            (None, Some(reason)) if self.accept => (Vec::new(), reason.clone()),
            (None, _) => return Err(error(Exit::Usage, "one of --from DIR, --check and --accept is needed")),
        };
        let user = || std::env::var("USER").ok().filter(|it| !it.is_empty());
        let by = self.by.clone().or_else(user).unwrap_or_else(|| "unknown".to_owned());
        let acceptance = Acceptance { by, reason, at: SystemClock.now() };
        done.extend(backup::accept(&place, &acceptance).await?);
        done.push(
            "start the services; look what the flag systems serve, and ask for approvals anew".to_owned(),
        );
        self.output.print(&Done { done }, |it| it.done.join("\n"))?;
        Ok(Exit::Ok)
    }
}
