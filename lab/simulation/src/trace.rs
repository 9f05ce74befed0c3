//! What happened, in lines without random ids and without the machine's time: equal seeds give equal bytes. And how
//! often each kind of thing was met, so that a proof over nothing shows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use shared_types::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

use crate::boundary::{Kind, Verdict};
use crate::replica::ReplicaId;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    text: String,
    met: BTreeMap<&'static str, u64>,
    /// Boundaries where nothing happened are lines too.
    verbose: bool,
}

impl Trace {
    /// `verbose`: with a line for each boundary.
    #[must_use]
    pub fn new(verbose: bool) -> Self {
        Self { verbose, ..Self::default() }
    }

    /// Adds a line.
    pub fn line(&mut self, now: Timestamp, what: &str) {
        writeln!(self.text, "{now} {what}").ok();
    }

    /// Counts.
    pub fn met(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    /// A boundary and what happened there.
    pub fn boundary(
        &mut self,
        now: Timestamp,
        number: u64,
        owner: Option<ReplicaId>,
        kind: Kind,
        what: &str,
        verdict: Verdict,
    ) {
        match verdict {
            Verdict::Go => {}
            Verdict::Kill => self.met(kind.killed()),
            Verdict::Pause(_) => self.met("pauses"),
            Verdict::Fail => self.met("lost commits"),
        }
        if self.verbose || verdict != Verdict::Go {
            let owner = owner.map_or_else(|| "outside".to_owned(), |owner| owner.to_string());
            let line = format!("#{number} {owner} {} {what}: {verdict:?}", kind.name());
            self.line(now, &line);
        }
    }

    /// The lines.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A number that stands for all lines.
    #[must_use]
    pub fn digest(&self) -> u64 {
        xxh3_64(self.text.as_bytes())
    }

    /// How often each kind of thing was met.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.met
    }
}
