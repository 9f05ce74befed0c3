//! Moto, which stands in for Amazon's services (<https://docs.getmoto.org>): it keeps what it is given, and refuses what is not
//! signed by somebody with the right to it once it is told to.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use phasegate_tests::{ports, wait};
use serde_json::{Value, json};
use service_kit::vendors::http;

use crate::fetched;

pub const REGION: &str = "eu-central-1";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who may ask for numbers, and for nothing else. Moto takes the name of the signature's service for the right's.
const MAY_READ: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"monitoring:GetMetricData","Resource":"*"}]}"#;
const ANYBODY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;

/// Ended when it is dropped.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    pub url: String,
}

/// What requests are signed with.
#[derive(Debug)]
pub struct Key {
    pub id: String,
    pub secret: String,
    /// Of a temporary one.
    pub token: Option<String>,
}

impl Moto {
    /// Starts one at a port of its own.
    ///
    /// # Errors
    /// It is not installed.
    ///
    /// # Panics
    /// It does not become ready.
    pub async fn start() -> anyhow::Result<Self> {
        let port = ports::own().to_string();
        let child = Command::new(fetched("python/bin/moto_server")?)
            .args(["-H", "127.0.0.1", "-p", &port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let moto = Self { child, url: format!("http://127.0.0.1:{port}") };
        let (client, ready) = (http::client(PATIENCE)?, format!("{}/moto-api/", moto.url));
        wait::until("moto to be ready", || async {
            client.get(&ready).send().await.and_then(reqwest::Response::error_for_status)
        })
        .await;
        Ok(moto)
    }

    /// Gives it numbers of a metric, each with its second since 1970.
    ///
    /// # Errors
    /// It does not take them.
    pub async fn put(
        &self,
        (namespace, metric): (&str, &str),
        (dimension, value): (&str, &str),
        numbers: &[(i64, f64)],
    ) -> anyhow::Result<()> {
        let datum = |(second, number): &(i64, f64)| {
            let dimensions = [json!({ "Name": dimension, "Value": value })];
            json!({ "MetricName": metric, "Dimensions": dimensions, "Timestamp": second, "Value": number })
        };
        let data: Vec<Value> = numbers.iter().map(datum).collect();
        let request = http::client(PATIENCE)?
            .post(&self.url)
            .header("authorization", unsigned("monitoring"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "GraniteServiceVersion20100801.PutMetricData")
            .body(json!({ "Namespace": namespace, "MetricData": data }).to_string());
        answer(request).await.map(drop)
    }

    /// Keys of a user and of a role, who may ask for numbers. From then on it answers nobody else.
    ///
    /// # Errors
    /// It gives none.
    pub async fn guarded(&self) -> anyhow::Result<(Key, Key)> {
        let user = ("UserName", "reader");
        self.act("iam", "CreateUser", &[user]).await?;
        let policy = [("PolicyName", "read"), ("PolicyDocument", MAY_READ)];
        self.act("iam", "PutUserPolicy", &[user, policy[0], policy[1]]).await?;
        let of_user = key(&self.act("iam", "CreateAccessKey", &[user]).await?)?;
        let role = ("RoleName", "reading");
        let made = self.act("iam", "CreateRole", &[role, ("AssumeRolePolicyDocument", ANYBODY)]).await?;
        self.act("iam", "PutRolePolicy", &[role, policy[0], policy[1]]).await?;
        let assumed = [("RoleArn", inside(&made, "Arn")?), ("RoleSessionName", "phasegate")];
        let assumed = self.act("sts", "AssumeRole", &assumed).await?;
        let of_role = Key { token: Some(inside(&assumed, "SessionToken")?.to_owned()), ..key(&assumed)? };
        let guard = http::client(PATIENCE)?.post(format!("{}/moto-api/reset-auth", self.url));
        answer(guard.header("content-type", "text/plain").body("0")).await?;
        Ok((of_user, of_role))
    }

    async fn act(&self, service: &str, action: &str, form: &[(&str, &str)]) -> anyhow::Result<String> {
        let form = [("Action", action)].into_iter().chain(form.iter().copied()).collect::<Vec<_>>();
        let request = http::client(PATIENCE)?.post(&self.url).header("authorization", unsigned(service));
        answer(request.form(&form)).await.with_context(|| action.to_owned())
    }
}

/// Says which service is meant, and of whom nobody asks yet who it is.
fn unsigned(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=nobody/20261122/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=none"
    )
}

async fn answer(request: http::RequestBuilder) -> anyhow::Result<String> {
    let answer = request.send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    anyhow::ensure!(status.is_success(), "{status}: {text}");
    Ok(text)
}

fn key(xml: &str) -> anyhow::Result<Key> {
    let [id, secret] = [inside(xml, "AccessKeyId")?, inside(xml, "SecretAccessKey")?].map(str::to_owned);
    Ok(Key { id, secret, token: None })
}

fn inside<'a>(xml: &'a str, element: &str) -> anyhow::Result<&'a str> {
    let begin = xml.split_once(&format!("<{element}>")).map(|(_, rest)| rest);
    let found = begin.and_then(|rest| rest.split_once('<')).map(|(text, _)| text);
    found.with_context(|| format!("no {element} in {xml}"))
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
