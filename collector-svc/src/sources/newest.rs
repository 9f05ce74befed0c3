//! The newest bytes of the files that patterns match: where a look begins that cannot go through all of them.
//!
//! Files that were written into last come first, each from so far before its end as there is room, at the next beginning of a
//! line.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;

use domain::stored::plain;
use shared_types::Timestamp;

use super::files::{self, Found};
use super::{Newest, PassedOver, SourceError};
use crate::store::FileCursor;

/// # Errors
/// A pattern is none, or a file cannot be read.
pub(super) fn newest(patterns: &[String], bytes: u64) -> Result<Newest, SourceError> {
    let (mut found, mut met) = (Vec::new(), HashSet::new());
    for path in files::expand(patterns)?.paths {
        // What cannot be looked at is told by the read that follows.
        if let Ok(Found::File(metadata)) = files::look(&path)
            && met.insert(files::identity(&metadata))
        {
            found.push((path, metadata));
        }
    }
    found.sort_by_key(|(path, metadata)| (Reverse((metadata.mtime(), metadata.mtime_nsec())), path.clone()));
    let (mut room, mut newest) = (bytes, Newest::default());
    for (path, metadata) in found {
        let begins = metadata.len().saturating_sub(room);
        room = room.saturating_sub(metadata.len());
        let file = if begins > 0 { files::open(&path)? } else { None };
        let Some(file) = file else { continue };
        let mut position = FileCursor {
            path: path.display().to_string(),
            offset: begins,
            skipping: true,
            created_ns: files::created_ns(&metadata),
            length: Some(metadata.len()),
            ..FileCursor::default()
        };
        file.take_fingerprints(&mut position)?;
        newest.passed_over.push(PassedOver {
            place: file.id.clone(),
            path: position.path.clone(),
            bytes: begins,
            written: Timestamp::from_millis(metadata.mtime().saturating_mul(1000)),
        });
        newest.cursor.insert(file.id, plain(&position));
    }
    Ok(newest)
}
