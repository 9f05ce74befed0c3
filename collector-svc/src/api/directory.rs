//! The targets that are collected: others may join and leave while the service runs.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use shared_types::TargetName;

use super::TargetEntry;

/// By name. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Directory(Arc<RwLock<BTreeMap<TargetName, TargetEntry>>>);

impl Directory {
    /// One target, if it is collected.
    #[must_use]
    pub fn get(&self, name: &TargetName) -> Option<TargetEntry> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<(TargetName, TargetEntry)> {
        let targets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        targets.iter().map(|(name, entry)| (name.clone(), entry.clone())).collect()
    }

    /// Adds a target.
    pub fn insert(&self, name: TargetName, entry: TargetEntry) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, entry);
    }

    /// Takes a target out.
    pub fn remove(&self, name: &TargetName) -> Option<TargetEntry> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name)
    }
}
