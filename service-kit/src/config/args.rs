//! The flags that all services share, each with its environment variable.
//!
//! A value of type [`SecretString`] is never printed, by its type alone.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use reqwest::Url;
use secrecy::SecretString;

use crate::auth::{KeysAt, OidcSettings, RoleMap};
use crate::db::{SchemaName, check_url};
use crate::telemetry::{LogFilter, LogFormat};

/// A transaction waits for none that its own task holds, but loops, calls and effects work side by side.
const CONNECTIONS: RangeInclusive<u32> = 2..=1_000;

/// Calls have their share of the connections each.
const CLIENTS: RangeInclusive<u32> = 16..=60_000;
const STREAMS: RangeInclusive<u32> = 1..=60_000;
const CLIENT_SECONDS: RangeInclusive<u32> = 1..=3_600;

/// What every service (and `phasegate up`) can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct SharedArgs {
    /// TOML file with the same names as the flags, `_` for `-`; flags and environment come first
    #[arg(long, env = "PHASEGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// `postgres://…` or `sqlite:…`; without it SQLite files under the data directory
    #[arg(long, env = "PHASEGATE_DATABASE_URL", value_name = "URL", value_parser = database_url)]
    pub database_url: Option<SecretString>,
    /// PostgreSQL's schema with the service's tables; `{service}` in it is replaced [default: the service's name]
    #[arg(long, env = "PHASEGATE_DATABASE_SCHEMA", value_name = "NAME")]
    pub database_schema: Option<SchemaName>,
    /// Connections to the database at once, of each service [default: 16, with SQLite 8]
    #[arg(long, env = "PHASEGATE_DATABASE_CONNECTIONS", value_name = "NUMBER", value_parser = connections)]
    pub database_connections: Option<NonZeroU32>,
    /// Seconds that a start waits for a PostgreSQL that is not there yet; 0: not at all
    // Longer than a server beside it takes to start, shorter than whoever starts services gives them.
    #[arg(long, env = "PHASEGATE_DATABASE_WAIT", value_name = "SECONDS", default_value = "60",
          value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub database_wait: u32,
    #[command(flatten)]
    pub http: HttpArgs,
    /// Directory for logs, reports and the SQLite files
    #[arg(long, env = "PHASEGATE_DATA_DIR", value_name = "DIR", default_value = "./.phasegate")]
    pub data_dir: PathBuf,
    /// The policy file
    #[arg(long, env = "PHASEGATE_POLICY", value_name = "FILE", default_value = "governance/policy.yaml")]
    pub policy: PathBuf,
    /// Where the collector is
    #[arg(long, env = "PHASEGATE_COLLECTOR_URL", value_name = "URL", value_parser = http_url,
          default_value = "http://127.0.0.1:7101")]
    pub collector_url: Url,
    /// Where the analyzer is
    #[arg(long, env = "PHASEGATE_ANALYZER_URL", value_name = "URL", value_parser = http_url,
          default_value = "http://127.0.0.1:7102")]
    pub analyzer_url: Url,
    /// Where the reporter is
    #[arg(long, env = "PHASEGATE_REPORTER_URL", value_name = "URL", value_parser = http_url,
          default_value = "http://127.0.0.1:7103")]
    pub reporter_url: Url,
    /// File of hashed tokens, as `phasegate token create` writes it; needed beyond loopback
    #[arg(long, env = "PHASEGATE_TOKENS", value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// Token for calls to the other services
    #[arg(long, env = "PHASEGATE_SERVICE_TOKEN", value_name = "TOKEN", value_parser = header_secret)]
    pub service_token: Option<SecretString>,
    #[command(flatten)]
    pub oidc: OidcArgs,
    /// Log format [default: pretty on a terminal, else json]
    #[arg(long, env = "PHASEGATE_LOG", value_name = "FORMAT")]
    pub log: Option<LogFormat>,
    /// What is logged
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    pub log_filter: LogFilter,
    /// Base URL of an OTLP/HTTP receiver for traces; the other `OTEL_*` variables are read too
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", value_parser = http_url)]
    pub otlp_endpoint: Option<Url>,
    /// Print the effective configuration, secrets redacted, and end
    #[arg(long)]
    pub print_config: bool,
}

/// What clients may take of a service.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct HttpArgs {
    /// Connections of clients at once, of each service, without streams [default: 4096, or what the limit of open files leaves]
    #[arg(long, env = "PHASEGATE_HTTP_CONNECTIONS", value_name = "NUMBER", value_parser = clients)]
    pub http_connections: Option<NonZeroU32>,
    /// Streams of events at once, of each service [default: 256, or a sixteenth of the connections if that is less]
    #[arg(long, env = "PHASEGATE_HTTP_STREAMS", value_name = "NUMBER", value_parser = streams)]
    pub http_streams: Option<NonZeroU32>,
    /// Of them those of one caller, which all who need no token are together [default: 32]
    #[arg(long, env = "PHASEGATE_HTTP_STREAMS_PER_CALLER", value_name = "NUMBER", value_parser = streams)]
    pub http_streams_per_caller: Option<NonZeroU32>,
    /// Seconds that a client may take to send a head, make its next call, or take something of an answer [default: 30]
    #[arg(long, env = "PHASEGATE_HTTP_CLIENT_TIMEOUT", value_name = "SECONDS", value_parser = seconds)]
    pub http_client_timeout: Option<NonZeroU32>,
}

