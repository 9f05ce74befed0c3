//! Where telemetry comes from. A source hands over parsed records and how far it got; it keeps no counts and
//! decides nothing. What it hands over is durable only once the worker has committed it.

mod files;
mod jsonl;
mod push;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::event::EventSpecs;
use crate::records::Records;
use crate::store::Position;

pub use files::expand as expand_patterns;
pub use jsonl::JsonlSource;
pub use push::{Push, PushQueue, PushReply, PushSource, Receipt};

/// By file id, with everything handed over so far counted in.
pub type Positions = HashMap<String, Position>;

/// Records from one place.
#[derive(Debug)]
pub struct Part {
    pub records: Records,
    /// What they were read with.
    pub specs: Arc<EventSpecs>,
    pub origin: Origin,
}

/// Where a part came from, so that its malformed lines can be told there.
#[derive(Debug)]
pub enum Origin {
    /// A file; its first line here is number `line + 1` of it.
    File { file_id: String, line: u64 },
    /// A push that waits for its answer.
    Push(Receipt),
}

/// What one read gave.
#[derive(Debug, Default)]
pub struct Input {
    pub parts: Vec<Part>,
    /// Those that moved on.
    pub positions: Vec<Position>,
    /// Nothing more was there when the read began.
    pub caught_up: bool,
}

/// Why a source could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("{what}: {reason}")]
    Io { what: String, reason: String },
    #[error("no answer within {0} s")]
    Timeout(u64),
}

/// A place where telemetry comes from.
#[async_trait]
pub trait Source: Send + Sync {
    /// What a batch says of it.
    fn kind(&self) -> &'static str;

    /// Reads what is new after `positions`, a bounded amount.
    async fn read(&mut self, positions: &Positions) -> Result<Input, SourceError>;

    /// Takes back what could not be committed and cannot be read again.
    fn take_back(&mut self, _parts: Vec<Part>) {}
}
