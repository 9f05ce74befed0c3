//! A real Unleash with one feature, and a client of its SDK.

use anyhow::Context as _;
use phasegate_tests::postgres::TestDatabase;
use phasegate_tests::{ports, wait};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::program::Program;

/// What its Admin API is spoken to with, and what its clients have.
pub const ADMIN: &str = "*:*.unleash-admin-token";
const CLIENT: &str = "default:development.unleash-client-token";
/// The feature, and the environment that it is switched on in.
pub const FEATURE: &str = "autosave";
pub const ENVIRONMENT: &str = "development";

/// A running server.
pub struct Unleash {
    pub url: String,
    http: reqwest::Client,
    _server: Program,
    /// Dropped after the server that uses it.
    _database: TestDatabase,
}

impl Unleash {
    /// Starts one whose feature is given to a share of users, percent.
    ///
    /// # Errors
    /// It is not fetched, or does not start.
    pub async fn start(percent: &str) -> anyhow::Result<Self> {
        let database = TestDatabase::create().await;
        let port = ports::own().to_string();
        let server = Program::start(
            "unleash-server.mjs",
            &[
                ("PORT", port.as_str()),
                ("DATABASE_URL", database.url()),
                ("INIT_ADMIN_API_TOKENS", ADMIN),
                ("INIT_BACKEND_API_TOKENS", CLIENT),
                ("LOG_LEVEL", "error"),
                ("CHECK_VERSION", "false"),
                ("SEND_TELEMETRY", "false"),
            ],
        )?;
        let (url, http) = (format!("http://127.0.0.1:{port}"), reqwest::Client::new());
        wait::until("Unleash", || async {
            let answer = http.get(format!("{url}/health")).send().await.map_err(|error| error.to_string())?;
            if answer.status() == StatusCode::OK { Ok(()) } else { Err(answer.status().to_string()) }
        })
        .await;
        let it = Self { url, http, _server: server, _database: database };
        it.call(Method::POST, "", &json!({ "name": FEATURE, "type": "release" })).await?;
        let parameters = json!({ "rollout": percent, "stickiness": "default", "groupId": FEATURE });
        let strategy = json!({ "name": "flexibleRollout", "parameters": parameters });
        it.call(Method::POST, &format!("/{FEATURE}/environments/{ENVIRONMENT}/strategies"), &strategy)
            .await?;
        it.switch("on").await?;
        Ok(it)
    }

    /// Turns the environment `on` or `off`.
    ///
    /// # Errors
    /// It is refused.
    pub async fn switch(&self, state: &str) -> anyhow::Result<()> {
        self.call(Method::POST, &format!("/{FEATURE}/environments/{ENVIRONMENT}/{state}"), &Value::Null)
            .await?;
        Ok(())
    }

    /// The feature's share as the Admin API says it.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn rollout(&self) -> anyhow::Result<String> {
        Ok(self.strategy().await?["parameters"]["rollout"].as_str().context("a text")?.to_owned())
    }

    /// A person sets it.
    ///
    /// # Errors
    /// It is refused.
    pub async fn set_rollout(&self, percent: &str) -> anyhow::Result<()> {
        let id = self.strategy().await?["id"].as_str().context("an id")?.to_owned();
        let patch = json!([{ "op": "replace", "path": "/parameters/rollout", "value": percent }]);
        let path = format!("/{FEATURE}/environments/{ENVIRONMENT}/strategies/{id}");
        self.call(Method::PATCH, &path, &patch).await?;
        Ok(())
    }

    async fn strategy(&self) -> anyhow::Result<Value> {
        let feature =
            self.call(Method::GET, &format!("/{FEATURE}/environments/{ENVIRONMENT}"), &Value::Null).await?;
        Ok(feature["strategies"][0].clone())
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/api/admin/projects/default/features{path}", self.url);
        let request = self.http.request(method, url).header("authorization", ADMIN);
        let answer = if body.is_null() { request } else { request.json(body) }.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        anyhow::ensure!(status.is_success(), "{status} {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A client of its SDK, which asks four times a second.
    ///
    /// # Errors
    /// It is not fetched.
    pub fn client(&self) -> anyhow::Result<Program> {
        Program::start("unleash-client.mjs", &[("URL", &self.url), ("TOKEN", CLIENT), ("FEATURE", FEATURE)])
    }
}
