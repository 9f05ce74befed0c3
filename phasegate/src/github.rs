//! Comments on GitHub: one a document, found again by the document's first line and brought up to date.
//!
//! - <https://docs.github.com/en/rest/issues/comments>

use std::str::FromStr;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::config::{header_secret, http_url};

use crate::exit::{Exit, error};

const DEFAULT_URL: &str = "https://api.github.com";
const TIMEOUT: Duration = Duration::from_secs(30);
/// Comments of one answer, and how many answers are read at most.
const AT_ONCE: usize = 100;
const PAGES: usize = 100;

/// A pull request or issue: `owner/repo#123`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thread {
    owner: String,
    repo: String,
    number: u64,
}

impl FromStr for Thread {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |name: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !name.is_empty() && name.chars().all(known) && !matches!(name, "." | "..")
        };
        let parts = text.split_once('#').and_then(|(name, number)| Some((name.split_once('/')?, number)));
        match parts {
            Some(((owner, repo), number)) if plain(owner) && plain(repo) => match number.parse() {
                Ok(number) if number > 0 => {
                    Ok(Self { owner: owner.to_owned(), repo: repo.to_owned(), number })
                }
                _ => Err("expected a number above 0 behind the #".to_owned()),
            },
            _ => Err("expected OWNER/REPO#NUMBER, e.g. acme/editor#123".to_owned()),
        }
    }
}

impl std::fmt::Display for Thread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}#{}", self.owner, self.repo, self.number)
    }
}

/// What became of a document.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Posted {
    pub(crate) action: Action,
    pub(crate) url: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Action {
    Posted,
    Updated,
    /// It stood there already.
    Unchanged,
}

impl Posted {
    pub(crate) fn line(&self) -> String {
        format!("{}: {}\n", self.action, self.url)
    }
}

#[derive(Debug, Deserialize)]
struct Comment {
    id: u64,
    html_url: String,
    #[serde(default)]
    body: Option<String>,
}

/// GitHub, as one account.
pub(crate) struct Github {
    client: Client,
    base: Url,
    token: SecretString,
}

impl Github {
    /// As `GITHUB_TOKEN` and `GITHUB_API_URL` say.
    pub(crate) fn from_environment() -> anyhow::Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let Some(token) = variable("GITHUB_TOKEN") else {
            let message = "GITHUB_TOKEN is not set: --post needs a token that may write comments there";
            return Err(error(Exit::Usage, message));
        };
        let url = variable("GITHUB_API_URL").unwrap_or_else(|| DEFAULT_URL.to_owned());
        let wrong = |name: &str, what: String| error(Exit::Usage, format!("{name}: {what}"));
        let token = header_secret(token.trim()).map_err(|what| wrong("GITHUB_TOKEN", what))?;
        let base = http_url(url.trim()).map_err(|what| wrong("GITHUB_API_URL", what))?;
        Self::new(base, token)
    }

    pub(crate) fn new(base: Url, token: SecretString) -> anyhow::Result<Self> {
        let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if base.scheme() != "https" && !here {
            let message = "GITHUB_API_URL: expected https://, so that nobody on the way reads the token";
            return Err(error(Exit::Usage, message));
        }
        service_kit::client::install_crypto();
        let client = Client::builder()
            .timeout(TIMEOUT)
            .user_agent(concat!("phasegate/", env!("CARGO_PKG_VERSION")))
            // A write that is sent elsewhere would arrive as a read.
            .redirect(redirect::Policy::none())
            .build()?;
        Ok(Self { client, base, token })
    }

    /// Posts a text, once: the comment that begins with `marker`, if there is one, becomes the text.
    pub(crate) async fn post(&self, thread: &Thread, marker: &str, text: &str) -> anyhow::Result<Posted> {
        let text = text.trim_end();
        let Thread { owner, repo, number } = thread;
        let body = serde_json::json!({ "body": text });
        let Some(there) = self.find(thread, marker).await? else {
            let path = format!("repos/{owner}/{repo}/issues/{number}/comments");
            let made: Comment = self.send(Method::POST, &path, Some(&body), thread).await?;
            return Ok(Posted { action: Action::Posted, url: made.html_url });
        };
        if there.body.as_deref().is_some_and(|it| same(it, text)) {
            return Ok(Posted { action: Action::Unchanged, url: there.html_url });
        }
        let path = format!("repos/{owner}/{repo}/issues/comments/{}", there.id);
        let made: Comment = self.send(Method::PATCH, &path, Some(&body), thread).await?;
        Ok(Posted { action: Action::Updated, url: made.html_url })
    }

    async fn find(&self, thread: &Thread, marker: &str) -> anyhow::Result<Option<Comment>> {
        let Thread { owner, repo, number } = thread;
        for page in 1..=PAGES {
            let path =
                format!("repos/{owner}/{repo}/issues/{number}/comments?per_page={AT_ONCE}&page={page}");
            let comments: Vec<Comment> = self.send(Method::GET, &path, None, thread).await?;
            let last = comments.len() < AT_ONCE;
            let begins = |it: &Comment| it.body.as_deref().and_then(|it| it.lines().next()) == Some(marker);
            if let Some(found) = comments.into_iter().find(begins) {
                return Ok(Some(found));
            }
            if last {
                return Ok(None);
            }
        }
        let message = format!("{thread} has more than {} comments; nothing was posted", AT_ONCE * PAGES);
        Err(error(Exit::Failed, message))
    }

    async fn send<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
        thread: &Thread,
    ) -> anyhow::Result<T> {
        let writes = body.is_some();
        let url = format!("{}/{path}", self.base.as_str().trim_end_matches('/'));
        let request = self.request(method, &url, body);
        let answer = request.send().await.map_err(|cause| unreachable_error(&cause, writes))?;
        if !answer.status().is_success() {
            return Err(refusal(answer, thread).await);
        }
        answer.json().await.map_err(|cause| unreachable_error(&cause, writes))
    }

    fn request(&self, method: Method, url: &str, body: Option<&serde_json::Value>) -> RequestBuilder {
        let request = self
            .client
            .request(method, url)
            .bearer_auth(self.token.expose_secret())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28");
        match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        }
    }
}

