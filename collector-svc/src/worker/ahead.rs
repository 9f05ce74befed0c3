//! What was read ahead: while pieces are counted and committed, the next ones are read and parsed, as far as memory allows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared_types::Timestamp;

use crate::sources::{Asked, Cursor, Input, Source, SourceError};

/// Pieces read ahead: about what is read during a commit.
const PIECES: usize = 2;

/// One read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) result: Result<Input, SourceError>,
    pub(super) began: Timestamp,
}

/// Reads that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    reads: VecDeque<Read>,
    /// How far they went.
    cursor: Arc<Cursor>,
}

impl Ahead {
    /// The oldest read.
    pub(super) fn next(&mut self) -> Option<Read> {
        self.reads.pop_front()
    }

    /// Reads on behind what was asked for, at least one piece, until it is `enough`.
    pub(super) async fn fill(&mut self, source: &mut dyn Source, mut asked: Asked, enough: &AtomicBool) {
        if !self.reads.is_empty() {
            asked.cursor = Arc::clone(&self.cursor);
        }
        while self.reads.is_empty() || (self.has_room() && !enough.load(Ordering::Relaxed)) {
            let result = source.read(&asked).await;
            if let Ok(input) = &result {
                let moved = input.moved.iter().map(|moved| (moved.place.clone(), moved.cursor.clone()));
                Arc::make_mut(&mut asked.cursor).extend(moved);
            }
            self.reads.push_back(Read { result, began: asked.now });
        }
        self.cursor = asked.cursor;
    }

    fn has_room(&self) -> bool {
        let goes_on = |read: &Read| read.result.as_ref().is_ok_and(|input| !input.caught_up);
        self.reads.len() < PIECES && self.reads.back().is_none_or(goes_on)
    }
}
