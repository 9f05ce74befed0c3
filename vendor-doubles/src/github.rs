//! GitHub: the comments of issues and pull requests.
//!
//! - <https://docs.github.com/en/rest/issues/comments>
//! - <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cut::Scissors;
use crate::mode::{Attempt, Mode, Reply, Script, now};
use crate::server::{Server, Shared};

/// What GitHub takes as a comment, in characters.
const LONGEST: usize = 65_536;

/// The account whose token it is.
const OURS: &str = "release-bot";

/// A comment on an issue or pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubComment {
    pub id: u64,
    /// `owner/repo`
    pub repository: String,
    pub issue: u64,
    pub author: String,
    pub body: String,
}

/// GitHub on this machine.
pub struct GithubDouble {
    server: Server,
    shared: Shared<Hub>,
}

struct Hub {
    token: String,
    /// The token may read but not write.
    read_only: bool,
    /// Nothing is left of the hour's requests; they come back at this second of the epoch.
    exhausted_until: Option<u64>,
    script: Script,
    issues: Vec<(String, u64)>,
    comments: Vec<GithubComment>,
    attempts: Vec<Attempt>,
    ids: u64,
}

impl GithubDouble {
    /// Starts, with issues that can be commented: repository and number.
    ///
    /// # Errors
    /// No port could be had.
    pub async fn start(issues: &[(&str, u64)]) -> std::io::Result<Self> {
        let shared = Shared::new(Hub {
            token: "github_pat_double_0123456789".to_owned(),
            read_only: false,
            exhausted_until: None,
            script: Script::default(),
            issues: issues.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect(),
            comments: Vec::new(),
            attempts: Vec::new(),
            ids: 1000,
        });
        let router = Router::new()
            .route("/repos/{owner}/{repo}/issues/{number}/comments", get(list).post(create))
            .route("/repos/{owner}/{repo}/issues/comments/{id}", patch(update))
            .with_state(shared.clone());
        Ok(Self { server: Server::start(router).await?, shared })
    }

    /// For `GITHUB_API_URL`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// For `GITHUB_TOKEN`.
    #[must_use]
    pub fn token(&self) -> String {
        self.shared.lock().token.clone()
    }

    /// From now on the token may only read.
    pub fn make_read_only(&self) {
        self.shared.lock().read_only = true;
    }

    /// From now on the requests of the hour are used up.
    pub fn exhaust(&self, until: u64) {
        self.shared.lock().exhausted_until = Some(until);
    }

    /// Treats the next request so; those after it are queued behind it.
    pub fn next(&self, mode: Mode) -> &Self {
        self.shared.lock().script.queue(mode);
        self
    }

    /// Somebody else writes a comment.
    pub fn comment(&self, repository: &str, issue: u64, body: &str) {
        self.shared.lock().keep(repository, issue, "someone", body);
        self.shared.announce();
    }

    /// All comments, oldest first.
    #[must_use]
    pub fn comments(&self) -> Vec<GithubComment> {
        self.shared.lock().comments.clone()
    }

    /// All requests, whatever came of them.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.shared.lock().attempts.clone()
    }
}

/// A refusal as GitHub words it.
type Refused = (StatusCode, Value);

fn refused(status: StatusCode, message: &str) -> Refused {
    (
        status,
        json!({ "message": message, "documentation_url": "https://docs.github.com/rest", "status": status.as_str() }),
    )
}

#[derive(Debug, Deserialize)]
struct PageQuery {
    #[serde(default = "thirty")]
    per_page: usize,
    #[serde(default = "one")]
    page: usize,
}

fn thirty() -> usize {
    30
}

fn one() -> usize {
    1
}

/// The body of both writes; GitHub ignores other keys, here they are mistakes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Write {
    body: String,
}

async fn list(
    State(shared): State<Shared<Hub>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path((owner, repo, number)): Path<(String, String, u64)>,
    Query(page): Query<PageQuery>,
    headers: HeaderMap,
) -> Response {
    let path = format!("/repos/{owner}/{repo}/issues/{number}/comments");
    let reply = shared.lock().treat("GET", &path, &Bytes::new(), |hub| {
        hub.check(&headers)?;
        let repository = hub.issue(&owner, &repo, number)?;
        let there = hub.comments.iter().filter(|it| it.repository == repository && it.issue == number);
        let per_page = page.per_page.clamp(1, 100);
        let shown: Vec<Value> =
            there.skip(per_page * (page.page.max(1) - 1)).take(per_page).map(GithubComment::json).collect();
        Ok((StatusCode::OK, json!(shown)))
    });
    reply.give(&scissors).await
}

