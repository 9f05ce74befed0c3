//! Speaking to the services: one call, one answer, and a refusal said in one clear line.

use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use service_kit::ServiceName;
use service_kit::client::{ClientError, Neighbour};
use service_kit::config::{header_secret, http_url};
use service_kit::http::ReadinessReport;
use shared_types::Timestamp;
use shared_types::problem::ProblemCode;

use crate::exit::{Exit, error};

/// Who asks.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TokenArgs {
    /// Your token, where the services ask for one [default: what PHASEGATE_SERVICE_TOKEN holds]
    #[arg(long, env = "PHASEGATE_TOKEN", hide_env_values = true, value_name = "TOKEN",
          value_parser = header_secret)]
    token: Option<SecretString>,
}

impl TokenArgs {
    fn api(&self, base: &Url) -> anyhow::Result<Api> {
        let token = match &self.token {
            Some(token) => Some(token.clone()),
            None => variable("PHASEGATE_SERVICE_TOKEN")
                .map(|token| header_secret(&token))
                .transpose()
                .map_err(|wrong| error(Exit::Usage, format!("PHASEGATE_SERVICE_TOKEN: {wrong}")))?,
        };
        Api::new(base.clone(), token)
    }
}

/// Where the analyzer is and who asks.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AnalyzerArgs {
    /// Where the analyzer is
    #[arg(long, env = "PHASEGATE_ANALYZER_URL", default_value = "http://127.0.0.1:7102", value_name = "URL",
          value_parser = http_url)]
    analyzer_url: Url,
    #[command(flatten)]
    token: TokenArgs,
}

impl AnalyzerArgs {
    pub(crate) fn api(&self) -> anyhow::Result<Api> {
        self.token.api(&self.analyzer_url)
    }
}

/// Where the reporter is and who asks.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReporterArgs {
    /// Where the reporter is
    #[arg(long, env = "PHASEGATE_REPORTER_URL", default_value = "http://127.0.0.1:7103", value_name = "URL",
          value_parser = http_url)]
    reporter_url: Url,
    #[command(flatten)]
    token: TokenArgs,
}

/// Where the services that keep history are and who asks.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct HistoryArgs {
    /// Where the analyzer is
    #[arg(long, env = "PHASEGATE_ANALYZER_URL", default_value = "http://127.0.0.1:7102", value_name = "URL",
          value_parser = http_url)]
    analyzer_url: Url,
    #[command(flatten)]
    reporter: ReporterArgs,
}

impl HistoryArgs {
    pub(crate) fn analyzer(&self) -> anyhow::Result<Api> {
        self.reporter.token.api(&self.analyzer_url)
    }

    pub(crate) fn reporter(&self) -> anyhow::Result<Api> {
        self.reporter.api()
    }
}

/// Where all three services are and who asks.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServicesArgs {
    /// Where the collector is
    #[arg(long, env = "PHASEGATE_COLLECTOR_URL", default_value = "http://127.0.0.1:7101", value_name = "URL",
          value_parser = http_url)]
    collector_url: Url,
    #[command(flatten)]
    history: HistoryArgs,
}

impl ServicesArgs {
    pub(crate) fn api(&self, service: ServiceName) -> anyhow::Result<Api> {
        match service {
            ServiceName::Collector => self.history.reporter.token.api(&self.collector_url),
            ServiceName::Analyzer => self.analyzer(),
            ServiceName::Reporter => self.reporter(),
        }
    }

    pub(crate) fn analyzer(&self) -> anyhow::Result<Api> {
        self.history.analyzer()
    }

    pub(crate) fn reporter(&self) -> anyhow::Result<Api> {
        self.history.reporter()
    }

    /// See [`ReporterArgs::act`].
    pub(crate) fn act(&self, more: serde_json::Value) -> serde_json::Value {
        self.history.reporter.act(more)
    }
}

impl ReporterArgs {
    pub(crate) fn api(&self) -> anyhow::Result<Api> {
        self.token.api(&self.reporter_url)
    }

    /// The body of an act: who does it, where no token says so, and `more`.
    pub(crate) fn act(&self, more: serde_json::Value) -> serde_json::Value {
        let mut body = more;
        if let Some(user) = user() {
            body["by"] = user.into();
        }
        body
    }

    /// The same for an act without a body.
    pub(crate) fn act_path(&self, path: &str) -> String {
        let encoded = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        };
        match user() {
            Some(user) => format!("{path}?by={}", user.bytes().map(encoded).collect::<String>()),
            None => path.to_owned(),
        }
    }
}

fn user() -> Option<String> {
    variable("USER").or_else(|| variable("LOGNAME"))
}

