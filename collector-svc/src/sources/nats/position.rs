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
    /// When that message was published, if it was read: another one under its number is told by it.
    pub(super) at: Option<Timestamp>,
    /// Whose messages were read up to there.
    pub(super) subject: String,
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
    pub(super) fn before_all(info: &Info, subject: &str) -> Self {
        let sequence = info.state.first_sequence.saturating_sub(1);
        Self { sequence, at: None, subject: subject.to_owned(), created: created(info), lines: 0 }
    }

    /// Whether the stream ends before it: an older state of it was put back, or the server that answers is behind.
    pub(super) fn is_beyond(&self, info: &Info) -> bool {
        self.created == created(info) && info.state.last_sequence < self.sequence
    }

    /// Whether the stream is not the one of which it says how far it was read.
    pub(super) fn is_of_another(&self, info: &Info) -> bool {
        self.created != created(info) || self.is_beyond(info)
    }

    /// Moves to what the stream still has for a subject, and says what is missing up to there. `known` are sequences up to which
    /// all that was there was looked at.
    pub(super) fn pass_gap(&mut self, info: &Info, subject: &str, known: u64) -> Option<Gap> {
        let (name, state) = (&info.config.name, &info.state);
        if self.created != created(info) {
            let what =
                format!("stream {name} as it was before {}, after message {}", created(info), self.sequence);
            *self = Self::before_all(info, subject);
            return Some(Gap { what, anew: true });
        }
        if self.is_beyond(info) {
            let what = format!(
                "stream {name}, which went back from message {} to {}",
                self.sequence, state.last_sequence
            );
            (self.sequence, self.at) = (state.last_sequence, None);
            return Some(Gap { what, anew: true });
        }
        if self.subject != subject {
            let before = std::mem::replace(&mut self.subject, subject.to_owned());
            let what = format!(
                "stream {name}, up to message {} of {subject}: it was read by {before}",
                self.sequence
            );
            return Some(Gap { what, anew: false });
        }
        let next = self.sequence.max(known) + 1;
        if state.first_sequence <= next {
            return None;
        }
        (self.sequence, self.at) = (state.first_sequence - 1, None);
        Some(Gap { what: format!("stream {name}, messages {next} to {}", self.sequence), anew: false })
    }

    /// That under its number stands another message than was read: an older state was put back and written on.
    pub(super) fn another_message(&self, info: &Info) -> Gap {
        let what = format!(
            "stream {}, whose message {} is another one than was read",
            info.config.name, self.sequence
        );
        Gap { what, anew: false }
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