async fn create(
    State(shared): State<Shared<Hub>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path((owner, repo, number)): Path<(String, String, u64)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = format!("/repos/{owner}/{repo}/issues/{number}/comments");
    let reply = shared.lock().treat("POST", &path, &body, |hub| {
        hub.check(&headers)?;
        let repository = hub.issue(&owner, &repo, number)?;
        hub.check_write()?;
        let text = text(&body)?;
        Ok((StatusCode::CREATED, hub.keep(&repository, number, OURS, &text).json()))
    });
    shared.announce();
    reply.give(&scissors).await
}

async fn update(
    State(shared): State<Shared<Hub>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path((owner, repo, id)): Path<(String, String, u64)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = format!("/repos/{owner}/{repo}/issues/comments/{id}");
    let reply = shared.lock().treat("PATCH", &path, &body, |hub| {
        hub.check(&headers)?;
        hub.check_write()?;
        let repository = format!("{owner}/{repo}");
        let found = hub.comments.iter_mut().find(|it| it.id == id && it.repository == repository);
        let found = found.ok_or_else(|| refused(StatusCode::NOT_FOUND, "Not Found"))?;
        if found.author != OURS {
            return Err(refused(StatusCode::FORBIDDEN, "Resource not accessible by personal access token"));
        }
        found.body = text(&body)?;
        Ok((StatusCode::OK, found.json()))
    });
    shared.announce();
    reply.give(&scissors).await
}

fn text(body: &[u8]) -> Result<String, Refused> {
    let invalid = |message: &str| {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let errors = json!([{ "resource": "IssueComment", "code": "unprocessable", "field": "data", "message": message }]);
        (status, json!({ "message": "Validation Failed", "errors": errors, "status": "422" }))
    };
    let Ok(Write { body }) = serde_json::from_slice(body) else {
        return Err(refused(StatusCode::BAD_REQUEST, "Problems parsing JSON"));
    };
    if body.trim().is_empty() {
        return Err(invalid("Body cannot be blank"));
    }
    if body.chars().count() > LONGEST {
        return Err(invalid("Body is too long (maximum is 65536 characters)"));
    }
    Ok(body)
}

impl GithubComment {
    fn json(&self) -> Value {
        let Self { id, repository, issue, author, body } = self;
        json!({
            "id": id,
            "html_url": format!("https://github.com/{repository}/pull/{issue}#issuecomment-{id}"),
            "user": { "login": author },
            "body": body,
        })
    }
}

impl Hub {
    /// Treats a request by its mode and writes it down.
    fn treat(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
        act: impl FnOnce(&mut Self) -> Result<(StatusCode, Value), Refused>,
    ) -> Reply {
        let mode = self.script.take();
        let reply = mode.refusal().unwrap_or_else(|| match act(self) {
            Ok((status, answer)) => mode.reply((status, axum::Json(answer)).into_response()),
            Err((status, answer)) => Reply::Answer(self.refusal(status, answer)),
        });
        self.attempts.push(Attempt {
            at: now(),
            method: method.to_owned(),
            path: path.to_owned(),
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
            answered: reply.answered(),
        });
        reply
    }

    fn refusal(&self, status: StatusCode, answer: Value) -> Response {
        match self.exhausted_until {
            Some(until) => {
                let headers =
                    [("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", until.to_string())];
                (status, headers, axum::Json(answer)).into_response()
            }
            None => (status, axum::Json(answer)).into_response(),
        }
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        if header("user-agent").is_empty() {
            let rules = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
            return Err(refused(StatusCode::FORBIDDEN, rules));
        }
        if self.exhausted_until.is_some() {
            return Err(refused(StatusCode::FORBIDDEN, "API rate limit exceeded for user ID 1."));
        }
        if header("authorization") != format!("Bearer {}", self.token) {
            return Err(refused(StatusCode::UNAUTHORIZED, "Bad credentials"));
        }
        Ok(())
    }

    fn check_write(&self) -> Result<(), Refused> {
        if self.read_only {
            return Err(refused(StatusCode::FORBIDDEN, "Resource not accessible by personal access token"));
        }
        Ok(())
    }

    /// What a token may not see is not there.
    fn issue(&self, owner: &str, repo: &str, number: u64) -> Result<String, Refused> {
        let repository = format!("{owner}/{repo}");
        let known = self.issues.iter().any(|(name, there)| *name == repository && *there == number);
        if known { Ok(repository) } else { Err(refused(StatusCode::NOT_FOUND, "Not Found")) }
    }

    fn keep(&mut self, repository: &str, issue: u64, author: &str, body: &str) -> GithubComment {
        self.ids += 1;
        let comment = GithubComment {
            id: self.ids,
            repository: repository.to_owned(),
            issue,
            author: author.to_owned(),
            body: body.to_owned(),
        };
        self.comments.push(comment.clone());
        comment
    }
}