/// An environment variable that is set and not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// One service's API.
#[derive(Debug, Clone)]
pub(crate) struct Api(Neighbour);

impl Api {
    pub(crate) fn new(base: Url, token: Option<SecretString>) -> anyhow::Result<Self> {
        Ok(Self(Neighbour::new(base, token, Duration::from_secs(30))?))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.0.get_json(path).await.map_err(|cause| exit_error(&cause))
    }

    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.0.delete_json(path).await.map_err(|cause| exit_error(&cause))
    }

    /// What its `/readyz` says, whether it is ready or not.
    pub(crate) async fn readiness(&self) -> anyhow::Result<ReadinessReport> {
        self.0.readiness().await.map_err(|cause| exit_error(&cause))
    }

    /// What time it is there, in whole seconds.
    pub(crate) async fn time(&self) -> anyhow::Result<Option<Timestamp>> {
        self.0.time().await.map_err(|cause| exit_error(&cause))
    }

    /// Where it is, without credentials.
    pub(crate) fn base(&self) -> String {
        self.0.base()
    }

    /// A document for people.
    pub(crate) async fn get_text(&self, path: &str) -> anyhow::Result<String> {
        self.0.get_text(path).await.map_err(|cause| exit_error(&cause))
    }

    /// Posts under an idempotency key of its own, so that a repeat on the way is not a second act.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<T> {
        let key = uuid::Uuid::now_v7().to_string();
        self.0.post_json_once(path, body, &key).await.map_err(|cause| exit_error(&cause))
    }

    /// Puts what is to be there; a repeat on the way changes nothing.
    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<T> {
        self.0.put_json(path, body).await.map_err(|cause| exit_error(&cause))
    }
}

/// Percent-encoded for a query or a path segment.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

/// A failed call as one line and an exit status; blockers stand below it by name.
fn exit_error(cause: &ClientError) -> anyhow::Error {
    match cause {
        ClientError::Refused { status, problem, .. } => {
            // Its text says why, which others than people read as blockers.
            if problem.code() == Some(ProblemCode::NotKnown) {
                return error(Exit::Unknown, problem.detail.clone());
            }
            let exit = match status {
                404 => Exit::NotFound,
                400 | 413 | 415 | 422 => Exit::Usage,
                429 | 500.. => Exit::Unreachable,
                _ => Exit::Refused,
            };
            let mut message = problem.detail.clone();
            for blocker in &problem.blockers {
                message.push_str(&format!("\n  - {}: {}", blocker.code, blocker.detail));
            }
            error(exit, message)
        }
        ClientError::Unreachable { .. } => {
            error(Exit::Unreachable, format!("{cause}; is it running? `phasegate up` starts it"))
        }
        ClientError::NoAnswer { .. } => error(Exit::Unreachable, cause.to_string()),
        ClientError::BadAnswer { .. } => error(Exit::Failed, cause.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::exit_of;
    use shared_types::Problem;
    use shared_types::problem::Blocker;

    fn refused(status: u16, blockers: &[(&str, &str)]) -> anyhow::Error {
        let blocker = |(code, detail): &(&str, &str)| Blocker {
            code: (*code).to_owned(),
            detail: (*detail).to_owned(),
            data: serde_json::Value::Null,
        };
        let problem = Box::new(Problem {
            kind: "urn:phasegate:problem:blocked".to_owned(),
            title: "Blocked".to_owned(),
            status,
            detail: "autosave cannot move up from A".to_owned(),
            blockers: blockers.iter().map(blocker).collect(),
        });
        exit_error(&ClientError::Refused { status, problem, retry_after: None })
    }

    /// PH-5
    #[test]
    fn a_refusal_lists_its_blockers_by_name() {
        let error = refused(409, &[("approval_missing", "sre"), ("incident_open", "INC-20261122-001")]);
        assert_eq!(exit_of(&error), Exit::Refused);
        assert_eq!(
            error.to_string(),
            "autosave cannot move up from A\n  - approval_missing: sre\n  - incident_open: INC-20261122-001"
        );
    }

    #[test]
    fn every_status_has_its_exit_status() {
        let table = [
            (400, Exit::Usage),
            (401, Exit::Refused),
            (403, Exit::Refused),
            (404, Exit::NotFound),
            (409, Exit::Refused),
            (422, Exit::Usage),
            (429, Exit::Unreachable),
            (500, Exit::Unreachable),
            (503, Exit::Unreachable),
        ];
        for (status, exit) in table {
            assert_eq!(exit_of(&refused(status, &[])), exit, "{status}");
        }
    }
}
