//! The demo's flag system: one JSON file that is replaced atomically, a journal of every change to it, and
//! a note by the editor of what it serves.
//!
//! A change names the phase to reach, so making it twice changes nothing the second time, and the journal
//! tells the two apart. "Served" is more than "written": it is said only when no save begun under an older
//! flag is still under way.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::document::{replace_synced, sync_dir};

/// The flag as the editor reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flag {
    pub(crate) phase: String,
    pub(crate) audience_percent: f64,
    /// Grows with every change.
    pub(crate) revision: u64,
    /// Audience of every phase there is, in percent.
    pub(crate) phases: BTreeMap<String, f64>,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct JournalEntry {
    pub(crate) at: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) revision: u64,
    /// False: the flag was there already, nothing was changed.
    pub(crate) changed: bool,
}

/// What the editor serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Served {
    phase: String,
    revision: u64,
}

/// The directory of one flag: `flag.json`, `journal.jsonl`, `served.json`.
#[derive(Debug, Clone)]
pub(crate) struct FlagDir(PathBuf);

impl FlagDir {
    pub(crate) fn at(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// Writes the first flag: phase `off`, nobody served.
    pub(crate) fn create(&self, phases: &BTreeMap<String, f64>) -> anyhow::Result<()> {
        fs::create_dir_all(&self.0).with_context(|| format!("make {}", self.0.display()))?;
        let phase = "off".to_owned();
        self.write(&Flag { phase, audience_percent: 0.0, revision: 1, phases: phases.clone() })
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("flag.json")
    }

    pub(crate) fn journal_file(&self) -> PathBuf {
        self.0.join("journal.jsonl")
    }

    pub(crate) fn read(&self) -> anyhow::Result<Flag> {
        read_json(&self.file())
    }

    /// Moves the flag to `phase` and journals it; one change at a time, whoever makes it.
    pub(crate) fn set(&self, phase: &str) -> anyhow::Result<JournalEntry> {
        let guard = OpenOptions::new().create(true).append(true).open(self.0.join(".lock"))?;
        rustix::fs::flock(&guard, rustix::fs::FlockOperation::LockExclusive).context("lock the flag")?;
        let old = self.read()?;
        let Some(audience_percent) = old.phases.get(phase).copied() else {
            let known = old.phases.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            bail!("no phase `{phase}`: the flag knows {known}");
        };
        let changed = old.phase != phase;
        let revision = old.revision + u64::from(changed);
        let from = old.phase.clone();
        if changed {
            self.write(&Flag { phase: phase.to_owned(), audience_percent, revision, ..old })?;
        }
        let at = format!("{:.3}", jiff::Timestamp::now());
        let entry = JournalEntry { at, from, to: phase.to_owned(), revision, changed };
        self.append(&entry)?;
        Ok(entry)
    }

    /// Every change so far, oldest first.
    pub(crate) fn journal(&self) -> anyhow::Result<Vec<JournalEntry>> {
        let path = self.journal_file();
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let parse = |line: &str| serde_json::from_str(line).with_context(|| format!("in {}", path.display()));
        text.lines().map(parse).collect()
    }

    /// The editor says what it serves.
    pub(crate) fn note_served(&self, flag: &Flag) -> anyhow::Result<()> {
        let served = Served { phase: flag.phase.clone(), revision: flag.revision };
        Ok(replace_synced(&self.0, "served.json", &serde_json::to_vec(&served)?)?)
    }

    /// Waits until the editor serves what the flag says, and returns that phase.
    pub(crate) fn wait_until_served(&self, patience: Duration) -> anyhow::Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            let flag = self.read()?;
            let served: Option<Served> = read_json(&self.0.join("served.json")).ok();
            if served.as_ref().is_some_and(|served| served.revision == flag.revision) {
                return Ok(flag.phase);
            }
            if Instant::now() >= deadline {
                let now = served.map_or("nothing".to_owned(), |served| format!("phase {}", served.phase));
                bail!("the flag says phase {}, but the editor serves {now}", flag.phase);
            }
            std::thread::sleep(Duration::from_millis(10)); // files have no portable wake-up
        }
    }

    fn write(&self, flag: &Flag) -> anyhow::Result<()> {
        replace_synced(&self.0, "flag.json", &serde_json::to_vec_pretty(flag)?)
            .with_context(|| format!("write {}", self.file().display()))?;
        Ok(sync_dir(&self.0)?)
    }

    fn append(&self, entry: &JournalEntry) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let path = self.journal_file();
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.write_all(&line)
            .and_then(|()| file.sync_all())
            .with_context(|| format!("append to {}", path.display()))
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("in {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag_dir(dir: &Path) -> FlagDir {
        let flags = FlagDir::at(dir);
        let phases = [("off", 0.0), ("A", 5.0), ("B", 30.0)].map(|(id, audience)| (id.to_owned(), audience));
        flags.create(&phases.into()).unwrap();
        flags
    }

    /// RB-3: the command names the phase to reach, so running it again is harmless, and can be told.
    #[test]
    fn the_second_of_two_equal_changes_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let flags = flag_dir(dir.path());
        flags.set("B").unwrap();
        flags.set("A").unwrap();
        flags.set("A").unwrap();

        let flag = flags.read().unwrap();
        assert_eq!((flag.phase.as_str(), flag.audience_percent, flag.revision), ("A", 5.0, 3));
        let changed: Vec<bool> = flags.journal().unwrap().iter().map(|entry| entry.changed).collect();
        assert_eq!(changed, [true, true, false]);
    }

    #[test]
    fn an_unknown_phase_is_refused_with_the_ones_there_are() {
        let dir = tempfile::tempdir().unwrap();
        let error = flag_dir(dir.path()).set("Z").unwrap_err();
        assert_eq!(error.to_string(), "no phase `Z`: the flag knows A, B, off");
    }

    #[test]
    fn a_flag_that_the_editor_does_not_serve_is_not_read_back_as_served() {
        let dir = tempfile::tempdir().unwrap();
        let flags = flag_dir(dir.path());
        flags.note_served(&flags.read().unwrap()).unwrap();
        flags.set("A").unwrap();
        let error = flags.wait_until_served(Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "the flag says phase A, but the editor serves phase off");

        flags.note_served(&flags.read().unwrap()).unwrap();
        assert_eq!(flags.wait_until_served(Duration::ZERO).unwrap(), "A");
    }
}
