//! The files that people write, read: the one place of this crate that opens any.
#![allow(clippy::disallowed_methods, reason = "see above")]

use std::path::Path;

use crate::kinds::Kinds;
use crate::policy::{Policy, PolicyError, TargetPolicy};
use crate::template::{TemplateErrors, Templates};

impl Policy {
    /// Reads and checks a policy file that names kinds of the product.
    ///
    /// # Errors
    /// [`PolicyError`]: it cannot be read, or it is wrong; then with line, path and what was expected.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        Self::load_with(path, &Kinds::shipped())
    }

    /// As [`Self::load`], with the kinds that may be named.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(path: &Path, kinds: &Kinds) -> Result<Self, PolicyError> {
        let bytes =
            std::fs::read(path).map_err(|source| PolicyError::Read { file: path.to_owned(), source })?;
        Self::parse_bytes_with(&bytes, &path.display().to_string(), kinds)
    }
}

impl Templates {
    /// Reads the texts that a target's policy names, from its directory below `base` (the working directory: `.`).
    ///
    /// # Errors
    /// [`TemplateErrors`] with each file that is missing or refused.
    pub fn load(base: &Path, target: &TargetPolicy) -> Result<Self, TemplateErrors> {
        Self::load_with(target, |file| std::fs::read_to_string(base.join(file)))
    }
}
