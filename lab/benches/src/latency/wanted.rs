//! What a stack is to be: its policy, its replicas, its clock, and whether the collector is the product's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::kinds::Chosen;
use domain::policy::Policy;
use domain::sources::http::Http;
use service_kit::clock::{Clock, SystemClock};
use shared_types::TargetName;

/// As in the shipped policy.
pub(crate) const WINDOW: Duration = Duration::from_secs(900);

/// See the module.
pub(crate) struct Wanted {
    pub(crate) policy_path: PathBuf,
    pub(crate) policy: Policy,
    /// Of the analyzer and of the reporter each, on one database.
    pub(crate) replicas: usize,
    /// The product's collector, in place of one that takes directives and no more.
    pub(crate) collector: bool,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Wanted {
    /// One replica with so many targets: the shipped policy, with windows of the past that nobody misses, and nothing that would
    /// keep a target from being rolled back again and again.
    pub(crate) fn targets(count: usize) -> anyhow::Result<Self> {
        let policy_path = Path::new(SHIPPED).join("examples/policies/source-document.yaml");
        let policy = policy(&policy_path, count)?;
        Ok(Self { policy_path, policy, replicas: 1, collector: false, clock: Arc::new(SystemClock) })
    }
}

/// Where the product's files are.
pub(crate) const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn policy(path: &Path, targets: usize) -> anyhow::Result<Policy> {
    let mut policy = Policy::load(path)?;
    let (_, mut target) = policy.targets.pop_first().context("the policy has no target")?;
    target.collection.source = Chosen(Arc::new(Http));
    target.collection.window = WINDOW;
    target.collection.delayed_after = Duration::from_secs(60 * 24 * 3600);
    target.evidence.clear();
    target.transitions.budget.automatic_rollbacks = u64::MAX;
    let templates = Path::new(SHIPPED).join(&target.notifications.templates);
    target.notifications.templates = templates.display().to_string();
    let name = |number| TargetName::parse(&format!("autosave-{number}"));
    for number in 0..targets.max(1) {
        policy.targets.insert(name(number)?, target.clone());
    }
    Ok(policy)
}
