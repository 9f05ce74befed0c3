//! What every service is run with, read and checked.

use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use super::args::{HttpArgs, SharedArgs};
use super::host::HostShare;
use crate::ServiceName;
use crate::auth::{Authenticator, KeysAt, Oidc, TokenFile};
use crate::client::Neighbour;
use crate::clock::Clock;
use crate::db::{Db, DbSettings, Migration, POSTGRES_CONNECTIONS, SchemaName};
use crate::descriptors;
use crate::forms::Replica;
use crate::http::HttpOptions;
use crate::mark::Mark;
use crate::outbox::Registry;
use crate::rules::RulesFiles;
use domain::kinds::Kinds;
use domain::policy::Policy;
use domain::stored::Form;
use tokio_util::sync::CancellationToken;

/// The configuration that all services share.
#[derive(Clone)]
pub struct CommonConfig {
    pub service: ServiceName,
    /// `None`: SQLite under [`Self::data_dir`].
    pub database_url: Option<SecretString>,
    /// As [`DbSettings::schema`], for all services.
    pub database_schema: SchemaName,
    /// As [`DbSettings::connections`].
    pub database_connections: Option<NonZeroU32>,
    /// How long a start waits for a PostgreSQL that is not there yet.
    pub database_wait: Duration,
    pub http: HttpArgs,
    /// Services of this process, which share its file descriptors.
    pub services_here: u32,
    pub data_dir: PathBuf,
    pub policy_path: PathBuf,
    /// As it was when the process started; [`crate::rules`] knows the one in force. Every other version is read by the kinds
    /// that this one was read by.
    pub policy: Arc<Policy>,
    pub collector_url: Url,
    pub analyzer_url: Url,
    pub reporter_url: Url,
    /// Who may call. `None`: neither tokens nor an issuer are configured, so loopback only.
    pub tokens: Option<Arc<Authenticator>>,
    pub service_token: Option<SecretString>,
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for CommonConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommonConfig")
            .field("service", &self.service)
            .field("data_dir", &self.data_dir)
            .field("policy_path", &self.policy_path)
            .field("policy_version", &self.policy.version)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}

impl CommonConfig {
    /// Reads the policy, which may name these kinds, and the token file that the arguments name.
    ///
    /// # Errors
    /// One line naming file, line and what was expected.
    pub fn read(
        service: ServiceName,
        args: &SharedArgs,
        kinds: &Kinds,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let tokens = authenticator(args, &clock)?.map(Arc::new);
        Ok(Self {
            service,
            database_url: args.database_url.clone(),
            database_schema: args.database_schema.clone().unwrap_or_default(),
            database_connections: args.database_connections,
            database_wait: Duration::from_secs(args.database_wait.into()),
            http: args.http,
            services_here: 1,
            data_dir: args.data_dir.clone(),
            policy_path: args.policy.clone(),
            policy: Arc::new(Policy::load_with(&args.policy, kinds)?.admitted()?),
            collector_url: args.collector_url.clone(),
            analyzer_url: args.analyzer_url.clone(),
            reporter_url: args.reporter_url.clone(),
            tokens,
            service_token: args.service_token.clone(),
            clock,
        })
    }

    /// The same for another service of the same process.
    #[must_use]
    pub fn for_service(&self, service: ServiceName) -> Self {
        Self { service, ..self.clone() }
    }

    /// What the service's HTTP side may take of the host, as it stands now; the rest are defaults.
    #[must_use]
    pub fn http_options(&self) -> HttpOptions {
        let pool = self.database_connections.map_or(POSTGRES_CONNECTIONS, NonZeroU32::get);
        let share = HostShare::of(descriptors::limit(), self.services_here, pool);
        share.options(&self.http)
    }

    /// Where the policy stands, for a service that sends none of its texts.
    #[must_use]
    pub fn policy_file(&self) -> RulesFiles {
        RulesFiles::policy(&self.policy_path)
    }

