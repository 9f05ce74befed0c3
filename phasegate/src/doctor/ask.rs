//! What is looked at, and where.

use std::path::PathBuf;

use collector_svc::api::TargetView;
use domain::kinds::Kinds;
use domain::policy::Policy;
use futures_util::{StreamExt as _, stream};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use service_kit::clock::{Clock as _, SystemClock};
use shared_types::rollout::Rollout;
use shared_types::{TargetName, Timestamp};
use tokio::sync::OnceCell;

use super::peer::{Peer, Unasked};

/// Questions about targets that are under way at once.
const SIDE_BY_SIDE: usize = 8;

/// What is on this machine, if the services run here.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) data_dir: PathBuf,
    pub(crate) policy: PathBuf,
    pub(crate) database_url: Option<SecretString>,
    /// The alert rules; `None`: those that are shipped.
    pub(crate) alerts: Option<PathBuf>,
}

/// See the module.
pub(crate) struct Ask {
    pub(crate) now: Timestamp,
    pub(crate) collector: Peer,
    pub(crate) analyzer: Peer,
    pub(crate) reporter: Peer,
    pub(crate) place: Place,
    /// The policy here, or why it cannot be read.
    pub(crate) policy: Result<Policy, String>,
    /// Whether a test message goes through every channel, and in whose name.
    pub(crate) send: Option<serde_json::Value>,
    rollouts: OnceCell<Result<Vec<Rollout>, Unasked>>,
    channels: OnceCell<Result<Vec<reporter_svc::ways::Channel>, Unasked>>,
}

impl Ask {
    pub(crate) fn new(
        [collector, analyzer, reporter]: [Peer; 3],
        place: Place,
        kinds: &Kinds,
        send: Option<serde_json::Value>,
    ) -> Self {
        let read = Policy::load_with(&place.policy, kinds).and_then(Policy::admitted);
        let policy = read.map_err(|error| error.to_string());
        let (rollouts, channels) = (OnceCell::new(), OnceCell::new());
        let now = SystemClock.now();
        Self { now, collector, analyzer, reporter, place, policy, send, rollouts, channels }
    }

    /// All three, upstream first.
    pub(crate) fn peers(&self) -> [&Peer; 3] {
        [&self.collector, &self.analyzer, &self.reporter]
    }

    /// Every rollout of the policy in force.
    pub(crate) async fn rollouts(&self) -> Result<&[Rollout], &Unasked> {
        let asked = self.rollouts.get_or_init(|| self.reporter.list("/v1/rollouts?limit=1000", 100_000));
        asked.await.as_ref().map(Vec::as_slice)
    }

    /// What a service says of each rollout under that path, a few at a time: a reporter may have to run a command for it.
    pub(crate) async fn of_each<T: DeserializeOwned>(
        &self,
        peer: &Peer,
        rollouts: &[Rollout],
        path: impl Fn(&TargetName) -> String,
    ) -> Vec<Result<T, Unasked>> {
        let paths: Vec<String> = rollouts.iter().map(|it| path(&it.target)).collect();
        let asked = paths.into_iter().map(|path| async move { peer.get::<T>(&path).await });
        stream::iter(asked).buffered(SIDE_BY_SIDE).collect().await
    }

    /// What the collector says of each.
    pub(crate) async fn targets(&self, rollouts: &[Rollout]) -> Vec<Result<TargetView, Unasked>> {
        self.of_each(&self.collector, rollouts, |target| format!("/v1/targets/{target}")).await
    }

    /// Every way to people, tried if that was asked for.
    pub(crate) async fn channels(&self) -> Result<&[reporter_svc::ways::Channel], &Unasked> {
        let asked = self.channels.get_or_init(|| async {
            match &self.send {
                None => self.reporter.list("/v1/channels", usize::MAX).await,
                Some(body) => self.reporter.post_list("/v1/channels/test", body).await,
            }
        });
        asked.await.as_ref().map(Vec::as_slice)
    }
}
