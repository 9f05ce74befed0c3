//! One version of the rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::policy::Policy;
use domain::template::Templates;
use shared_types::{TargetName, Timestamp};

/// Which rules: the hash of the policy's bytes, and that of the texts beside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RulesId {
    /// `sha256:<hex>`; what decisions and approvals name.
    pub version: String,
    /// `sha256:<hex>`; empty where a service sends no texts.
    pub texts_version: String,
}

/// One version of the policy with the texts of its messages, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    pub policy: Arc<Policy>,
    /// Of each target; empty where a service sends no texts.
    pub templates: BTreeMap<TargetName, Arc<Templates>>,
    pub(super) texts_version: String,
    /// As they were read, by file name.
    pub(super) texts: BTreeMap<String, String>,
}

impl Rules {
    /// For a service that sends no texts.
    #[must_use]
    pub fn without_texts(policy: Arc<Policy>) -> Self {
        Self { policy, templates: BTreeMap::new(), texts_version: String::new(), texts: BTreeMap::new() }
    }

    /// With texts that were checked elsewhere; such rules are never kept.
    #[must_use]
    pub fn with_templates(policy: Arc<Policy>, templates: BTreeMap<TargetName, Templates>) -> Self {
        let templates = templates.into_iter().map(|(name, texts)| (name, Arc::new(texts))).collect();
        Self { templates, ..Self::without_texts(policy) }
    }

    #[must_use]
    pub fn id(&self) -> RulesId {
        RulesId { version: self.policy.version.clone(), texts_version: self.texts_version.clone() }
    }
}

/// A version taken over, in the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// 1, 2, 3 …: the same from every replica.
    pub number: i64,
    /// Windows that begin from then on go by it.
    pub in_force_from: Timestamp,
    /// None: it was the first.
    pub before: Option<RulesId>,
    pub id: RulesId,
}
