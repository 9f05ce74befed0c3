//! `phasegate demo-editor` (hidden): the demo's workload as a process of its own.
//!
//! Prints its calibration as one JSON line when it is ready, and ends when its standard input does, so that
//! it cannot outlive the demo.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use service_kit::shutdown::when_input_ends;

use crate::editor::flag::FlagDir;
use crate::editor::tuning::LimitB;
use crate::editor::{Editor, EditorDirs, calibrate};

/// Run the demo's editor (started by `demo`)
#[derive(Debug, clap::Args)]
pub struct EditorArgs {
    /// Directory of flag, documents and telemetry
    #[arg(long)]
    dir: PathBuf,
    /// How many people use it
    #[arg(long, default_value_t = 260, value_parser = clap::value_parser!(u64).range(1..=2000))]
    users: u64,
}

impl EditorArgs {
    /// Until standard input ends.
    ///
    /// # Errors
    /// A directory or file that cannot be written.
    pub fn run(self) -> anyhow::Result<()> {
        let dirs = EditorDirs::under(&self.dir);
        let flag = FlagDir::at(&dirs.flag).read()?;
        let tuning = calibrate(&dirs, self.users, &flag.phases, LimitB::Measured)?;
        let ready = serde_json::to_string(&tuning)?;
        let editor = Editor::start(&dirs, tuning)?;
        writeln!(std::io::stdout(), "{ready}")?;
        let input_ended = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&input_ended);
        when_input_ends(move || ended.store(true, Ordering::SeqCst));
        editor.follow_flag(|| input_ended.load(Ordering::SeqCst))?;
        editor.stop()
    }
}
