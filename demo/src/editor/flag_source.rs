//! What tells the editor whom it serves: the demo's own flag system, or a flag file of flagd that somebody else keeps.

use std::fmt::Debug;
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;

use super::flag::{Flag, FlagDir};

/// Asked again and again.
pub(crate) trait FlagSource: Debug + Send + Sync {
    /// The flag as it is now; another `revision` says that it has changed.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&self) -> anyhow::Result<Flag>;

    /// Nothing that began under an older flag is under way any more.
    ///
    /// # Errors
    /// It cannot be noted.
    fn note_served(&self, flag: &Flag) -> anyhow::Result<()>;
}

impl FlagSource for FlagDir {
    fn read(&self) -> anyhow::Result<Flag> {
        Self::read(self)
    }

    fn note_served(&self, flag: &Flag) -> anyhow::Result<()> {
        Self::note_served(self, flag)
    }
}

/// One flag of a file that flagd watches: the share of its variant `on`, and the phase that Phasegate puts beside it. Real
/// applications ask flagd.
#[derive(Debug)]
pub(crate) struct FlagdFile {
    pub(crate) path: PathBuf,
    pub(crate) flag: String,
}

impl FlagSource for FlagdFile {
    fn read(&self) -> anyhow::Result<Flag> {
        let text =
            std::fs::read_to_string(&self.path).with_context(|| format!("read {}", self.path.display()))?;
        let file: Value =
            serde_json::from_str(&text).with_context(|| format!("in {}", self.path.display()))?;
        let flag = file["flags"]
            .get(&self.flag)
            .with_context(|| format!("no flag `{}` in {}", self.flag, self.path.display()))?;
        Ok(Flag {
            phase: flag["metadata"]["phase"].as_str().unwrap_or("off").to_owned(),
            audience_percent: share_of_on(&flag["targeting"]["fractional"]),
            revision: xxhash_rust::xxh3::xxh3_64(text.as_bytes()),
            phases: [].into(),
        })
    }

    fn note_served(&self, _: &Flag) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Percent; the weights are `[variant, weight]`, and add up to anything.
fn share_of_on(fractional: &Value) -> f64 {
    let weights = fractional.as_array().into_iter().flatten();
    let weights = weights.filter_map(|it| Some((it.get(0)?.as_str()?, it.get(1)?.as_f64()?)));
    let (on, all) = weights.fold((0.0, 0.0), |(on, all), (variant, weight)| {
        (if variant == "on" { on + weight } else { on }, all + weight)
    });
    if all > 0.0 { 100.0 * on / all } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flagd_file_tells_share_and_phase() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.json");
        let source = FlagdFile { path: path.clone(), flag: "autosave".to_owned() };
        let check = |flag: Value, expected: (&str, f64)| {
            let text = serde_json::json!({ "flags": { "autosave": flag } }).to_string();
            std::fs::write(&path, text).unwrap();
            let read = source.read().unwrap();
            assert_eq!((read.phase.as_str(), read.audience_percent), expected);
            read.revision
        };
        let nobody = check(serde_json::json!({ "state": "ENABLED" }), ("off", 0.0));
        let some = serde_json::json!({
            "targeting": { "fractional": [["on", 30], ["off", 70]] }, "metadata": { "phase": "B" }
        });
        assert_ne!(check(some, ("B", 30.0)), nobody);

        std::fs::write(&path, "{}").unwrap();
        let error = source.read().unwrap_err().to_string();
        assert!(error.starts_with("no flag `autosave` in "), "{error}");
    }
}
