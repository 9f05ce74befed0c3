//! How far a stream was read.

use async_nats::jetstream::stream::Info;
use domain::stored::plain;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared_types::Timestamp;

/// The one place of the source, which is called as the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Of the last message that was read, or is known not to be ours.
    pub(super) sequence: u64,
    /// When the stream was made: another one of its name begins at 1 again.
    pub(super) created: Timestamp,
    /// Lines that were read.
    pub(super) lines: u64,
}

/// What a stream lacks of what was to be read next.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) what: String,
    /// The stream is another one.
    pub(super) anew: bool,
}

impl Position {
    pub(super) fn of(cursor: &Value) -> Result<Self, String> {
        Self::deserialize(cursor).map_err(|error| format!("the position is none: {error}"))
    }

    pub(super) fn cursor(&self) -> Value {
        plain(self)
    }

    /// Where a stream begins that was never read.
    pub(super) fn before_all(info: &Info) -> Self {
        let sequence = info.state.first_sequence.saturating_sub(1);
        Self { sequence, created: created(info), lines: 0 }
    }

    /// Moves to what the stream still has, and says what is missing up to there. `known` are sequences up to which all that was
    /// there was looked at.
    pub(super) fn pass_gap(&mut self, info: &Info, known: u64) -> Option<Gap> {
        let (name, state) = (&info.config.name, &info.state);
        if self.created != created(info) {
            let what =
                format!("stream {name} as it was before {}, after message {}", created(info), self.sequence);
            *self = Self::before_all(info);
            return Some(Gap { what, anew: true });
        }
        if state.last_sequence < self.sequence {
            let what = format!(
                "stream {name}, which went back from message {} to {}",
                self.sequence, state.last_sequence
            );
            self.sequence = state.last_sequence;
            return Some(Gap { what, anew: true });
        }
        let next = self.sequence.max(known) + 1;
        if state.first_sequence <= next {
            return None;
        }
        self.sequence = state.first_sequence - 1;
        Some(Gap { what: format!("stream {name}, messages {next} to {}", self.sequence), anew: false })
    }
}

/// Of a stream: no two of a name are made within a millisecond.
fn created(info: &Info) -> Timestamp {
    moment(info.created.unix_timestamp_nanos())
}

/// Of nanoseconds since 1970.
pub(super) fn moment(ns: i128) -> Timestamp {
    Timestamp::from_millis(i64::try_from(ns / 1_000_000).unwrap_or_default())
}
