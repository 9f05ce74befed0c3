//! The files that people write, read: the one place of this crate that opens any.
#![allow(clippy::disallowed_methods, reason = "see above")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::kinds::Kinds;
use crate::policy::stream::{self, Pattern};
use crate::policy::{Policy, PolicyError, TargetPolicy, contents, parse};
use crate::template::{TemplateErrors, Templates};

/// A policy's text, put together from its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFiles {
    pub text: String,
    /// All that was read, and the directories that were looked into: as long as they are what they were, so is the text.
    pub looked_at: BTreeSet<PathBuf>,
}

impl PolicyFiles {
    /// Reads a policy's file and the files of targets that it names: the one way from files to a policy.
    ///
    /// A file that holds the whole text of a policy, as it is kept and given out, is read alone.
    ///
    /// # Errors
    /// [`PolicyError`], naming the file that cannot be read or is no text.
    pub fn read(policy: &Path) -> Result<Self, PolicyError> {
        let mut files = Self { text: String::new(), looked_at: BTreeSet::new() };
        files.text = files.text_of(policy)?;
        if !stream::is_to_be_composed(&files.text) {
            return Ok(files);
        }
        let base = policy.parent().unwrap_or(Path::new(""));
        let mut names = BTreeSet::new();
        for pattern in contents::patterns(&files.text) {
            files.list(base, &pattern, policy, &mut names)?;
        }
        for name in names {
            let path = base.join(&name);
            let text = files.text_of(&path)?;
            if let Some(line) = stream::mark_in(&text) {
                let file = path.display().to_string();
                let message = "this line stands for the beginning of another file; leave it out";
                return Err(parse::wrong_at(&file, (line as u64, 1), message));
            }
            stream::add(&mut files.text, &name, &text);
        }
        Ok(files)
    }

    fn text_of(&mut self, path: &Path) -> Result<String, PolicyError> {
        self.looked_at.insert(path.to_owned());
        let bytes = std::fs::read(path).map_err(|source| unread(path, source))?;
        let file = path.display().to_string();
        String::from_utf8(bytes)
            .map_err(|error| parse::not_text(error.as_bytes(), &error.utf8_error(), &file))
    }

    /// The names of a pattern's files that are there. The policy itself is none of them.
    fn list(
        &mut self,
        base: &Path,
        pattern: &Pattern,
        policy: &Path,
        names: &mut BTreeSet<String>,
    ) -> Result<(), PolicyError> {
        let directory = base.join(pattern.directory());
        let directory = if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory };
        if let Some(name) = pattern.only() {
            // That it is missing is told as of any pattern without files: with the place where it is asked for.
            if directory.join(name).exists() {
                names.insert(format!("{}{name}", pattern.directory()));
            }
            self.looked_at.insert(directory);
            return Ok(());
        }
        self.looked_at.insert(directory.clone());
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unread(&directory, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|source| unread(&directory, source))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_policy = policy.file_name() == Some(&entry.file_name()) && pattern.directory().is_empty();
            if pattern.takes(&name)
                && !is_policy
                && !entry.path().is_dir()
                && !name.contains(char::is_control)
            {
                names.insert(format!("{}{name}", pattern.directory()));
            }
        }
        Ok(())
    }
}

fn unread(file: &Path, source: std::io::Error) -> PolicyError {
    PolicyError::Read { file: file.to_owned(), source }
}

impl Policy {
    /// Reads and checks a policy and its files of targets; it names kinds of the product.
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
        let files = PolicyFiles::read(path)?;
        Self::parse_with(&files.text, &path.display().to_string(), kinds)
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
