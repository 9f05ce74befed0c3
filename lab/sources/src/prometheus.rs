//! A Prometheus that holds the samples it was given.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use phasegate_tests::{ports, wait};
use serde_json::Value;
use service_kit::vendors::http;
use tempfile::TempDir;

use crate::program;
use crate::remote_write::{self, Native};

/// Where it keeps its blocks.
const DATA: &str = "data";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ended when it is dropped.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    _directory: TempDir,
    pub url: String,
}

/// Samples as OpenMetrics writes them.
#[derive(Debug, Default)]
pub struct Samples(String);

impl Samples {
    /// Of a series of a family of its own, each with its second since 1970. `kind`: `counter` or `gauge`.
    pub fn add(&mut self, kind: &str, series: &str, samples: impl IntoIterator<Item = (i64, f64)>) {
        let name = series.split('{').next().unwrap_or(series);
        let family = name.strip_suffix("_total").unwrap_or(name);
        let _ = writeln!(self.0, "# TYPE {family} {kind}");
        self.more(series, samples);
    }

    /// Of another series of the same family.
    pub fn more(&mut self, series: &str, samples: impl IntoIterator<Item = (i64, f64)>) {
        for (second, value) in samples {
            let _ = writeln!(self.0, "{series} {value} {second}");
        }
    }
}

impl Prometheus {
    /// Fills blocks with the samples and starts a server on them, at a port of its own.
    ///
    /// # Errors
    /// It is not installed.
    ///
    /// # Panics
    /// It does not become ready.
    pub async fn with(samples: Samples) -> anyhow::Result<Self> {
        Self::with_flags(samples, &[]).await
    }

    /// The same, with flags of its own.
    ///
    /// # Errors
    /// It is not installed.
    ///
    /// # Panics
    /// It does not become ready.
    pub async fn with_flags(samples: Samples, flags: &[&str]) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("samples");
        std::fs::write(&file, samples.0 + "# EOF\n")?;
        filled(&file, &directory.path().join(DATA))?;
        Self::started(directory, "global: {}\n", flags).await
    }

    /// Starts a server that scrapes the job `shop` at an address, each 200 ms.
    ///
    /// # Errors
    /// It is not installed.
    ///
    /// # Panics
    /// It does not become ready.
    pub async fn scraping(address: SocketAddr) -> anyhow::Result<Self> {
        let targets = format!("static_configs: [{{ targets: ['{address}'] }}]");
        let job = format!("{{ job_name: shop, scrape_interval: 200ms, scrape_timeout: 200ms, {targets} }}");
        Self::started(tempfile::tempdir()?, &format!("scrape_configs: [{job}]\n"), &[]).await
    }

    /// Starts a server that takes native histograms by remote write.
    ///
    /// # Errors
    /// It is not installed.
    ///
    /// # Panics
    /// It does not become ready.
    pub async fn receiving() -> anyhow::Result<Self> {
        let flags = ["--web.enable-remote-write-receiver", "--enable-feature=native-histograms"];
        Self::started(tempfile::tempdir()?, "global: {}\n", &flags).await
    }

    /// Gives it samples of one series; labels in order.
    ///
    /// # Errors
    /// It does not take them.
    pub async fn write(&self, labels: &[(&str, &str)], samples: &[Native]) -> anyhow::Result<()> {
        let request = http::client(PATIENCE)?
            .post(format!("{}/api/v1/write", self.url))
            .header("Content-Type", "application/x-protobuf")
            .header("Content-Encoding", "snappy")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .body(remote_write::body(labels, samples));
        let answer = request.send().await?;
        let status = answer.status();
        anyhow::ensure!(status.is_success(), "{status}: {}", answer.text().await?);
        Ok(())
    }

    async fn started(directory: TempDir, configuration: &str, flags: &[&str]) -> anyhow::Result<Self> {
        let config = directory.path().join("prometheus.yaml");
        std::fs::write(&config, configuration)?;
        let address = format!("127.0.0.1:{}", ports::own());
        let child = Command::new(program("prometheus")?)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join(DATA).display()))
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!("--web.listen-address={address}"))
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self { child, _directory: directory, url: format!("http://{address}") };
        let (client, ready) = (http::client(PATIENCE)?, format!("{}/-/ready", server.url));
        wait::until("Prometheus to be ready", || async {
            client.get(&ready).send().await.and_then(reqwest::Response::error_for_status)
        })
        .await;
        Ok(server)
    }

    /// The id of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What an expression comes to at a second, or now.
    ///
    /// # Errors
    /// It comes to no single number.
    pub async fn value(&self, expression: &str, second: Option<i64>) -> anyhow::Result<f64> {
        let answer = self.answer(expression, second).await?;
        let value = answer["data"]["result"][0]["value"][1].as_str();
        Ok(value.with_context(|| format!("{expression}: {answer}"))?.parse()?)
    }

    /// The whole answer to an expression at a second, or now.
    ///
    /// # Errors
    /// There is none.
    pub async fn answer(&self, expression: &str, second: Option<i64>) -> anyhow::Result<Value> {
        let time = second.map(|second| ("time", second.to_string()));
        let form: Vec<_> = [("query", expression.to_owned())].into_iter().chain(time).collect();
        let answer = http::client(PATIENCE)?.post(format!("{}/api/v1/query", self.url)).form(&form);
        Ok(answer.send().await?.json().await?)
    }
}

fn filled(samples: &Path, data: &Path) -> anyhow::Result<()> {
    let made = Command::new(program("promtool")?)
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([samples, data])
        .output()?;
    anyhow::ensure!(made.status.success(), "promtool: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
