//! The places a run can be interrupted at, and what can happen there.

use std::time::Duration;

/// A kind of boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Before a transaction.
    Begin,
    /// All written, nothing durable.
    Commit,
    /// Durable, and nobody knows yet.
    Committed,
    /// Before a request is sent.
    Send,
    /// The receiver has done it and has not answered.
    Served,
    /// The answer is there.
    Answered,
    /// Before a vendor or a command is asked.
    Ask,
    /// It has done it and has not answered.
    Effect,
    /// It has answered.
    Told,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Begin,
        Self::Commit,
        Self::Committed,
        Self::Send,
        Self::Served,
        Self::Answered,
        Self::Ask,
        Self::Effect,
        Self::Told,
    ];

    /// Whether a task may be kept waiting here: not while it holds the connection.
    #[must_use]
    pub fn may_stop(self) -> bool {
        self != Self::Commit
    }

    /// For traces and counters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Begin => "before begin",
            Self::Commit => "before commit",
            Self::Committed => "after commit",
            Self::Send => "before send",
            Self::Served => "before reply",
            Self::Answered => "after reply",
            Self::Ask => "before effect",
            Self::Effect => "after effect",
            Self::Told => "after answer",
        }
    }

    /// The counter of kills here.
    #[must_use]
    pub fn killed(self) -> &'static str {
        match self {
            Self::Begin => "kill before begin",
            Self::Commit => "kill before commit",
            Self::Committed => "kill after commit",
            Self::Send => "kill before send",
            Self::Served => "kill before reply",
            Self::Answered => "kill after reply",
            Self::Ask => "kill before effect",
            Self::Effect => "kill after effect",
            Self::Told => "kill after answer",
        }
    }
}

/// What happens at a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Go,
    /// The replica ends here.
    Kill,
    /// The replica stands still here for so long.
    Pause(Duration),
    /// The caller is told that it failed.
    Fail,
}
