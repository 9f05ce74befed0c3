//! What the gate remembers of a target between two windows.

use shared_types::{Epoch, PhaseId, TargetName};

use super::run::Run;
use super::watch::Watch;

/// A target's run and watch, with the version they were read at.
#[derive(Debug, Clone, PartialEq)]
pub struct GateState {
    pub target: TargetName,
    /// 0: not stored yet.
    pub version: i64,
    /// The phase and run of the newest epoch a batch or event came from.
    pub run: Option<(PhaseId, Run)>,
    pub watch: Option<Watch>,
}

impl GateState {
    /// Nothing heard yet.
    #[must_use]
    pub fn unheard(target: TargetName) -> Self {
        Self { target, version: 0, run: None, watch: None }
    }

    /// The newest epoch known, from batches or from the watch.
    #[must_use]
    pub fn newest_epoch(&self) -> Option<Epoch> {
        let run = self.run.as_ref().map(|(_, run)| run.epoch);
        run.max(self.watch.as_ref().map(|watch| watch.epoch))
    }
}