/// An OpenID Connect issuer whose JWTs are taken beside the tokens of the file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OidcArgs {
    /// Issuer whose JWTs are taken, exactly as they name it (`iss`)
    #[arg(long, env = "PHASEGATE_OIDC_ISSUER", value_name = "URL")]
    pub oidc_issuer: Option<String>,
    /// Audience (`aud`) that they have to be meant for
    #[arg(long, env = "PHASEGATE_OIDC_AUDIENCE", value_name = "NAME")]
    pub oidc_audience: Option<String>,
    /// Where the issuer's keys are: https://…, or file:/…
    #[arg(long, env = "PHASEGATE_OIDC_JWKS_URL", value_name = "URL", value_parser = KeysAt::parse)]
    pub oidc_jwks_url: Option<KeysAt>,
    /// Claim with the roles, with dots into objects [default: roles]
    #[arg(long, env = "PHASEGATE_OIDC_ROLE_CLAIM", value_name = "CLAIM")]
    pub oidc_role_claim: Option<String>,
    /// What the issuer's roles are here: `their-group=sre,other=governance` [default: people's by the same names]
    #[arg(long, env = "PHASEGATE_OIDC_ROLE_MAP", value_name = "THEIRS=OURS,…", value_parser = RoleMap::parse)]
    pub oidc_role_map: Option<RoleMap>,
    /// Claim with the person's name, which approvals are signed with [default: email]
    #[arg(long, env = "PHASEGATE_OIDC_NAME_CLAIM", value_name = "CLAIM")]
    pub oidc_name_claim: Option<String>,
}

impl OidcArgs {
    /// What is asked of a JWT, and where the keys are; `None`: no issuer is configured.
    ///
    /// # Errors
    /// Only a part is configured; names what is missing.
    pub fn settings(&self) -> anyhow::Result<Option<(OidcSettings, KeysAt)>> {
        let named = [
            ("PHASEGATE_OIDC_ISSUER", self.oidc_issuer.is_some()),
            ("PHASEGATE_OIDC_AUDIENCE", self.oidc_audience.is_some()),
            ("PHASEGATE_OIDC_JWKS_URL", self.oidc_jwks_url.is_some()),
        ];
        let (Some(issuer), Some(audience), Some(keys)) =
            (self.oidc_issuer.clone(), self.oidc_audience.clone(), self.oidc_jwks_url.clone())
        else {
            let missing: Vec<&str> =
                named.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
            anyhow::ensure!(missing.len() == named.len(), "an issuer needs {} too", missing.join(" and "));
            return Ok(None);
        };
        let or = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.to_owned());
        let settings = OidcSettings {
            issuer,
            audience,
            name_claim: or(&self.oidc_name_claim, "email"),
            role_claim: or(&self.oidc_role_claim, "roles"),
            roles: self.oidc_role_map.clone().unwrap_or_default(),
        };
        Ok(Some((settings, keys)))
    }
}

/// What a service that is a process of its own can be told besides.
#[derive(Debug, Clone, clap::Args)]
pub struct ListenArg {
    /// Address to listen on; the port 0 takes any free one
    // Variable and default depend on the service; `service_command` sets them.
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
    pub listen: SocketAddr,
    /// Ask the running service at the listen address whether it is alive, and end with 0 or 1
    #[arg(long)]
    pub check_health: bool,
    /// Bring the tables of the service's database up to date, and end
    #[arg(long)]
    pub migrate: bool,
}

fn database_url(text: &str) -> Result<SecretString, String> {
    check_url(text).map(|()| text.into())
}

fn connections(text: &str) -> Result<NonZeroU32, String> {
    within(text, CONNECTIONS)
}

fn clients(text: &str) -> Result<NonZeroU32, String> {
    within(text, CLIENTS)
}

fn streams(text: &str) -> Result<NonZeroU32, String> {
    within(text, STREAMS)
}

fn seconds(text: &str) -> Result<NonZeroU32, String> {
    within(text, CLIENT_SECONDS)
}

fn within(text: &str, bounds: RangeInclusive<u32>) -> Result<NonZeroU32, String> {
    let number = text.parse().ok().filter(|number| bounds.contains(&NonZeroU32::get(*number)));
    number.ok_or_else(|| format!("expected a number from {} to {}", bounds.start(), bounds.end()))
}

/// An `http` or `https` URL, as the addresses of neighbours and vendors are.
///
/// # Errors
/// What was expected instead.
pub fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("expected a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("expected a URL that starts with http:// or https://".to_owned());
    }
    Ok(url)
}

/// A secret.
///
/// # Errors
/// What was expected instead.
pub fn secret(text: &str) -> Result<SecretString, String> {
    if text.trim().is_empty() { Err("expected a text that is not empty".to_owned()) } else { Ok(text.into()) }
}

/// A secret that will be sent in a header.
///
/// # Errors
/// What was expected instead, without the secret.
pub fn header_secret(text: &str) -> Result<SecretString, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.into())
    } else {
        Err("expected visible ASCII characters only, without spaces".to_owned())
    }
}

/// `address:port`; `localhost` is understood.
///
/// # Errors
/// What was expected instead.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numeric
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|_| "expected <IP address>:<port>, e.g. 127.0.0.1:7101 or [::1]:7101".to_owned())
}
