//! How far each place of a target's sources was read, and what was malformed there, as the worker holds it.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Cursor, Moved};
use crate::intake::Counts;
use crate::store::Place;
use events::records::{MALFORMED_KEPT, MalformedLine};

/// All places, by kind of source.
#[derive(Debug, Default)]
pub(crate) struct Places {
    cursors: HashMap<String, Arc<Cursor>>,
    /// By kind and place.
    malformed: HashMap<(String, String), (u64, Vec<MalformedLine>)>,
}

impl Places {
    /// As the store has them.
    pub(crate) fn of(stored: Vec<Place>) -> Self {
        let mut places = Self::default();
        for Place { source, name, cursor, malformed, errors } in stored {
            let cursors = places.cursors.entry(source.clone()).or_default();
            Arc::make_mut(cursors).insert(name.clone(), cursor);
            if malformed > 0 {
                places.malformed.insert((source, name), (malformed, errors));
            }
        }
        places
    }

    /// How far a kind of source was read.
    pub(crate) fn cursor(&self, source: &str) -> Arc<Cursor> {
        self.cursors.get(source).map(Arc::clone).unwrap_or_default()
    }

    /// Takes over how far a place was read now.
    pub(crate) fn take(&mut self, source: &str, moved: Moved) {
        let Moved { place, cursor, anew } = moved;
        if anew {
            self.malformed.remove(&(source.to_owned(), place.clone()));
        }
        let cursors = self.cursors.entry(source.to_owned()).or_default();
        Arc::make_mut(cursors).insert(place, cursor);
    }

    /// Forgets a place: nothing will come of it.
    pub(crate) fn forget(&mut self, source: &str, place: &str) {
        if let Some(cursors) = self.cursors.get_mut(source) {
            Arc::make_mut(cursors).remove(place);
        }
        self.malformed.remove(&(source.to_owned(), place.to_owned()));
    }

    /// Keeps the first malformed lines of a place, by their number there.
    pub(crate) fn tell(&mut self, source: &str, place: &str, counts: &Counts, lines_before: u64) {
        let (malformed, errors) = self.malformed.entry((source.to_owned(), place.to_owned())).or_default();
        *malformed += counts.malformed;
        let room = MALFORMED_KEPT.saturating_sub(errors.len());
        let told = counts.kept.iter().take(room);
        errors.extend(
            told.map(|kept| MalformedLine { line: kept.line + lines_before, reason: kept.reason.clone() }),
        );
    }

    /// Whether anything is known of a place.
    pub(crate) fn has(&self, source: &str, name: &str) -> bool {
        self.cursors.get(source).is_some_and(|cursors| cursors.contains_key(name))
    }

    /// A place, to be stored.
    pub(crate) fn place(&self, source: &str, name: &str) -> Option<Place> {
        let (source, name) = (source.to_owned(), name.to_owned());
        let cursor = self.cursors.get(&source)?.get(&name)?.clone();
        let (malformed, errors) =
            self.malformed.get(&(source.clone(), name.clone())).cloned().unwrap_or_default();
        Some(Place { source, name, cursor, malformed, errors })
    }
}
