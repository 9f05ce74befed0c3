//! The demo's workload: a small editor that really saves documents, for a few hundred users, and serves a
//! new merge to those whom the flag file lets in.
//!
//! It runs as a process of its own and knows nothing of Phasegate: it reads a flag file and writes or pushes
//! telemetry, as any application would. Its slowness in the broad phase is real (see `merge`), and so
//! is its recovery.

pub(crate) mod audience;
pub(crate) mod document;
pub(crate) mod flag;
pub(crate) mod flag_source;
mod lock;
mod merge;
pub(crate) mod push;
mod session;
mod shared;
pub(crate) mod telemetry;
pub(crate) mod tuning;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use self::audience::{population, served};
use self::document::Document;
use self::flag::{Flag, FlagDir};
use self::flag_source::FlagSource;
use self::session::Session;
use self::shared::Shared;
use self::telemetry::Telemetry;
use self::tuning::{LimitB, Tuning, measure, tune};

/// How often the flag file is looked at.
const FLAG_POLL: Duration = Duration::from_millis(20);

/// Where the editor's things are.
#[derive(Debug, Clone)]
pub(crate) struct EditorDirs {
    pub(crate) flag: PathBuf,
    pub(crate) documents: PathBuf,
    pub(crate) telemetry: PathBuf,
}

impl EditorDirs {
    pub(crate) fn under(root: &Path) -> Self {
        Self {
            flag: root.join("flag"),
            documents: root.join("documents"),
            telemetry: root.join("telemetry").join("autosave"),
        }
    }
}

/// Measures the machine and sets sizes for `users` users.
pub(crate) fn calibrate(
    dirs: &EditorDirs,
    users: u64,
    audiences: &BTreeMap<String, f64>,
    limit_b: LimitB,
) -> anyhow::Result<Tuning> {
    let people = population(users);
    let share = |phase: &str| served(&people, audiences.get(phase).copied().unwrap_or(0.0));
    let measured = measure(&dirs.documents.join("calibration")).context("calibrate")?;
    Ok(tune(measured, limit_b, people.len(), share("A"), share("B")))
}

/// A running editor.
pub(crate) struct Editor {
    shared: Arc<Shared>,
    flags: Box<dyn FlagSource>,
    sessions: Vec<std::thread::JoinHandle<std::io::Result<()>>>,
}

impl Editor {
    /// Follows the flag in its directory, and writes telemetry to its file.
    pub(crate) fn start(dirs: &EditorDirs, tuning: Tuning) -> anyhow::Result<Self> {
        let telemetry = Telemetry::open(&dirs.telemetry).context("open the telemetry file")?;
        Self::with(dirs, tuning, Box::new(FlagDir::at(&dirs.flag)), telemetry)
    }

    /// Opens a document and a session for every user.
    pub(crate) fn with(
        dirs: &EditorDirs,
        tuning: Tuning,
        flags: Box<dyn FlagSource>,
        telemetry: Telemetry,
    ) -> anyhow::Result<Self> {
        let flag = flags.read()?;
        let shared = Arc::new(Shared::new(tuning, telemetry, flag.clone()));
        let mut sessions = Vec::new();
        for (number, user) in population(u64::try_from(shared.tuning.users)?).into_iter().enumerate() {
            let dir = dirs.documents.join(&user.name);
            let document = Document::create(&dir, "Minutes", shared.tuning.document_lines)?;
            let random = SmallRng::seed_from_u64(u64::try_from(number)?);
            let session = Session::new(user, document, random);
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().stack_size(256 * 1024);
            sessions.push(thread.spawn(move || session.run(&shared))?);
        }
        flags.note_served(&flag)?;
        Ok(Self { shared, flags, sessions })
    }

    /// Follows the flag file until `done` says so.
    pub(crate) fn follow_flag(&self, done: impl Fn() -> bool) -> anyhow::Result<()> {
        while !done() && self.shared.pause(FLAG_POLL) {
            let flag = self.flags.read()?;
            if flag.revision != self.shared.flag().revision {
                self.serve(&flag)?;
            }
        }
        Ok(())
    }

    /// Puts the flag in force and says so once nothing is under way that began before.
    fn serve(&self, flag: &Flag) -> anyhow::Result<()> {
        let old = self.shared.replace_flag(flag.clone());
        while Arc::strong_count(&old) > 1 {
            if !self.shared.pause(Duration::from_millis(2)) {
                return Ok(());
            }
        }
        self.flags.note_served(flag)
    }

    /// Ends all sessions.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.shared.stop();
        for session in self.sessions {
            session.join().map_err(|_| anyhow::anyhow!("a session panicked"))?.context("a session failed")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
