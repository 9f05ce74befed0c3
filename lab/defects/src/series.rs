//! All patches in the order of their numbers. Each is made against the tree with those before it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::patch::Patch;
use crate::tree::Tree;

/// The switch, and the defects that ask it.
#[derive(Debug)]
pub struct Series {
    folder: PathBuf,
    patches: Vec<Patch>,
}

impl Series {
    /// The patches of a tree: `lab/defects/*.patch`.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn of(root: &Path) -> anyhow::Result<Self> {
        let folder = root.join("lab/defects");
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
            .with_context(|| format!("read {}", folder.display()))?
            .map(|entry| entry.map(|it| it.path()))
            .collect::<Result<_, _>>()?;
        files.retain(|path| path.extension().is_some_and(|it| it == "patch"));
        files.sort();
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
            Patch::parse(&path.file_stem().unwrap_or_default().to_string_lossy(), &text)
        };
        Ok(Self { patches: files.iter().map(read).collect::<anyhow::Result<_>>()?, folder })
    }

    /// All but the switch itself, which comes first.
    #[must_use]
    pub fn defects(&self) -> &[Patch] {
        self.patches.get(1..).unwrap_or_default()
    }

    /// All of them.
    ///
    /// # Errors
    /// The first that does not apply.
    pub fn apply(&self, tree: &mut Tree) -> anyhow::Result<()> {
        self.patches.iter().try_for_each(|patch| patch.apply(tree))
    }

    /// Those before the patch of that name, and what of it fits; gives back what does not.
    ///
    /// # Errors
    /// No such patch; one before it does not apply.
    pub fn apply_up_to(&self, name: &str, tree: &mut Tree) -> anyhow::Result<Vec<String>> {
        let (before, patch) = self.split(name)?;
        before.iter().try_for_each(|it| it.apply(tree))?;
        Ok(patch.apply_what_fits(tree))
    }

    /// Makes the patch of that name anew: what `edited` has beyond `tree` with the patches before it.
    ///
    /// # Errors
    /// No such patch; one before it does not apply; nothing was edited.
    pub fn refresh(&self, name: &str, mut tree: Tree, edited: &Tree) -> anyhow::Result<PathBuf> {
        let (before, patch) = self.split(name)?;
        before.iter().try_for_each(|it| it.apply(&mut tree))?;
        let path = self.folder.join(format!("{}.patch", patch.name));
        std::fs::write(&path, patch.between(&tree, edited)?)
            .with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    fn split(&self, name: &str) -> anyhow::Result<(&[Patch], &Patch)> {
        let named = |it: &Patch| it.name == name || it.switch() == name;
        let at = self.patches.iter().position(named);
        let at = at.with_context(|| format!("there is no {name}.patch in {}", self.folder.display()))?;
        ensure!(self.patches[0].name.starts_with("00-"), "the switch has to be the first patch");
        Ok((&self.patches[..at], &self.patches[at]))
    }
}
