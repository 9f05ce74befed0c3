//! Messages of a stream of NATS JetStream, each of one JSON event a line.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{SourceKind, SourceSettings};
use crate::kinds::Chosen;
use crate::policy::Wrong;
use crate::policy::kind_section::{Section, Text, schema_of};
use crate::server::secret;
use shared_types::{SecretFrom, TargetName};

/// The kind.
pub const KIND: SourceKind =
    SourceKind { key: "nats", schema: schema_of::<RawNats>, read, example: EXAMPLE, docs: DOCS };

const EXAMPLE: &str = "{ url: \"nats://nats:4222\", stream: TELEMETRY, subject: \"telemetry.{target}\", \
    auth: { credentials_file: /etc/phasegate/nats.creds } }";

const DOCS: &str = "\
reads the messages of a stream of NATS JetStream (server 2.9 or newer), as its position in the stream says: each message holds one event a line, as a file does.
The position is the stream's sequence and is committed with the counts; nothing is acknowledged, and the server keeps no place for us, so that each event counts once through kills of both.
Publish with `Nats-Msg-Id`, so that a message that is sent again is stored once, or give events ids (TE-4). Subjects make the parts: one for each target of one stream, such as `telemetry.{target}`, where the target's name is filled in.
Of several collectors at one database each reads the targets that fall to it; one that is not read in time is read by any. What the stream dropped at its beginning before it was read (`max_age`, `max_bytes`,
a purge of all), and what it held when it was deleted and made anew, is lost: told once, as messages from and to (`source.lost`, as for files); of a stream with several subjects nobody knows whose it was.
So its limits must hold more than the longest absence. A server that is not there, and a stream that is not, are outages (CO-5). `auth` is a file of credentials, a token
(`token_env`, `token_file`), or a `user` with `password_env` or `password_file`; `tls://` asks for TLS.";

/// Messages of a stream of NATS JetStream.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawNats {
    /// The server, `nats://host:4222` or `tls://host:4222`; several of a cluster with commas between them.
    url: Text,
    /// The stream's name. It is never made or changed here.
    stream: Text,
    /// The subject of the target's messages, with `{target}` for its name; `*` stands for one token, `>` at the end for all that follow.
    subject: Text,
    /// Who reads: `credentials_file`, a token, or a user; nobody shipped.
    auth: Option<RawAuth>,
}

/// Who reads.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawAuth {
    /// File of credentials, as `nsc` makes it.
    credentials_file: Option<Text>,
    /// Variable of the environment that holds a token.
    token_env: Option<Text>,
    /// File that holds a token.
    token_file: Option<Text>,
    /// A user's name.
    user: Option<Text>,
    /// Variable of the environment that holds the user's password.
    password_env: Option<Text>,
    /// File that holds the user's password.
    password_file: Option<Text>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nats {
    /// Of one server or more.
    pub url: String,
    pub stream: String,
    /// With `{target}` for the target's name.
    pub subject: String,
    pub auth: Option<Auth>,
}

/// Who reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Auth {
    /// A file.
    Credentials(String),
    Token(SecretFrom),
    User(String, SecretFrom),
}

fn read(section: &Section) -> Result<Chosen<dyn SourceSettings>, Wrong> {
    let raw: RawNats = section.read()?;
    let url = section.text("url", &raw.url)?;
    for server in url.split(',') {
        let bare = server.strip_prefix("nats://").or_else(|| server.strip_prefix("tls://"));
        match bare {
            None | Some("") => {
                return Err(section
                    .at("url")
                    .wrong("expected a `nats://` or `tls://` URL, or several with commas between them"));
            }
            Some(host) if host.contains('@') => {
                return Err(section
                    .at("url")
                    .wrong("expected no secret in the URL: `auth` says where it is found"));
            }
            Some(_) => {}
        }
    }
    let stream = section.text("stream", &raw.stream)?;
    // https://docs.nats.io/nats-concepts/jetstream/streams
    if stream.contains(|c: char| c.is_whitespace() || c.is_control() || ".*>/\\".contains(c)) {
        return Err(section
            .at("stream")
            .wrong("expected a stream's name, without spaces, `.`, `*`, `>`, `/` and `\\`"));
    }
    let subject = section.text("subject", &raw.subject)?;
    if !is_filter(&filled(&subject, "name")) {
        let message =
            format!("expected a subject, such as `telemetry.autosave` or `telemetry.>`, found `{subject}`");
        return Err(section.at("subject").wrong(message));
    }
    let auth = raw.auth.as_ref().map(|raw| auth(section.at("auth"), raw)).transpose()?;
    Ok(Chosen(Arc::new(Nats { url, stream, subject, auth })))
}

fn filled(subject: &str, target: &str) -> String {
    subject.replace("{target}", target)
}

/// Tokens with dots between them (<https://docs.nats.io/nats-concepts/subjects>).
fn is_filter(subject: &str) -> bool {
    let tokens: Vec<&str> = subject.split('.').collect();
    tokens.iter().enumerate().all(|(at, token)| {
        let is_word = !token.contains(|c: char| c.is_whitespace() || c.is_control() || "*>{}".contains(c));
        !token.is_empty() && (is_word || *token == "*" || (*token == ">" && at + 1 == tokens.len()))
    })
}

fn auth(place: &Section, raw: &RawAuth) -> Result<Auth, Wrong> {
    let token = secret(place, "token", raw.token_env.as_ref(), raw.token_file.as_ref())?;
    let password = secret(place, "password", raw.password_env.as_ref(), raw.password_file.as_ref())?;
    match (&raw.credentials_file, token, &raw.user, password) {
        (Some(file), None, None, None) => Ok(Auth::Credentials(place.text("credentials_file", file)?)),
        (None, Some(token), None, None) => Ok(Auth::Token(token)),
        (None, None, Some(user), Some(password)) => Ok(Auth::User(place.text("user", user)?, password)),
        (None, None, Some(_), None) => Err(place.missing("password_env")),
        _ => Err(place.wrong(
            "expected `credentials_file`, `token_env`, `token_file`, or `user` with a password, one of them",
        )),
    }
}

impl Nats {
    /// The subject of a target's messages.
    #[must_use]
    pub fn subject_of(&self, target: &TargetName) -> String {
        filled(&self.subject, target.as_str())
    }
}

impl Auth {
    fn words(&self) -> String {
        match self {
            Self::Credentials(file) => format!("credentials of file {file}"),
            Self::Token(token) => format!("token of {}", token.words()),
            Self::User(user, password) => format!("user {user} of {}", password.words()),
        }
    }
}

impl SourceSettings for Nats {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    fn words(&self) -> String {
        let Self { url, stream, subject, auth } = self;
        let auth = auth.as_ref().map(|auth| format!(", {}", auth.words())).unwrap_or_default();
        format!("{} {url}, stream {stream}, subject {subject}{auth}", KIND.key)
    }

    fn is_shared(&self) -> bool {
        true
    }
}
