//! A tree of text files in memory. What is not text is copied and never patched.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Path from the root, and what the file holds.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    /// The files below `root` that Git knows or would take.
    ///
    /// # Errors
    /// Git is not there or this is no work tree of it; a file cannot be read.
    pub fn tracked(root: &Path) -> anyhow::Result<Self> {
        let mut git = Command::new("git");
        git.arg("-C").arg(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let output = git.output().context("git ls-files")?;
        ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
        let names = String::from_utf8(output.stdout).context("git ls-files")?;
        // One that was deleted and is not committed yet is still named.
        let there = names.split_terminator('\0').filter(|name| root.join(name).is_file());
        Self::read(root, there)
    }

    /// These files below `root`.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn read<'a>(root: &Path, names: impl IntoIterator<Item = &'a str>) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = root.join(name);
            let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            Ok((name.to_owned(), bytes))
        };
        Ok(Self { files: names.into_iter().map(read).collect::<anyhow::Result<_>>()? })
    }

    /// In the order of their names.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// None: no such file, or it is no text.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// Makes or replaces a file.
    pub fn set(&mut self, path: &str, text: String) {
        self.files.insert(path.to_owned(), text.into_bytes());
    }

    /// Makes `root` hold these files and no others. What is the same already is not written, so that it is not built again.
    ///
    /// # Errors
    /// A file or folder cannot be written or removed.
    pub fn write(&self, root: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(root).with_context(|| format!("make {}", root.display()))?;
        self.remove_others(root, "")?;
        for (name, bytes) in &self.files {
            let path = root.join(name);
            if std::fs::read(&path).is_ok_and(|there| there == *bytes) {
                continue;
            }
            let folder = path.parent().unwrap_or(root);
            std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
            std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }

    fn remove_others(&self, root: &Path, below: &str) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(root.join(below))? {
            let entry = entry?;
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.remove_others(root, &format!("{name}/"))?;
            } else if !self.files.contains_key(&name) {
                std::fs::remove_file(entry.path()).with_context(|| format!("remove {name}"))?;
            }
        }
        Ok(())
    }
}
