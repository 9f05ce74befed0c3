//! A server that is asked over HTTP: where it is, what is sent along, who asks, and where the secret for that is found.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use shared_types::SecretFrom;

use crate::policy::Wrong;
use crate::policy::kind_section::{Section, Text};

/// Who asks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAuth {
    /// Variable of the environment that holds a token.
    bearer_env: Option<Text>,
    /// File that holds a token; read anew each time.
    bearer_file: Option<Text>,
    /// A user with a password.
    basic: Option<RawBasic>,
    /// A client that is given tokens for its secret (OAuth 2.0, client credentials).
    oauth2: Option<RawOAuth2>,
}

/// A user with a password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawBasic {
    /// The user's name.
    user: Text,
    /// Variable of the environment that holds the password.
    password_env: Option<Text>,
    /// File that holds the password; read anew each time.
    password_file: Option<Text>,
}

/// A client that is given tokens for its secret.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawOAuth2 {
    /// Where tokens are given.
    token_url: Text,
    /// The client's name there.
    client_id: Text,
    /// Variable of the environment that holds the client's secret.
    client_secret_env: Option<Text>,
    /// File that holds the client's secret; read anew each time.
    client_secret_file: Option<Text>,
    /// What a token is asked for; what the server gives by itself shipped.
    #[serde(default)]
    scopes: Vec<Text>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Auth {
    Bearer(SecretFrom),
    Basic(String, SecretFrom),
    OAuth2(OAuth2),
}

/// A client that is given tokens for its secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OAuth2 {
    pub token_url: String,
    pub client_id: String,
    pub client_secret: SecretFrom,
    pub scopes: Vec<String>,
}

/// Where a server is.
pub(crate) fn address(place: &Section, key: &str, text: &Text) -> Result<String, Wrong> {
    let url = place.text(key, text)?;
    let bare = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match bare.map(|rest| rest.split('/').next().unwrap_or_default()) {
        None | Some("") => Err(place.at(key).wrong("expected an http or https URL")),
        Some(host) if host.contains('@') => {
            Err(place.at(key).wrong("expected no secret in the URL: `auth` says where it is found"))
        }
        Some(_) => Ok(url),
    }
}

/// Where a server is, without the slash at the end: paths are joined to it.
pub(crate) fn base(place: &Section, key: &str, text: &Text) -> Result<String, Wrong> {
    Ok(address(place, key, text)?.trim_end_matches('/').to_owned())
}

/// What stands under `headers` at a place.
pub(crate) fn headers(
    place: &Section,
    raw: &BTreeMap<String, Text>,
) -> Result<BTreeMap<String, String>, Wrong> {
    let place = place.at("headers");
    let read =
        |(name, value): (&String, &Text)| Ok((name.clone(), header(place, name, place.text(name, value)?)?));
    raw.iter().map(read).collect()
}

/// The value of a header, which stands in the policy for everybody to read.
fn header(place: &Section, name: &str, value: String) -> Result<String, Wrong> {
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if !is_name || value.chars().any(|c| c.is_control() || !c.is_ascii()) {
        return Err(place.at(name).wrong("expected a header's name and a value of printable ASCII"));
    }
    if ["authorization", "cookie", "proxy-authorization"]
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
    {
        return Err(place.at(name).wrong("expected no secret here: `auth` says where it is found"));
    }
    Ok(value)
}

pub(crate) fn auth(place: &Section, raw: &RawAuth) -> Result<Auth, Wrong> {
    let bearer = secret(place, "bearer", raw.bearer_env.as_ref(), raw.bearer_file.as_ref())?;
    match (bearer, &raw.basic, &raw.oauth2) {
        (Some(token), None, None) => Ok(Auth::Bearer(token)),
        (None, Some(basic), None) => {
            let place = place.at("basic");
            let password =
                secret(place, "password", basic.password_env.as_ref(), basic.password_file.as_ref())?;
            let password = password.ok_or_else(|| place.missing("password_env"))?;
            Ok(Auth::Basic(place.text("user", &basic.user)?, password))
        }
        (None, None, Some(client)) => Ok(Auth::OAuth2(oauth2(place.at("oauth2"), client)?)),
        _ => Err(place.wrong("expected `bearer_env`, `bearer_file`, `basic` or `oauth2`, one of them")),
    }
}

fn oauth2(place: &Section, raw: &RawOAuth2) -> Result<OAuth2, Wrong> {
    let key = "client_secret";
    let client_secret = secret(place, key, raw.client_secret_env.as_ref(), raw.client_secret_file.as_ref())?;
    let scopes = place.texts("scopes", &raw.scopes)?;
    if let Some(several) = scopes.iter().find(|scope| scope.contains(char::is_whitespace)) {
        return Err(place.at("scopes").wrong(format!("expected one scope an entry, found `{several}`")));
    }
    Ok(OAuth2 {
        token_url: address(place, "token_url", &raw.token_url)?,
        client_id: place.text("client_id", &raw.client_id)?,
        client_secret: client_secret.ok_or_else(|| place.missing("client_secret_env"))?,
        scopes,
    })
}

/// Who is asked, how and by whom, as a difference shows it.
pub(crate) fn words(
    kind: &str,
    url: &str,
    headers: &BTreeMap<String, String>,
    auth: Option<&Auth>,
) -> String {
    let mut words = format!("{kind} {url}");
    for (name, value) in headers {
        words.push_str(&format!(", header {name}: {value}"));
    }
    if let Some(auth) = auth {
        words.push_str(&format!(", {}", auth.words()));
    }
    words
}

/// Where a secret is found, by `<key>_env` or `<key>_file` at a place.
pub(crate) fn secret(
    place: &Section,
    key: &str,
    variable: Option<&Text>,
    file: Option<&Text>,
) -> Result<Option<SecretFrom>, Wrong> {
    let (of_variable, of_file) = (format!("{key}_env"), format!("{key}_file"));
    Ok(match (variable, file) {
        (Some(variable), None) => Some(SecretFrom::Variable(place.text(&of_variable, variable)?)),
        (None, Some(file)) => Some(SecretFrom::File(place.text(&of_file, file)?)),
        (None, None) => None,
        (Some(_), Some(_)) => {
            return Err(place.wrong(format!("expected `{of_variable}` or `{of_file}`, found both")));
        }
    })
}

impl Auth {
    /// In a few words, as a difference shows it.
    fn words(&self) -> String {
        match self {
            Self::Bearer(token) => format!("bearer of {}", token.words()),
            Self::Basic(user, password) => format!("user {user} of {}", password.words()),
            Self::OAuth2(OAuth2 { token_url, client_id, client_secret, scopes }) => {
                let scopes =
                    if scopes.is_empty() { String::new() } else { format!(" for {}", scopes.join(" ")) };
                format!("client {client_id} of {} at {token_url}{scopes}", client_secret.words())
            }
        }
    }
}
