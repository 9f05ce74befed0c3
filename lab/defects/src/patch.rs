//! A patch: the unified format, with what it is about before the first file.
//!
//! Line numbers are not looked at. What a hunk replaces (its context and what it takes away) must stand in the file exactly
//! once: so code above may come and go, and a wrong place is never patched.

use std::fmt::Write as _;

use anyhow::{Context as _, bail, ensure};
use similar::TextDiff;

use crate::tree::Tree;

/// A patch and what it says of itself.
#[derive(Debug, Clone)]
pub struct Patch {
    /// Of its file, as `06-skip-fencing`.
    pub name: String,
    /// What stands before the first file, as it is.
    header: String,
    edits: Vec<Edit>,
}

#[derive(Debug, Clone)]
struct Edit {
    path: String,
    hunks: Vec<Hunk>,
}

/// Lines with their ends.
#[derive(Debug, Clone, Default)]
struct Hunk {
    old: String,
    new: String,
}

/// Lines of context around a change; more where the place would not be the only one.
const CONTEXT: std::ops::RangeInclusive<usize> = 2..=12;

impl Patch {
    /// Reads the text of a patch.
    ///
    /// # Errors
    /// It is not in the unified format.
    pub fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        let begins = text.find("--- ").filter(|at| *at == 0 || text[..*at].ends_with('\n'));
        let (header, rest) = text.split_at(begins.with_context(|| format!("{name}: no file is named"))?);
        let mut edits: Vec<Edit> = Vec::new();
        for line in rest.split_inclusive('\n') {
            if line.starts_with("--- ") {
                continue; // the name that counts is the new one; a new file has no old one
            }
            if let Some(path) = line.strip_prefix("+++ b/") {
                edits.push(Edit { path: path.trim_end().to_owned(), hunks: Vec::new() });
                continue;
            }
            let edit = edits.last_mut().with_context(|| format!("{name}: `{}`", line.trim_end()))?;
            if line.starts_with("@@") {
                edit.hunks.push(Hunk::default());
                continue;
            }
            let hunk = edit.hunks.last_mut().with_context(|| format!("{name}: no @@ before a line"))?;
            match line.split_at_checked(1) {
                Some((" ", both)) => {
                    hunk.old.push_str(both);
                    hunk.new.push_str(both);
                }
                Some(("-", old)) => hunk.old.push_str(old),
                Some(("+", new)) => hunk.new.push_str(new),
                _ => bail!("{name}: `{}` is no line of a patch", line.trim_end()),
            }
        }
        Ok(Self { name: name.to_owned(), header: header.to_owned(), edits })
    }

    /// The same patch as the difference between two trees.
    ///
    /// # Errors
    /// They do not differ, or a place cannot be told from others.
    pub fn between(&self, before: &Tree, after: &Tree) -> anyhow::Result<String> {
        let mut text = self.header.clone();
        let mut differ = false;
        for path in before.paths().chain(after.paths()) {
            let (old, new) = (before.text(path), after.text(path));
            if old == new || text.contains(&format!("\n+++ b/{path}\n")) {
                continue;
            }
            differ = true;
            let new = new.with_context(|| format!("{}: {path} is gone", self.name))?;
            text.push_str(&difference(path, old, new).with_context(|| self.name.clone())?);
        }
        ensure!(differ, "{}: the copy is as it was before this patch", self.name);
        Ok(text)
    }

    /// What it says after this word and a colon, before the first file.
    #[must_use]
    pub fn says(&self, what: &str) -> Option<&str> {
        self.header.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(": "))
    }

    /// What switches it on: its name without the number.
    #[must_use]
    pub fn switch(&self) -> &str {
        self.name.split_once('-').map_or(&self.name, |(_, switch)| switch)
    }

    /// The promises that it must break.
    #[must_use]
    pub fn caught_by(&self) -> Vec<&str> {
        self.says("Caught by").into_iter().flat_map(|names| names.split("; ")).collect()
    }

    /// Whether each of its edits but in new files asks the switch.
    #[must_use]
    pub fn asks_its_switch(&self) -> bool {
        let question = format!("planted::is(\"{}\")", self.switch());
        let all_new = |edit: &Edit| edit.hunks.iter().map(|hunk| hunk.new.as_str()).collect::<String>();
        self.edits.iter().all(|edit| all_new(edit).contains(&question))
    }

    /// Applies it whole.
    ///
    /// # Errors
    /// A hunk's place is not there, or not the only one; the tree is then as it was for the rest of that file.
    pub fn apply(&self, tree: &mut Tree) -> anyhow::Result<()> {
        let misfits = self.apply_what_fits(tree);
        ensure!(misfits.is_empty(), "{}.patch does not apply: {}", self.name, misfits.join("\n"));
        Ok(())
    }

    /// Applies the hunks that fit, and says why the others do not.
    #[must_use]
    pub fn apply_what_fits(&self, tree: &mut Tree) -> Vec<String> {
        let mut misfits = Vec::new();
        for Edit { path, hunks } in &self.edits {
            for hunk in hunks {
                match applied(tree, path, hunk) {
                    Ok(text) => tree.set(path, text),
                    Err(why) => misfits.push(why),
                }
            }
        }
        misfits
    }
}

fn applied(tree: &Tree, path: &str, hunk: &Hunk) -> Result<String, String> {
    let Some(text) = tree.text(path) else {
        if hunk.old.is_empty() {
            return Ok(hunk.new.clone());
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        let like: Vec<&str> = tree.paths().filter(|it| it.rsplit('/').next() == Some(name)).collect();
        return Err(format!("there is no {path} (of that name: {})", like.join(", ")));
    };
    match places(text, &hunk.old).as_slice() {
        [at] => Ok(format!("{}{}{}", &text[..*at], hunk.new, &text[at + hunk.old.len()..])),
        found => Err(format!("{path} has these lines {} times, not once:\n{}", found.len(), hunk.old)),
    }
}

/// Where these whole lines stand.
fn places(text: &str, lines: &str) -> Vec<usize> {
    let starts_line = |at: &usize| *at == 0 || text.as_bytes()[at - 1] == b'\n';
    if lines.is_empty() {
        return Vec::new();
    }
    text.match_indices(lines).map(|(at, _)| at).filter(starts_line).collect()
}

/// As little context as makes each place the only one.
fn difference(path: &str, old: Option<&str>, new: &str) -> anyhow::Result<String> {
    let from = old.map_or_else(|| "/dev/null".to_owned(), |_| format!("a/{path}"));
    let old = old.unwrap_or_default();
    let diff = TextDiff::from_lines(old, new);
    for context in CONTEXT {
        let mut text = String::new();
        let mut unified = diff.unified_diff();
        write!(text, "{}", unified.context_radius(context).header(&from, &format!("b/{path}")))?;
        let hunks = Patch::parse(path, &text)?.edits.into_iter().flat_map(|edit| edit.hunks);
        if hunks.into_iter().all(|hunk| hunk.old.is_empty() || places(old, &hunk.old).len() == 1) {
            return Ok(text);
        }
    }
    bail!("{path}: the place of a change cannot be told from others")
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
