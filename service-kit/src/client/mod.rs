//! Calls to the other services: deadlines on everything, bounded answers, one table from status to outcome.

mod bulk;
mod error;
mod outcome;
#[cfg(test)]
mod tests;
mod transport;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Request, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared_types::{Problem, Timestamp};

use crate::http::ReadinessReport;
use crate::outbox::Outcome;
use crate::telemetry;

use bulk::Together;
pub use error::ClientError;
use outcome::outcome_of_error;
pub use outcome::{outcome_of_status, retry_after};
use transport::Network;
pub use transport::{Lost, Reply, Transport};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Shorter than servers keep an idle connection, so that it is not closed under a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest answer that is read.
const ANSWER_LIMIT: usize = 16 << 20;

/// A service that this one talks to.
#[derive(Clone)]
pub struct Neighbour {
    base: Url,
    token: Option<SecretString>,
    transport: Arc<dyn Transport>,
    together: Together,
}

impl fmt::Debug for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Neighbour").field(&self.shown("")).finish()
    }
}

/// TLS needs a crypto provider to be chosen once a process; later calls do nothing.
pub fn install_crypto() {
    rustls::crypto::ring::default_provider().install_default().ok();
}

impl Neighbour {
    /// A client whose calls take at most `timeout` each; connections are kept and used again.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(base: Url, token: Option<SecretString>, timeout: Duration) -> Result<Self, reqwest::Error> {
        install_crypto();
        let mut builder = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("phasegate/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            // A proxy elsewhere cannot reach this machine's loopback.
            builder = builder.no_proxy();
        }
        let network = Network { http: builder.build()?, limit: ANSWER_LIMIT };
        Ok(Self::over(Arc::new(network), base, token))
    }

    /// A client whose requests go by `transport`, which bounds how long a call takes.
    #[must_use]
    pub fn over(transport: Arc<dyn Transport>, base: Url, token: Option<SecretString>) -> Self {
        Self { base, token, transport, together: Together::default() }
    }

    /// Where it is, without credentials.
    #[must_use]
    pub fn base(&self) -> String {
        self.shown("")
    }

    /// `GET`; `path` may carry a query.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, None, HeaderMap::new()).await
    }

    /// `GET` of a text, such as a document that people read.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get_text(&self, path: &str) -> Result<String, ClientError> {
        let bytes = self.answer(Method::GET, path, None, HeaderMap::new()).await?;
        String::from_utf8(bytes).map_err(|error| self.bad(path, &error.to_string()))
    }

    /// `POST` of a JSON body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post_json<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        self.call(Method::POST, path, Some(self.encode(path, body)?), HeaderMap::new()).await
    }

    /// `PUT` of a JSON body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn put_json<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        self.call(Method::PUT, path, Some(self.encode(path, body)?), HeaderMap::new()).await
    }

    /// `DELETE`; `path` may carry a query.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::DELETE, path, None, HeaderMap::new()).await
    }

    /// `POST` of a JSON body under an `Idempotency-Key`, so that the call can be repeated.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post_json_once<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
        idempotency_key: &str,
    ) -> Result<T, ClientError> {
        let mut headers = HeaderMap::new();
        let key = HeaderValue::from_str(idempotency_key);
        headers.insert("idempotency-key", key.map_err(|_| self.bad(path, "not a key"))?);
        self.call(Method::POST, path, Some(self.encode(path, body)?), headers).await
    }

    /// `POST`s an outbox message: what came of it, by the table of [`outcome_of_status`].
    pub async fn deliver<B: Serialize + ?Sized>(&self, path: &str, body: &B) -> Outcome {
        self.deliver_by(Method::POST, path, body).await
    }

    /// `PUT`s an outbox message.
    pub async fn deliver_put<B: Serialize + ?Sized>(&self, path: &str, body: &B) -> Outcome {
        self.deliver_by(Method::PUT, path, body).await
    }

    /// Whether `/healthz` answers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn check_health(&self) -> Result<(), ClientError> {
        let Reply { status, body, .. } = self.send(Method::GET, "/healthz", None, HeaderMap::new()).await?;
        if status.is_success() {
            return Ok(());
        }
        let body = body.map_err(|lost| self.failed("/healthz", lost))?;
        let problem = Box::new(problem_of(status, &body));
        Err(ClientError::Refused { status: status.as_u16(), problem, retry_after: None })
    }

    /// What `/readyz` says, whether it is ready or not.
    ///
    /// # Errors
    /// [`ClientError`]; also when what answers is no service of ours.
    pub async fn readiness(&self) -> Result<ReadinessReport, ClientError> {
        let Reply { status, body, .. } = self.send(Method::GET, "/readyz", None, HeaderMap::new()).await?;
        let body = body.map_err(|lost| self.failed("/readyz", lost))?;
        serde_json::from_slice(&body)
            .map_err(|_| self.bad("/readyz", &format!("{status}, and no list of checks")))
    }

    /// What time it is there, in whole seconds; `None`: it does not say.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn time(&self) -> Result<Option<Timestamp>, ClientError> {
        let reply = self.send(Method::GET, "/healthz", None, HeaderMap::new()).await?;
        Ok(outcome::sent_at(&reply.headers))
    }

    async fn deliver_by<B: Serialize + ?Sized>(&self, method: Method, path: &str, body: &B) -> Outcome {
        let body = match self.encode(path, body) {
            Ok(body) => body,
            Err(error) => return Outcome::Never { reason: error.to_string() },
        };
        let reply = match self.send(method, path, Some(body), HeaderMap::new()).await {
            Ok(reply) => reply,
            Err(error) => return outcome_of_error(&error),
        };
        let (status, retry_after, bytes) = (reply.status, retry_after(&reply.headers), reply.body);
        if status.is_success() {
            // A 2xx means committed, even if the rest of the answer got lost.
            let answer = bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            return Outcome::Done(answer.unwrap_or_default());
        }
        outcome_of_status(status, retry_after, reason_of(status, &bytes.unwrap_or_default()))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        headers: HeaderMap,
    ) -> Result<T, ClientError> {
        let bytes = self.answer(method, path, body, headers).await?;
        // `()` and `Option` read an empty body as null.
        let json: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(json).map_err(|error| self.bad(path, &error.to_string()))
    }

    /// The body of an answer that is no refusal.
    async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        headers: HeaderMap,
    ) -> Result<Vec<u8>, ClientError> {
        let reply = self.send(method, path, body, headers).await?;
        let (status, retry_after) = (reply.status, retry_after(&reply.headers));
        let bytes = reply.body.map_err(|lost| self.failed(path, lost))?;
        if status.is_success() {
            return Ok(bytes);
        }
        let problem = Box::new(problem_of(status, &bytes));
        Err(ClientError::Refused { status: status.as_u16(), problem, retry_after })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        mut headers: HeaderMap,
    ) -> Result<Reply, ClientError> {
        let url = self.url(path)?;
        telemetry::trace::inject(&mut headers);
        if let Some(token) = &self.token {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
            let mut value = value.map_err(|_| self.bad(path, "the service token is not a header value"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut request = Request::new(method, url);
        if let Some(body) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.into());
        }
        *request.headers_mut() = headers;
        self.transport.exchange(request).await.map_err(|lost| self.failed(path, lost))
    }

    /// The base may have a path of its own, with or without a slash at its end.
    fn url(&self, path: &str) -> Result<Url, ClientError> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{path}")).map_err(|error| self.bad(path, &error.to_string()))
    }

    fn encode<B: Serialize + ?Sized>(&self, path: &str, body: &B) -> Result<Vec<u8>, ClientError> {
        serde_json::to_vec(body).map_err(|error| self.bad(path, &error.to_string()))
    }

    fn failed(&self, path: &str, lost: Lost) -> ClientError {
        let url = self.shown(path);
        match lost {
            Lost::Unreached(reason) => ClientError::Unreachable { url, reason },
            Lost::Unanswered(reason) => ClientError::NoAnswer { url, reason },
            Lost::TooLarge => self.bad(path, "it is larger than 16 MiB"),
        }
    }

    fn bad(&self, path: &str, reason: &str) -> ClientError {
        ClientError::BadAnswer { url: self.shown(path), reason: reason.to_owned() }
    }

    fn shown(&self, path: &str) -> String {
        let mut base = self.base.clone();
        let _ = base.set_password(None);
        let _ = base.set_username("");
        format!("{}{path}", base.as_str().trim_end_matches('/'))
    }
}

/// What a delivery that was refused is recorded with.
fn reason_of(status: StatusCode, body: &[u8]) -> String {
    format!("{}: {}", status.as_u16(), problem_of(status, body).detail)
}

fn problem_of(status: StatusCode, bytes: &[u8]) -> Problem {
    serde_json::from_slice(bytes).unwrap_or_else(|_| {
        let text: String = String::from_utf8_lossy(bytes).chars().take(200).collect();
        let reason = status.canonical_reason().unwrap_or("error").to_owned();
        Problem {
            kind: "about:blank".to_owned(),
            title: reason.clone(),
            status: status.as_u16(),
            detail: if text.trim().is_empty() { reason } else { text.trim().to_owned() },
            blockers: Vec::new(),
        }
    })
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}
