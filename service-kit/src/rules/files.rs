//! Policy and texts as they stand in their files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use shared_types::TargetName;

use super::Rules;
use domain::kinds::Kinds;
use domain::policy::{Policy, PolicyError};
use domain::template::{TemplateErrors, Templates};

/// Why what stands in the files cannot be used; one line.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("target {target}")]
    Texts { target: TargetName, source: TemplateErrors },
}

/// Where they are.
#[derive(Debug, Clone)]
pub struct RulesFiles {
    policy: PathBuf,
    /// What the policy's directories of texts are relative to; `None`: no texts are read.
    base: Option<PathBuf>,
}

impl RulesFiles {
    /// The policy alone.
    #[must_use]
    pub fn policy(policy: &Path) -> Self {
        Self { policy: policy.to_owned(), base: None }
    }

    /// The policy, and the texts it names below `base`.
    #[must_use]
    pub fn with_texts(policy: &Path, base: &Path) -> Self {
        Self { policy: policy.to_owned(), base: Some(base.to_owned()) }
    }

    /// Reads and checks all of it, lint included. A policy that `known` holds already is not parsed again.
    ///
    /// # Errors
    /// [`RulesError`], naming the place.
    pub fn read(&self, known: &Arc<Policy>) -> Result<Rules, RulesError> {
        let file = self.policy.clone();
        let bytes = std::fs::read(&file).map_err(|source| PolicyError::Read { file, source })?;
        let policy = if Policy::version_of(&bytes) == known.version {
            Arc::clone(known)
        } else {
            let read = Policy::parse_bytes_with(&bytes, &self.policy.display().to_string(), &known.kinds);
            Arc::new(read.and_then(Policy::admitted)?)
        };
        match &self.base {
            None => Ok(Rules::without_texts(policy)),
            Some(base) => with_texts(policy, |file| std::fs::read_to_string(base.join(file))),
        }
    }

    /// The texts of a policy that was read already.
    ///
    /// # Errors
    /// [`RulesError`], naming the place.
    pub fn rules_of(&self, policy: &Arc<Policy>) -> Result<Rules, RulesError> {
        match &self.base {
            None => Ok(Rules::without_texts(Arc::clone(policy))),
            Some(base) => with_texts(Arc::clone(policy), |file| std::fs::read_to_string(base.join(file))),
        }
    }
}

/// Rules that were kept, with the texts they were kept with.
pub(super) fn checked(
    kinds: &Kinds,
    body: &str,
    texts: &BTreeMap<String, String>,
) -> Result<Rules, RulesError> {
    let policy = Arc::new(Policy::parse_with(body, "the kept policy", kinds)?);
    if texts.is_empty() {
        return Ok(Rules::without_texts(policy));
    }
    with_texts(policy, |file| {
        let text = texts.get(&file.display().to_string()).cloned();
        text.ok_or_else(|| std::io::Error::other("it was not kept"))
    })
}

fn with_texts(
    policy: Arc<Policy>,
    read: impl Fn(&Path) -> std::io::Result<String>,
) -> Result<Rules, RulesError> {
    let texts = RefCell::new(BTreeMap::new());
    let keeping = |file: &Path| {
        let text = read(file)?;
        texts.borrow_mut().insert(file.display().to_string(), text.clone());
        Ok(text)
    };
    let mut templates = BTreeMap::new();
    for (name, target) in &policy.targets {
        let loaded = Templates::load_with(target, keeping)
            .map_err(|source| RulesError::Texts { target: name.clone(), source })?;
        templates.insert(name.clone(), loaded);
    }
    let texts = texts.into_inner();
    Ok(Rules { policy, templates, texts_version: version_of(&texts), texts })
}

/// `sha256:<hex>` over names and texts, each with its length before it.
fn version_of(texts: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    for part in texts.iter().flat_map(|(name, text)| [name, text]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
