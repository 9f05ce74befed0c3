//! A service that is asked, and what it said: asked once for all checks.

use serde::de::DeserializeOwned;
use service_kit::ServiceName;
use service_kit::http::{CheckReport, ReadinessReport, ReadinessState};
use service_kit::rules::PolicyVersion;
use shared_types::{Page, Timestamp};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::finding::Problem;
use crate::api::Api;
use crate::exit::{Exit, exit_of};

/// See the module.
pub(crate) struct Peer {
    pub(crate) name: ServiceName,
    pub(crate) api: Api,
    readiness: OnceCell<Result<ReadinessReport, String>>,
    policy: OnceCell<Result<Option<PolicyVersion>, Unasked>>,
}

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unasked {
    pub(crate) said: String,
    /// It answers, and does not let us.
    pub(crate) refused: bool,
}

impl Peer {
    pub(crate) fn new(name: ServiceName, api: Api) -> Self {
        Self { name, api, readiness: OnceCell::new(), policy: OnceCell::new() }
    }

    /// What its `/readyz` says.
    pub(crate) async fn readiness(&self) -> Result<&ReadinessReport, &str> {
        let asked = self
            .readiness
            .get_or_init(|| async { self.api.readiness().await.map_err(|error| error.to_string()) });
        asked.await.as_ref().map_err(String::as_str)
    }

    /// What one check of its `/readyz` says, if it is not in order.
    pub(crate) async fn complains(&self, check: &str) -> Option<&CheckReport> {
        let report = self.readiness().await.ok()?;
        report.checks.iter().find(|it| it.name == check && it.state != ReadinessState::Ok)
    }

    /// Whether it answers at all.
    pub(crate) async fn answers(&self) -> bool {
        self.readiness().await.is_ok()
    }

    /// The version of the policy that is in force there.
    pub(crate) async fn policy(&self) -> Result<Option<&PolicyVersion>, &Unasked> {
        let asked = self.policy.get_or_init(|| async {
            let page: Page<PolicyVersion> = self.get("/v1/policies?limit=1").await?;
            Ok(page.items.into_iter().next())
        });
        asked.await.as_ref().map(Option::as_ref)
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Unasked> {
        match self.api.get(path).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.unasked(&error).await),
        }
    }

    /// The list that an act is answered with.
    pub(crate) async fn post_list<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<Vec<T>, Unasked> {
        match self.api.post::<Page<T>>(path, body).await {
            Ok(page) => Ok(page.items),
            Err(error) => Err(self.unasked(&error).await),
        }
    }

    /// One that does not answer at all is told of once, by the check that asks only that.
    async fn unasked(&self, error: &anyhow::Error) -> Unasked {
        let name = self.name;
        if !self.answers().await {
            return Unasked { refused: false, said: format!("the {name} does not answer") };
        }
        let refused = exit_of(error) == Exit::Refused;
        Unasked { refused, said: format!("the {name}: {error:#}") }
    }

    /// Every page of a list, up to `most` items.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str, most: usize) -> Result<Vec<T>, Unasked> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page: Page<T> = self.get(&format!("{path}{cursor}")).await?;
            all.extend(page.items);
            match page.next {
                Some(next) if all.len() < most => cursor = format!("&cursor={next}"),
                _ => return Ok(all),
            }
        }
    }

    /// How far its clock is ahead of ours, in milliseconds, and how far off that may be.
    pub(crate) async fn clock(&self, now: impl Fn() -> Timestamp) -> Option<(i128, i128)> {
        let (asked, since) = (now(), Instant::now());
        let told = self.api.time().await.ok()??;
        let trip = i128::try_from(since.elapsed().as_millis()).unwrap_or(i128::MAX);
        // Whole seconds are told, so it was half a second later on the average.
        let ahead = i128::from(told.as_millis()) + 500 - i128::from(asked.as_millis()) - trip / 2;
        Some((ahead, trip / 2 + 500))
    }
}

impl Unasked {
    /// As a line of a check that wanted to know.
    pub(crate) fn problem(&self) -> Problem {
        let remedy = match self.refused {
            true => "name a token that may: --token or PHASEGATE_TOKEN",
            false => "see `services` above",
        };
        Problem::not_checked(self.said.clone(), remedy)
    }
}