    /// Where the policy and the texts it names stand.
    #[must_use]
    pub fn policy_and_texts(&self) -> RulesFiles {
        RulesFiles::with_texts(&self.policy_path, Path::new("."))
    }

    /// Says in the log who may call, where that is not as it would be meant.
    pub fn say_who_may_call(&self) {
        let Some(tokens) = &self.tokens else {
            tracing::warn!(
                "no PHASEGATE_TOKENS: anybody on this machine may call, and only loopback is listened on"
            );
            return;
        };
        match &self.service_token {
            None => {
                tracing::warn!("no PHASEGATE_SERVICE_TOKEN: the other services will refuse this one's calls");
            }
            Some(token) if tokens.lacks(token.expose_secret()) => {
                tracing::warn!("PHASEGATE_SERVICE_TOKEN is not in the token file, or has expired");
            }
            Some(_) => {}
        }
    }

    /// The service's database, migrated: the one that is named, or SQLite under the data directory. `None`: told to stop while
    /// it was waited for.
    ///
    /// # Errors
    /// It cannot be opened or brought up to date, or did not come up in time; never names a password.
    pub async fn database(
        &self,
        migrations: &[Migration],
        stop: &CancellationToken,
    ) -> anyhow::Result<Option<Db>> {
        let service = self.service.as_str();
        let schema = self.database_schema.of(service).map_err(anyhow::Error::msg)?;
        let url = self.database_url.clone();
        let settings = DbSettings {
            url: url.unwrap_or_else(|| Db::embedded_url(&self.data_dir, service).into()),
            service: service.to_owned(),
            schema,
            connections: self.database_connections,
        };
        let opened = Db::open_within(self.database_wait, &settings, migrations, stop).await;
        opened.with_context(|| format!("the {service}'s database"))
    }

    /// The mark of the service's store, which is the one that the data directory belongs to (OP-3); to be asked for before the
    /// store is used.
    ///
    /// # Errors
    /// One line, if the store is younger. The database's, the file system's.
    pub async fn mark(&self, db: &Db) -> anyhow::Result<Arc<Mark>> {
        let opened = Mark::open(db, &self.data_dir, self.service, self.clock.now()).await;
        if opened.is_err() {
            // What was opened leaves nothing beside the file that a copy would be put over.
            db.close().await;
        }
        Ok(Arc::new(opened?))
    }

    /// Joins the replicas at the service's database with what its store and its effects `E` keep; to be done before anything
    /// is read or written there.
    ///
    /// # Errors
    /// One line, if a newer release may have written what this one does not read. The database's.
    pub async fn join<E: Registry>(&self, db: &Db, documents: &[Form]) -> anyhow::Result<Arc<Replica>> {
        let documents: Vec<Form> = documents.iter().copied().chain(E::forms()).collect();
        let joined = Replica::join(db, &self.clock, self.service, &documents).await;
        Ok(Arc::new(joined.with_context(|| format!("the {}'s database", self.service))?))
    }

    /// A client for a neighbour, with the service token; calls take at most `timeout`.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn neighbour(&self, service: ServiceName, timeout: Duration) -> anyhow::Result<Neighbour> {
        let url = match service {
            ServiceName::Collector => &self.collector_url,
            ServiceName::Analyzer => &self.analyzer_url,
            ServiceName::Reporter => &self.reporter_url,
        };
        Neighbour::new(url.clone(), self.service_token.clone(), timeout)
            .with_context(|| format!("client for the {service}"))
    }
}

/// Who may call, as far as it is configured.
fn authenticator(args: &SharedArgs, clock: &Arc<dyn Clock>) -> anyhow::Result<Option<Authenticator>> {
    let file = args.tokens.as_deref().map(TokenFile::open).transpose()?;
    let oidc = args
        .oidc
        .settings()?
        .map(|(settings, keys): (_, KeysAt)| Oidc::new(settings, Arc::new(keys), Arc::clone(clock)));
    let configured = file.is_some() || oidc.is_some();
    Ok(configured.then(|| Authenticator::new(file, oidc, Arc::clone(clock))))
}
