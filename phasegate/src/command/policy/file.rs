//! A policy file that a subcommand is given, and what is said where it cannot be used.

use std::path::Path;

use domain::kinds::Kinds;
use domain::policy::{Policy, PolicyError};
use shared_types::TargetName;

use crate::exit::{Exit, error, of_file};

/// Loads a policy; a wrong one is a refusal, a missing one is not found.
pub(in crate::command) fn load(file: &Path, kinds: &Kinds) -> anyhow::Result<Policy> {
    Policy::load_with(file, kinds).map_err(|cause| unusable(file, cause))
}

/// As [`load`], for a policy that is to be gone by: one that cannot protect is refused as well.
pub(in crate::command) fn admitted(file: &Path, kinds: &Kinds) -> anyhow::Result<Policy> {
    Policy::load_with(file, kinds).and_then(Policy::admitted).map_err(|cause| unusable(file, cause))
}

pub(super) fn unusable(file: &Path, cause: PolicyError) -> anyhow::Error {
    let exit = match cause {
        PolicyError::Wrong(places) => {
            let lines: Vec<String> = places.iter().map(ToString::to_string).collect();
            return wrong(file, &lines);
        }
        PolicyError::Read { ref source, .. } => of_file(source),
    };
    let hint = if exit == Exit::NotFound { "; --policy or PHASEGATE_POLICY names another file" } else { "" };
    error(exit, format!("{:#}{hint}", anyhow::Error::from(cause)))
}

/// The refusal of a file, a line for each place.
pub(super) fn wrong(file: &Path, places: &[String]) -> anyhow::Error {
    let message = match places {
        [only] => only.clone(),
        all => format!("{}: wrong in {} places\n  - {}", file.display(), all.len(), all.join("\n  - ")),
    };
    error(Exit::Refused, message)
}

/// The target that is named, or the only one there is.
pub(in crate::command) fn target(policy: &Policy, named: Option<TargetName>) -> anyhow::Result<TargetName> {
    let known: Vec<&str> = policy.targets.keys().map(TargetName::as_str).collect();
    let known = known.join(", ");
    match (named, policy.targets.len()) {
        (Some(name), _) if policy.targets.contains_key(&name) => Ok(name),
        (Some(name), _) => {
            Err(error(Exit::NotFound, format!("the policy has no target `{name}`; it has {known}")))
        }
        (None, 1) => policy.targets.keys().next().cloned().ok_or_else(|| error(Exit::NotFound, "no target")),
        (None, _) => Err(error(Exit::Usage, format!("--target: the policy has several: {known}"))),
    }
}
