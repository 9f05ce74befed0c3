//! `phasegate policy diff`.

use std::path::Path;

use domain::kinds::Kinds;
use domain::policy::Policy;
use serde_json::json;
use service_kit::rules::PolicyText;

use crate::api::ServicesArgs;
use crate::exit::{Exit, error};
use crate::output::OutputArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  phasegate policy diff governance/policy.yaml new-policy.yaml
  phasegate policy diff sha256:3fa9c1 governance/policy.yaml      what is in force against the file
  phasegate policy diff OLD NEW --output json | jq '.changes[] | select(.effect == \"looser\")'

OLD and NEW are files, or hashes that the running analyzer or reporter knows; the first digits will do.
Exit status 0 if both say the same, 1 if they differ.";

/// Says what `new` changes.
pub(super) async fn run(
    [old, new]: [&str; 2],
    services: &ServicesArgs,
    kinds: &Kinds,
    output: OutputArgs,
) -> anyhow::Result<Exit> {
    let (old, new) = (read(old, services, kinds).await?, read(new, services, kinds).await?);
    let diff = old.diff(&new);
    let summary = json!({
        "old": diff.old,
        "new": diff.new,
        "same": diff.is_same(),
        "loosening": diff.loosening().count(),
        "changes": diff.changes,
    });
    output.print(&summary, |_| diff.to_string())?;
    Ok(if diff.is_same() { Exit::Ok } else { Exit::Refused })
}

/// A file, or a version that a service has kept.
async fn read(given: &str, services: &ServicesArgs, kinds: &Kinds) -> anyhow::Result<Policy> {
    if !given.starts_with("sha256:") || Path::new(given).exists() {
        return super::file::load(Path::new(given), kinds);
    }
    let path = format!("/v1/policies/{given}");
    let kept: PolicyText = match services.analyzer()?.get(&path).await {
        Ok(kept) => kept,
        // A version that the reporter alone has seen is a version too.
        Err(first) => services.reporter()?.get(&path).await.map_err(|_| first)?,
    };
    Policy::parse_with(&kept.policy, given, kinds).map_err(|wrong| {
        error(Exit::Failed, format!("a kept policy cannot be read by this version: {wrong}"))
    })
}
