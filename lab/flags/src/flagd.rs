//! flagd's own evaluator on a flag file, behind OFREP.

use std::path::Path;

use crate::program::Program;

/// A running evaluator.
pub struct Flagd {
    /// Its base URL.
    pub url: String,
    /// Answers each line with how many of a thousand users have the feature `autosave`; not those that Phasegate asks for.
    pub evaluator: Program,
}

impl Flagd {
    /// Starts one that follows the file.
    ///
    /// # Errors
    /// It is not fetched, or does not start.
    pub fn start(flags: &Path) -> anyhow::Result<Self> {
        let mut server = Program::start("flagd.mjs", &[("FLAGS", &flags.display().to_string())])?;
        let url = format!("http://127.0.0.1:{}", server.line()?);
        Ok(Self { url, evaluator: server })
    }
}