/// GitHub keeps line ends in its own way.
fn same(there: &str, text: &str) -> bool {
    there.replace("\r\n", "\n").trim_end() == text
}

fn unreachable_error(cause: &reqwest::Error, writes: bool) -> anyhow::Error {
    let what = if cause.is_timeout() { "it took too long" } else { "the connection failed" };
    let hint = match writes && !cause.is_connect() {
        true => "; whether it was written is not known. Run it again: what is there is found and not doubled",
        false => "",
    };
    error(Exit::Unreachable, format!("GitHub gave no answer: {what}{hint}"))
}

/// A refusal as one clear line.
async fn refusal(answer: Response, thread: &Thread) -> anyhow::Error {
    let status = answer.status();
    let header = |name: &str| answer.headers().get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
    let (left, reset, after) =
        (header("x-ratelimit-remaining"), header("x-ratelimit-reset"), header("retry-after"));
    let said = said(&answer.bytes().await.unwrap_or_default());
    let limited = status == StatusCode::TOO_MANY_REQUESTS
        || (status == StatusCode::FORBIDDEN && (left.as_deref() == Some("0") || after.is_some()));
    if limited {
        let when = match (after.and_then(|it| it.parse::<u64>().ok()), reset.and_then(|it| it.parse().ok())) {
            (Some(seconds), _) => format!("in {seconds} s"),
            (None, Some(reset)) => match jiff::Timestamp::from_second(reset) {
                Ok(at) => format!("after {at}"),
                Err(_) => "later".to_owned(),
            },
            (None, None) => "in a minute".to_owned(),
        };
        return error(Exit::Unreachable, format!("GitHub's rate limit is used up; try again {when}"));
    }
    let (exit, message) = match status.as_u16() {
        401 => (
            Exit::Refused,
            "GitHub does not accept GITHUB_TOKEN: is it complete, and not expired?".to_owned(),
        ),
        403 => (
            Exit::Refused,
            format!(
                "GITHUB_TOKEN may not do this on {thread}: it needs to write issues or pull requests ({said})"
            ),
        ),
        404 => (Exit::NotFound, format!("GitHub knows no {thread}, or GITHUB_TOKEN may not see it")),
        410 => (Exit::Refused, format!("{thread} takes no comments: issues are disabled there")),
        301 | 302 | 307 | 308 => (Exit::NotFound, format!("{thread} has moved; name it by its new name")),
        400 | 422 => (Exit::Usage, format!("GitHub refused the comment on {thread}: {said}")),
        500.. => (Exit::Unreachable, format!("GitHub has a problem of its own (status {status}); try again")),
        _ => (Exit::Refused, format!("GitHub refused it (status {status}): {said}")),
    };
    error(exit, message)
}

