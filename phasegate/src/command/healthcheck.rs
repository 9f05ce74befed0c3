//! `phasegate healthcheck URL`: what a container's health check runs, as small images hold no curl.

use std::time::Duration;

use crate::exit::{Exit, error};

const EXAMPLES: &str = "\
Examples:
  phasegate healthcheck http://127.0.0.1:7103/readyz";

/// Ask a health endpoint and say by exit status whether it is well
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The endpoint, e.g. http://127.0.0.1:7101/healthz
    url: String,
    /// How long to wait for the answer, in seconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        super::block_on(async {
            let http =
                reqwest::Client::builder().timeout(Duration::from_secs(self.timeout)).no_proxy().build()?;
            let response = http.get(&self.url).send().await.map_err(|cause| match cause.is_builder() {
                true => error(Exit::Usage, format!("`{}` is not a URL", self.url)),
                false => error(Exit::Unreachable, format!("{} does not answer", self.url)),
            })?;
            let status = response.status();
            if status.is_success() {
                return Ok(Exit::Ok);
            }
            let body = response.text().await.unwrap_or_default();
            Err(error(Exit::Refused, format!("{} says {status}: {}", self.url, body.trim())))
        })
    }
}
