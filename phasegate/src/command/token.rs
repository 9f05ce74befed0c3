//! `phasegate token`: makes, shows and revokes the tokens of the file that `PHASEGATE_TOKENS` names.
//!
//! The token itself is printed once and kept nowhere; the file holds its hash. The file is changed in place, not
//! replaced, as containers often have this one file mounted; services that look in between refuse what they see
//! and look again.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use domain::policy::units::parse_duration;
use serde_json::json;
use service_kit::auth::role;
use service_kit::auth::tokens::{self, Entry, Tokens};
use service_kit::clock::{Clock as _, SystemClock};

use crate::exit::{Exit, error};
use crate::output::{Format, OutputArgs};

const EXAMPLES: &str = "\
Examples:
  phasegate token create --name alice --role sre --expires 90d --file tokens
  phasegate token create --name phasegate --file tokens \\
    --role service:collector --role service:analyzer --role service:reporter
  phasegate token create --name autosave-app --role service:telemetry --file tokens
  phasegate token list --file tokens
  phasegate token revoke --name alice --file tokens

Roles: viewer, sre, dev-lead, governance, release-ops (all of which read); service:collector,
service:analyzer, service:reporter for the services; service:telemetry for what pushes events.
Running services take a changed file over within seconds.";

/// Make, show and revoke the tokens that callers show
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token: printed once, on standard output
    #[command(after_help = EXAMPLES)]
    Create(Create),
    /// Show names, roles and ends; never a hash
    #[command(after_help = EXAMPLES)]
    List {
        /// The token file
        #[arg(long, env = "PHASEGATE_TOKENS", value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Take a token out; its browser sessions end too
    #[command(after_help = EXAMPLES)]
    Revoke {
        /// Whose
        #[arg(long)]
        name: String,
        /// The token file
        #[arg(long, env = "PHASEGATE_TOKENS", value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Whose it is: what approvals and the audit log are signed with; one name a person
    #[arg(long)]
    name: String,
    /// What it may do; may be given several times
    #[arg(long = "role", required = true, value_delimiter = ',', value_name = "ROLE", value_parser = role_of)]
    roles: Vec<String>,
    /// Until when: 90d, 12h [default: until it is revoked]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    expires: Option<Duration>,
    /// The token file to add it to, which is made if it is not there; without it the line is printed on
    /// standard error
    #[arg(long, env = "PHASEGATE_TOKENS", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Take a role that is none of the known ones: a policy may name its own for approvals
    #[arg(long)]
    own_role: bool,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        match self.action {
            Action::Create(create) => create.run(),
            Action::List { file, output } => list(&file, output),
            Action::Revoke { name, file } => revoke(&name, &file),
        }
    }
}

impl Create {
    fn run(&self) -> anyhow::Result<Exit> {
        for named in self.roles.iter().filter(|_| !self.own_role) {
            if !role::KNOWN.contains(&named.as_str()) {
                let known = role::KNOWN.join(", ");
                let what = format!(
                    "`{named}` is none of the known roles ({known}); --own-role takes it all the same"
                );
                return Err(error(Exit::Usage, what));
            }
        }
        let token = tokens::new_token();
        let expires_at = self.expires.map(|life| SystemClock.now().plus(life));
        let entry = Entry::new(&self.name, &self.roles, expires_at, &token)
            .map_err(|wrong| error(Exit::Usage, wrong))?;
        let line = entry.line();
        if let Some(file) = &self.file {
            add(file, &entry)?;
        }
        match self.output.output {
            Format::Json => {
                let json = json!({ "token": token, "name": entry.name, "roles": entry.roles,
                    "expires_at": expires_at, "line": line, "file": self.file });
                crate::output::print(&serde_json::to_string_pretty(&json)?)?;
            }
            Format::Text => {
                match &self.file {
                    Some(file) => {
                        eprintln!("added {} to {}; the token is shown this once:", self.name, file.display());
                    }
                    None => eprintln!("the line for the token file:\n{line}\nthe token, shown this once:"),
                }
                crate::output::print(&token)?;
            }
        }
        Ok(Exit::Ok)
    }
}

/// Appends the token's line, if the file is right and does not have its name yet.
fn add(path: &Path, entry: &Entry) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    // For a new file only: whoever shares an existing one has set its mode.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let (mut file, text) = open(&options, path)?;
    let is_new = text.trim().is_empty();
    let is_whole = text.ends_with('\n') || text.is_empty();
    let before = if is_whole { text } else { text + "\n" };
    let after = format!("{before}{}\n", entry.line());
    if !is_new {
        parse(&before, path)?;
    }
    Tokens::parse(&after, path).map_err(|wrong| error(Exit::Refused, wrong.to_string()))?;
    let length = usize::try_from(file.metadata()?.len())?;
    file.write_all(&after.as_bytes()[length..])?;
    file.sync_all()?;
    Ok(())
}

fn list(path: &Path, output: OutputArgs) -> anyhow::Result<Exit> {
    let (_, text) = open(OpenOptions::new().read(true), path)?;
    let (tokens, now) = (parse(&text, path)?, SystemClock.now());
    let items: Vec<_> = tokens
        .entries()
        .iter()
        .map(|it| {
            json!({ "name": it.name, "roles": it.roles, "expires_at": it.expires_at,
                "expired": it.is_expired(now) })
        })
        .collect();
    output.print(&items, |_| {
        let width = tokens.entries().iter().map(|it| it.name.len()).max().unwrap_or(0);
        let line = |it: &Entry| {
            let end = match it.expires_at {
                None => String::new(),
                Some(end) if it.is_expired(now) => format!("  expired {end}"),
                Some(end) => format!("  until {end}"),
            };
            let roles = it.roles.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("{:width$}  {roles}{end}\n", it.name)
        };
        tokens.entries().iter().map(line).collect()
    })?;
    Ok(Exit::Ok)
}

fn revoke(name: &str, path: &Path) -> anyhow::Result<Exit> {
    let (mut file, text) = open(OpenOptions::new().read(true).write(true), path)?;
    parse(&text, path)?;
    let Some(left) = tokens::without(&text, name) else {
        return Err(error(Exit::NotFound, format!("{} has no token `{name}`", path.display())));
    };
    if Tokens::parse(&left, path).is_err() {
        let what = format!(
            "`{name}` is the only token, and services refuse a file without any and keep it in force; \
             add another one first"
        );
        return Err(error(Exit::Refused, what));
    }
    file.seek(SeekFrom::Start(0))?;
    file.write_all(left.as_bytes())?;
    file.set_len(u64::try_from(left.len())?)?;
    file.sync_all()?;
    eprintln!("revoked {name}; running services refuse it within seconds");
    Ok(Exit::Ok)
}

/// The file, locked against another `phasegate token`, and its text.
fn open(options: &OpenOptions, path: &Path) -> anyhow::Result<(File, String)> {
    let failed = |cause: std::io::Error| {
        let exit = if cause.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
        error(exit, format!("{}: {cause}", path.display()))
    };
    let mut file = options.open(path).map_err(failed)?;
    file.lock().map_err(failed)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    Ok((file, text))
}

fn parse(text: &str, path: &Path) -> anyhow::Result<Tokens> {
    Tokens::parse(text, path).map_err(|wrong| error(Exit::Refused, wrong.to_string()))
}

fn role_of(text: &str) -> Result<String, String> {
    role::check(text).map(|()| text.to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = parse_duration(text).filter(|life| !life.is_zero());
    parsed.ok_or_else(|| "expected a duration such as 12h or 90d".to_owned())
}
