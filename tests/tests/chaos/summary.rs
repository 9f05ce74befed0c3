//! What a run came to, for people.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use phasegate_tests::history::Findings;

use crate::plan::Kind;

#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) rounds: BTreeMap<Kind, usize>,
    pub(crate) recoveries: Vec<Duration>,
    pub(crate) incidents: usize,
    pub(crate) rollbacks: usize,
    pub(crate) unknown: usize,
    pub(crate) duplicates: usize,
    pub(crate) replies_lost: u64,
    pub(crate) events: u64,
}

impl Summary {
    pub(crate) fn played(&mut self, kind: Kind, recovery: Option<Duration>) {
        *self.rounds.entry(kind).or_default() += 1;
        self.recoveries.extend(recovery);
    }

    /// What a world's whole history came to.
    pub(crate) fn judged(&mut self, incidents: usize, findings: &Findings) {
        self.incidents += incidents;
        self.rollbacks += findings.rollbacks;
        self.unknown += findings.unknown;
        self.duplicates += findings.duplicates;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds: usize = self.rounds.values().sum();
        writeln!(f, "chaos: {rounds} rounds")?;
        for (kind, count) in &self.rounds {
            writeln!(f, "  {kind:?}: {count}")?;
        }
        writeln!(f, "  incidents {}, rollbacks {}, 0 lost, 0 double", self.incidents, self.rollbacks)?;
        writeln!(
            f,
            "  attempts with an unknown outcome {}, of which left a marked duplicate {}; replies cut off {}",
            self.unknown, self.duplicates, self.replies_lost
        )?;
        writeln!(f, "  telemetry events accepted, each counted once {}", self.events)?;
        let mut recoveries = self.recoveries.clone();
        recoveries.sort();
        match (recoveries.get(recoveries.len() / 2), recoveries.last()) {
            (Some(median), Some(slowest)) => write!(
                f,
                "  first decision after PostgreSQL's kill, from the server's start: median {} ms, slowest {} ms of {}",
                median.as_millis(),
                slowest.as_millis(),
                recoveries.len()
            ),
            _ => write!(f, "  first decision after PostgreSQL's kill: not measured"),
        }
    }
}
