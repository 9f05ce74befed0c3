//! A document on disk, saved so that a crash at any instant leaves a whole one.
//!
//! `current.json` is the text, `index.json` says which generation it should be and which older ones are
//! kept under `history/`. Both are written beside, synced and renamed into place. The two can only differ
//! if something went wrong in between, and that is what [`Document::drift`] looks for.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Generations kept under `history/`.
const MAX_GENERATIONS: usize = 5;

/// One user's document.
#[derive(Debug)]
pub(crate) struct Document {
    dir: PathBuf,
    index: Index,
    lines: Vec<String>,
    line_hashes: Vec<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Current<'t> {
    generation: u64,
    hash: String,
    merged_with: u64,
    conflicts: u64,
    #[serde(borrow)]
    lines: Vec<std::borrow::Cow<'t, str>>,
}

/// Only what the comparison needs; the text is skipped.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct CurrentHead {
    generation: u64,
    hash: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Index {
    generation: u64,
    hash: String,
    /// Kept generations, oldest first.
    history: Vec<u64>,
}

impl Document {
    /// A new document from the common template, already saved once.
    pub(crate) fn create(dir: &Path, title: &str, lines: usize) -> io::Result<Self> {
        fs::create_dir_all(dir.join("history"))?;
        let text = |number: usize| {
            if number == 0 { format!("# {title}") } else { format!("{number:04} agenda item") }
        };
        let lines: Vec<String> = (0..lines.max(1)).map(text).collect();
        let line_hashes = lines.iter().map(|line| hash_line(line)).collect();
        let mut document = Self { dir: dir.to_owned(), index: Index::default(), lines, line_hashes };
        document.save(0, 0)?;
        Ok(document)
    }

    /// Replaces one line, as typing does.
    pub(crate) fn edit(&mut self, line: usize, text: String) {
        let line = line % self.lines.len();
        self.line_hashes[line] = hash_line(&text);
        self.lines[line] = text;
    }

    /// The lines' hashes, for a merge.
    pub(crate) fn line_hashes(&self) -> &[u64] {
        &self.line_hashes
    }

    pub(crate) fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// Saves text and index durably and drops generations that are no longer kept.
    pub(crate) fn save(&mut self, merged_with: u64, conflicts: u64) -> io::Result<()> {
        let generation = self.index.generation + 1;
        let hash = self.hash();
        let lines = self.lines.iter().map(|line| line.as_str().into()).collect();
        let current = Current { generation, hash: hash.clone(), merged_with, conflicts, lines };
        let mut index = Index { generation, hash, history: self.index.history.clone() };
        index.history.push(generation);
        let excess = index.history.len().saturating_sub(MAX_GENERATIONS);
        let dropped: Vec<u64> = index.history.drain(..excess).collect();

        let kept = self.generation_path(generation);
        write_synced(&kept, &serde_json::to_vec(&current)?)?;
        // The generation and the current text are one file under two names, as nothing is written in place.
        let next = self.dir.join(".current.json.new");
        remove_if_there(&next)?;
        fs::hard_link(&kept, &next)?;
        fs::rename(&next, self.dir.join("current.json"))?;
        replace_synced(&self.dir, "index.json", &serde_json::to_vec(&index)?)?;
        sync_dir(&self.dir)?;
        self.index = index;
        for generation in dropped {
            remove_if_there(&self.generation_path(generation))?;
        }
        Ok(())
    }

    /// Reads both files back and says how they differ, if they do.
    pub(crate) fn drift(&self) -> io::Result<Option<String>> {
        let current: CurrentHead = serde_json::from_slice(&fs::read(self.dir.join("current.json"))?)?;
        let index: Index = serde_json::from_slice(&fs::read(self.dir.join("index.json"))?)?;
        let expected = CurrentHead { generation: index.generation, hash: index.hash };
        if current == expected {
            return Ok(None);
        }
        Ok(Some(format!(
            "current.json is generation {}, index.json says {}",
            current.generation, expected.generation
        )))
    }

    fn hash(&self) -> String {
        let bytes: Vec<u8> = self.line_hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes))
    }

    fn generation_path(&self, generation: u64) -> PathBuf {
        self.dir.join("history").join(format!("{generation:08}.json"))
    }
}

/// Writes `name` in `dir` beside, syncs it, and renames it into place: readers see the old or the new one.
pub(crate) fn replace_synced(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!(".{name}.new"));
    write_synced(&temporary, bytes)?;
    fs::rename(&temporary, dir.join(name))
}

/// Makes renames in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn hash_line(line: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(dir: &Path) -> Document {
        Document::create(dir, "minutes", 40).unwrap()
    }

    #[test]
    fn a_saved_document_is_whole_and_without_drift() {
        let dir = tempfile::tempdir().unwrap();
        let mut document = document(dir.path());
        document.edit(7, "0007 decided".to_owned());
        document.save(3, 1).unwrap();

        assert_eq!(document.drift().unwrap(), None);
        let bytes = fs::read(dir.path().join("current.json")).unwrap();
        let current: Current<'_> = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((current.generation, current.merged_with, current.conflicts), (2, 3, 1));
        assert_eq!(current.lines[7], "0007 decided");
    }

    #[test]
    fn only_the_newest_generations_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut document = document(dir.path());
        for _ in 0..9 {
            document.save(0, 0).unwrap();
        }
        let mut kept: Vec<_> = fs::read_dir(dir.path().join("history"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        kept.sort();
        assert_eq!(
            kept,
            ["00000006.json", "00000007.json", "00000008.json", "00000009.json", "00000010.json"]
        );
    }

    #[test]
    fn a_difference_between_current_and_index_is_drift() {
        let dir = tempfile::tempdir().unwrap();
        let mut document = document(dir.path());
        let old = fs::read(dir.path().join("index.json")).unwrap();
        document.save(0, 0).unwrap();
        fs::write(dir.path().join("index.json"), old).unwrap();

        let drift = document.drift().unwrap();
        assert_eq!(drift.as_deref(), Some("current.json is generation 2, index.json says 1"));
    }
}
