//! The policy's file: the only place that reads it.

use std::path::Path;

use crate::policy::{Policy, PolicyError};

impl Policy {
    /// Reads and checks a policy file.
    ///
    /// # Errors
    /// [`PolicyError`]: it cannot be read, or it is wrong; then with line, path and what was expected.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let bytes =
            std::fs::read(path).map_err(|source| PolicyError::Read { file: path.to_owned(), source })?;
        Self::parse_bytes(&bytes, &path.display().to_string())
    }
}
