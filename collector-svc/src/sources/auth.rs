//! Who asks: what a request is sent with. A token that is fetched for a client's secret (RFC 6749, section 4.4) is kept until
//! shortly before its end, in memory alone. No text that is given back holds a secret.

use std::time::Duration;

use domain::server::{Auth, OAuth2};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::vendors::http::{self, Client, RequestBuilder, Url, excerpt, header};
use service_kit::vendors::secrets::{Secrets, secret};
use shared_types::Timestamp;
use tokio::sync::Mutex;

/// So long before its end a token is not sent any more: it has to last until it is looked at.
const EARLY: Duration = Duration::from_secs(30);

/// Signs requests.
#[derive(Debug)]
pub(super) struct Signer {
    auth: Option<Auth>,
    token: Mutex<Option<Token>>,
}

/// One that was fetched.
#[derive(Debug, Clone)]
struct Token {
    text: SecretString,
    /// None where the server does not say it: then until it is refused.
    until: Option<Timestamp>,
}

/// A server's answer to whoever asks for a token.
#[derive(Deserialize)]
struct Given {
    access_token: SecretString,
    token_type: String,
    expires_in: Option<Seconds>,
}

/// A number, as the standard has it, or its text, as some servers do.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

impl Seconds {
    fn count(&self) -> Option<u64> {
        match self {
            Self::Number(seconds) => Some(*seconds),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// Its refusal.
#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Signer {
    pub(super) fn new(auth: Option<Auth>) -> Self {
        Self { auth, token: Mutex::default() }
    }

    /// The request with who asks, and what must not be told of it.
    pub(super) async fn sign(
        &self,
        request: RequestBuilder,
        client: &Client,
        now: Timestamp,
    ) -> Result<(RequestBuilder, Secrets), String> {
        let (request, hidden) = match &self.auth {
            None => return Ok((request, Secrets::new([]))),
            Some(Auth::Bearer(token)) => {
                let token = secret(token)?;
                (request.bearer_auth(token.expose_secret()), token)
            }
            Some(Auth::Basic(user, password)) => {
                let password = secret(password)?;
                (request.basic_auth(user, Some(password.expose_secret())), password)
            }
            Some(Auth::OAuth2(settings)) => {
                let token = self.token(settings, client, now).await?;
                (request.bearer_auth(token.expose_secret()), token)
            }
        };
        Ok((request, Secrets::new([hidden])))
    }

    /// Forgets a token that was refused; whether another one can be fetched.
    pub(super) async fn forget_token(&self) -> bool {
        self.token.lock().await.take().is_some()
    }

    async fn token(
        &self,
        settings: &OAuth2,
        client: &Client,
        now: Timestamp,
    ) -> Result<SecretString, String> {
        let mut kept = self.token.lock().await;
        let lasting = kept.as_ref().filter(|token| token.until.is_none_or(|until| now < until));
        if let Some(token) = lasting {
            return Ok(token.text.clone());
        }
        let fetched = fetched(settings, client, now).await;
        let fetched = fetched.map_err(|reason| format!("no token of {}: {reason}", settings.token_url))?;
        Ok(kept.insert(fetched).text.clone())
    }
}

/// A token for the client's secret.
async fn fetched(settings: &OAuth2, client: &Client, now: Timestamp) -> Result<Token, String> {
    let OAuth2 { token_url, client_id, client_secret, scopes } = settings;
    let url = Url::parse(token_url).map_err(|error| error.to_string())?;
    let client_secret = secret(client_secret)?;
    let [user, password] =
        [client_id.as_str(), client_secret.expose_secret()].map(|text| form_encoded(&url, text));
    let mut form = vec![("grant_type", "client_credentials".to_owned())];
    if !scopes.is_empty() {
        form.push(("scope", scopes.join(" ")));
    }
    let request = client.post(url).basic_auth(user, Some(&password)).form(&form);
    let secrets = Secrets::new([client_secret, password.into()]);
    let answer = http::exchange(request.header(header::ACCEPT, "application/json"), now).await;
    let answer = answer.map_err(|outcome| outcome.reason().unwrap_or_default().to_owned())?;
    if answer.status != 200 {
        let said = match serde_json::from_slice(&answer.body) {
            Ok(Refused { error, error_description }) => format!("{error} {error_description}"),
            Err(_) => excerpt(&answer.body),
        };
        return Err(secrets.scrub(format!("HTTP {}: {said}", answer.status).trim_end()));
    }
    // What it says in another form may hold a token: it is not quoted.
    let given: Given = serde_json::from_slice(&answer.body)
        .map_err(|_| "the answer has no `access_token` with a `token_type`".to_owned())?;
    if !given.token_type.eq_ignore_ascii_case("bearer") {
        return Err("its tokens are of another type than `Bearer`".to_owned());
    }
    let lasts = given
        .expires_in
        .and_then(|it| it.count())
        .map(|seconds| Duration::from_secs(seconds).saturating_sub(EARLY));
    Ok(Token { text: given.access_token, until: lasts.map(|lasts| now.plus(lasts)) })
}

/// As a form writes it, which is how a client's name and secret are written before they are joined (RFC 6749, section 2.3.1).
fn form_encoded(any: &Url, text: &str) -> String {
    let mut url = any.clone();
    url.set_query(None);
    url.query_pairs_mut().append_key_only(text);
    url.query().unwrap_or_default().to_owned()
}
