//! The reporter's own configuration, and what comes of its kinds' settings.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use secrecy::SecretString;
use service_kit::CommonConfig;
use service_kit::auth::Sessions;
use service_kit::clock::{Clock, SystemClock};
use service_kit::config::secret;
use service_kit::seal::SealKey;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use crate::api::App;
use crate::composition::Composition;
use crate::executors::{Executor, Executors};
use crate::kind::{Kind, Opening};
use crate::notifiers::Notifiers;
use crate::pagers::Pager;

const VENDOR_TIMEOUT: Duration = Duration::from_secs(10);

/// Flags and variables of the reporter alone.
#[derive(Clone, clap::Args)]
struct OwnArgs {
    /// Secret that browser sessions are signed with, the same for all replicas; several with commas between them: the first
    /// signs, and what any has signed counts [default: one kept in the data directory]
    #[arg(long, env = "PHASEGATE_SESSION_KEY", value_name = "SECRET[,SECRET…]", value_parser = secret)]
    session_key: Option<SecretString>,
    /// Key that the audit log's heads are signed with (Ed25519): 64 hexadecimal digits, as `openssl rand -hex 32` gives them;
    /// without it nothing is signed
    #[arg(long, env = "PHASEGATE_AUDIT_KEY", value_name = "HEX", value_parser = secret)]
    audit_key: Option<SecretString>,
}

pub(crate) fn own_arguments(command: Command) -> Command {
    OwnArgs::augment_args(command)
}

/// What the reporter is run with, checked.
pub struct Config {
    pub common: CommonConfig,
    /// What browser sessions are signed with; none where nobody has to say who they are.
    pub sessions: Option<Sessions>,
    pub executors: Executors,
    pub notifiers: Notifiers,
    pub pager: Arc<dyn Pager>,
    /// Signs the audit log's heads.
    pub audit_key: Option<SealKey>,
    /// The calls that they take.
    pub inbound: OpenApiRouter<App>,
    /// Ends what executors have under way. Cancelled a while after the service was asked to stop.
    pub stopping: CancellationToken,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("common", &self.common)
            .field("log_only", &self.log_only())
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Opens the kinds with what they were told, and checks the reporter's own settings.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn new(of: &Composition, told: &ArgMatches, common: CommonConfig) -> anyhow::Result<Self> {
        let own = OwnArgs::from_arg_matches(told)?;
        let sessions = sessions(&own, &common)?;
        let audit_key = own.audit_key.as_ref().map(SealKey::parse).transpose();
        let audit_key =
            audit_key.map_err(|expected| anyhow::anyhow!("PHASEGATE_AUDIT_KEY: expected {expected}"))?;
        let opening = opening(common.data_dir.clone(), Arc::clone(&common.clock));
        let executors = Executors::open(&of.executors, told, &opening)?;
        let (notifiers, of_notifiers) = Notifiers::open(&of.notifiers, told, &opening)?;
        let pager = (of.pager.open)(told, &opening)?;
        let inbound = pager.admit((of.pager.routes)()).merge(of_notifiers);
        Ok(Self { common, sessions, executors, notifiers, pager, audit_key, inbound, stopping: opening.stop })
    }

    /// The executors as a reporter started here would have them, to be asked what they could do.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn executors_here(of: &Composition) -> anyhow::Result<Executors> {
        let arguments = |command, kind: &Kind<dyn Executor>| (kind.arguments)(command);
        let told = of.executors.iter().fold(Command::new("reporter"), arguments);
        let opening = opening(PathBuf::from("data"), Arc::new(SystemClock));
        Executors::open(&of.executors, &told.try_get_matches_from(["reporter"])?, &opening)
    }

    /// What goes to the log only, for the line at the start (NO-6).
    #[must_use]
    pub fn log_only(&self) -> Vec<&'static str> {
        self.notifiers.log_only().chain(self.pager.log_only()).collect()
    }
}

fn opening(data_dir: PathBuf, clock: Arc<dyn Clock>) -> Opening {
    let (directory, stop) = (PathBuf::from("."), CancellationToken::new());
    Opening { data_dir, directory, clock, timeout: VENDOR_TIMEOUT, stop }
}

/// Browser sessions are the reporter's alone: it serves the page.
fn sessions(args: &OwnArgs, common: &CommonConfig) -> anyhow::Result<Option<Sessions>> {
    if common.tokens.is_none() {
        return Ok(None);
    }
    Ok(Some(match &args.session_key {
        Some(keys) => Sessions::with_keys(keys)?,
        None => Sessions::with_kept_key(&common.data_dir)?,
    }))
}