/// What GitHub says, on one line.
fn said(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Said {
        #[serde(default)]
        message: String,
        #[serde(default)]
        errors: Vec<serde_json::Value>,
    }
    let Ok(it) = serde_json::from_slice::<Said>(body) else { return "no reason given".to_owned() };
    let details = it.errors.iter().filter_map(|error| error.as_str().or_else(|| error["message"].as_str()));
    let text: Vec<&str> = std::iter::once(it.message.as_str()).chain(details).collect();
    let text: String = text.join(": ").chars().filter(|c| !c.is_control()).take(300).collect();
    if text.is_empty() { "no reason given".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use vendor_doubles::{GithubDouble, Mode};

    use super::*;
    use crate::exit::exit_of;

    const MARKER: &str = "<!-- phasegate:evidence:INC-20261122-001 -->";

    fn thread() -> Thread {
        "acme/editor#123".parse().unwrap()
    }

    fn account(double: &GithubDouble) -> Github {
        Github::new(double.api_url().parse().unwrap(), double.token().into()).unwrap()
    }

    async fn double() -> GithubDouble {
        GithubDouble::start(&[("acme/editor", 123)]).await.unwrap()
    }

    fn text(what: &str) -> String {
        format!("{MARKER}\n{what}\n")
    }

    #[test]
    fn a_thread_is_owner_repository_and_number() {
        assert_eq!(thread().to_string(), "acme/editor#123");
        for wrong in
            ["", "acme/editor", "acme#1", "acme/editor#0", "acme/editor#x", "a/b/c#1", "../x#1", "a b/c#1"]
        {
            assert!(wrong.parse::<Thread>().is_err(), "{wrong}");
        }
    }

    /// EV-3: the second time it is brought up to date, never doubled, however many comments there are.
    #[tokio::test]
    async fn a_document_is_posted_once() {
        let double = double().await;
        for number in 0..150 {
            double.comment("acme/editor", 123, &format!("number {number}, {MARKER}"));
        }
        let github = account(&double);
        let actions = [("one", Action::Posted), ("one", Action::Unchanged), ("two", Action::Updated)];
        for (what, action) in actions {
            let posted = github.post(&thread(), MARKER, &text(what)).await.unwrap();
            assert_eq!(posted.action, action);
            assert!(posted.url.starts_with("https://github.com/acme/editor/"), "{posted:?}");
        }
        let comments = double.comments();
        assert_eq!(comments.len(), 151);
        assert_eq!(comments[150].body, text("two").trim_end());
    }

    /// EV-3: an answer that got lost is no reason to post it twice.
    #[tokio::test]
    async fn a_lost_answer_does_not_double_it() {
        let double = double().await;
        let github = account(&double);
        double.next(Mode::Normal).next(Mode::AcceptThenDropReply);
        let lost = github.post(&thread(), MARKER, &text("one")).await.unwrap_err();
        assert_eq!(exit_of(&lost), Exit::Unreachable);
        assert!(lost.to_string().contains("Run it again"), "{lost}");
        assert_eq!(github.post(&thread(), MARKER, &text("two")).await.unwrap().action, Action::Updated);
        assert_eq!(double.comments().len(), 1);
    }

    /// Each refusal in one line that says what to do, without the token.
    #[tokio::test]
    async fn refusals_are_clear_and_never_show_the_token() {
        let double = double().await;
        let here = || account(&double);
        let wrong = Github::new(double.api_url().parse().unwrap(), "a-wrong-token".into()).unwrap();
        let elsewhere: Thread = "acme/editor#9".parse().unwrap();
        let long = text(&"x".repeat(70_000));
        let mut seen = vec![
            (
                wrong.post(&thread(), MARKER, "x").await.unwrap_err(),
                Exit::Refused,
                "does not accept GITHUB_TOKEN",
            ),
            (
                here().post(&elsewhere, MARKER, "x").await.unwrap_err(),
                Exit::NotFound,
                "knows no acme/editor#9",
            ),
            (
                here().post(&thread(), MARKER, &long).await.unwrap_err(),
                Exit::Usage,
                "maximum is 65536 characters",
            ),
        ];
        double.next(Mode::ErrorBeforeEffect(502));
        seen.push((here().post(&thread(), MARKER, "x").await.unwrap_err(), Exit::Unreachable, "try again"));
        double.next(Mode::TooManyRequests { retry_after: Some(7) });
        seen.push((
            here().post(&thread(), MARKER, "x").await.unwrap_err(),
            Exit::Unreachable,
            "try again in 7 s",
        ));
        double.make_read_only();
        seen.push((here().post(&thread(), MARKER, "x").await.unwrap_err(), Exit::Refused, "needs to write"));
        double.exhaust(1_795_000_000);
        let limited = "rate limit is used up; try again after 2026-11-18T";
        seen.push((here().post(&thread(), MARKER, "x").await.unwrap_err(), Exit::Unreachable, limited));
        for (refused, exit, says) in seen {
            let line = format!("{refused:#} {refused:?}");
            assert_eq!(exit_of(&refused), exit, "{line}");
            assert!(line.contains(says), "{line}");
            assert!(!line.contains(&double.token()) && !line.contains("a-wrong-token"), "{line}");
        }
        assert!(double.comments().is_empty());
    }

    #[test]
    fn a_token_is_not_sent_in_the_clear() {
        let refused = Github::new("http://github.example.com".parse().unwrap(), "t".into()).err().unwrap();
        assert_eq!(exit_of(&refused), Exit::Usage);
    }
}
