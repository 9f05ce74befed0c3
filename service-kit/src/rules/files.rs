//! Policy and texts as they stand in their files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use shared_types::TargetName;

use super::Rules;
use super::stamps::Stamps;
use domain::kinds::Kinds;
use domain::load::PolicyFiles;
use domain::policy::{Policy, PolicyError};
use domain::template::TemplateErrors;
use domain::template::texts::Texts;

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
    pub(super) fn read(&self, known: &Arc<Policy>) -> Read {
        let files = match PolicyFiles::read(&self.policy) {
            Ok(files) => files,
            Err(error) => return Read { rules: Err(error.into()), stamps: None },
        };
        let policy = if Policy::version_of(files.text.as_bytes()) == known.version {
            Ok(Arc::clone(known))
        } else {
            let file = self.policy.display().to_string();
            let read = Policy::parse_with(&files.text, &file, &known.kinds);
            read.and_then(Policy::admitted).map(Arc::new)
        };
        let mut texts = self.texts();
        let rules = policy.map_err(RulesError::from).and_then(|policy| rules(policy, texts.as_mut()));
        let base = self.base.as_deref().unwrap_or(Path::new(""));
        let texts = texts.iter().flat_map(Texts::asked_for).map(|file| base.join(file));
        let looked_at = files.looked_at.into_iter().chain(texts);
        Read { rules, stamps: Some(Stamps::of(looked_at)) }
    }

    /// The texts of a policy that was read already.
    ///
    /// # Errors
    /// [`RulesError`], naming the place.
    pub fn rules_of(&self, policy: &Arc<Policy>) -> Result<Rules, RulesError> {
        rules(Arc::clone(policy), self.texts().as_mut())
    }

    fn texts(&self) -> Option<Texts<'_>> {
        let base = self.base.as_ref()?;
        Some(Texts::new(|file| std::fs::read_to_string(base.join(file))))
    }
}

/// What the files hold, and what the file system said of them right after.
pub(super) struct Read {
    pub(super) rules: Result<Rules, RulesError>,
    /// None where it is not known which files there are.
    pub(super) stamps: Option<Stamps>,
}

/// Rules that were kept, with the texts they were kept with.
pub(super) fn checked(
    kinds: &Kinds,
    body: &str,
    kept: &BTreeMap<String, String>,
) -> Result<Rules, RulesError> {
    let policy = Arc::new(Policy::parse_with(body, "the kept policy", kinds)?);
    let mut texts = Texts::new(|file: &Path| {
        let text = kept.get(&file.display().to_string()).cloned();
        text.ok_or_else(|| std::io::Error::other("it was not kept"))
    });
    rules(policy, Some(&mut texts).filter(|_| !kept.is_empty()))
}

/// A policy with the texts that it names, each text read once.
fn rules(policy: Arc<Policy>, texts: Option<&mut Texts<'_>>) -> Result<Rules, RulesError> {
    let Some(texts) = texts else { return Ok(Rules::without_texts(policy)) };
    let mut templates = BTreeMap::new();
    for (name, target) in &policy.targets {
        let loaded = texts.of(target);
        let loaded = loaded.map_err(|source| RulesError::Texts { target: name.clone(), source })?;
        templates.insert(name.clone(), loaded);
    }
    let texts = texts.read();
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
