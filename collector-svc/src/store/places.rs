//! How far each place of a source was read, as rows: what a source remembers is JSON that the store does not look into.
//!
//! The table was made for files alone, and a replica of the release before reads and writes it so: while one may run, a
//! file's row stays what it was, and only it is read. Every other kind has its cursor in a column beside, under a key
//! that no file has, with a file in the old columns that nobody finds.

use domain::stored::Document;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::db::{DbError, Tx};
use service_kit::forms::Forms;
use shared_types::{TargetName, Timestamp};

use super::Store;
use events::records::MalformedLine;

/// The kind whose rows are those of the release before.
const FILES: &str = domain::sources::jsonl::KIND.key;

/// How far a place of a source was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The source's kind.
    pub source: String,
    /// Which of its places: a file's device and inode.
    pub name: String,
    /// What the source remembers.
    pub cursor: Value,
    pub malformed: u64,
    /// The first of them (TE-2).
    pub errors: Vec<MalformedLine>,
}

/// How far a file was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Position {
    /// Device and inode.
    pub file_id: String,
    #[serde(flatten)]
    pub cursor: FileCursor,
    pub malformed: u64,
    /// The first of them (TE-2).
    pub errors: Vec<MalformedLine>,
}

impl Document for Position {
    const KIND: &'static str = "position";
}

/// What the source remembers of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FileCursor {
    /// Where it was last seen.
    pub path: String,
    /// All lines before this are counted.
    pub offset: u64,
    /// Lines before `offset`.
    pub line: u64,
    /// Hash of the first `fingerprint_length` bytes: another file under the same inode is told by it.
    pub fingerprint: String,
    pub fingerprint_length: u64,
    /// In the middle of a line that is too long.
    pub skipping: bool,
    /// Hash of the `near_length` bytes before `offset`: a file that was written anew is told by it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub near_fingerprint: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub near_length: u64,
    /// When the file was made, in nanoseconds since 1970, where its file system says so: another one under the same inode is
    /// told by it before anything was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_ns: Option<i64>,
    /// Bytes of the file when it was last seen; absent where an earlier release saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// It stands where no pattern matches: it was moved there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub departed: bool,
    /// Read to its end, and nothing was written for a day: nothing is missed should it go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settled: bool,
    /// It is not there any more, and that was told: it is not looked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(length: &u64) -> bool {
    *length == 0
}

impl FileCursor {
    /// Bytes that were there and not read when it was last seen; `None` if nobody knows.
    #[must_use]
    pub fn unread(&self) -> Option<u64> {
        self.length.map(|length| length.saturating_sub(self.offset))
    }
}

/// What stands in the column `cursor`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredCursor {
    source: String,
    place: String,
    cursor: Value,
    malformed: u64,
    errors: Vec<MalformedLine>,
}

impl Document for StoredCursor {
    const KIND: &'static str = "source cursor";
}

/// A place's row.
#[derive(Debug)]
pub(super) struct PlaceRow {
    pub(super) file_id: String,
    pub(super) byte_offset: u64,
    pub(super) position: String,
    pub(super) cursor: Option<String>,
}

impl Position {
    /// Of a place that is a file.
    #[must_use]
    pub fn of(place: &Place) -> Option<Self> {
        if place.source != FILES {
            return None;
        }
        let cursor = FileCursor::deserialize(&place.cursor).ok()?;
        let Place { name: file_id, malformed, errors, .. } = place.clone();
        Some(Self { file_id, cursor, malformed, errors })
    }

    /// The place that it is.
    ///
    /// # Errors
    /// It cannot be written as JSON: a bug.
    pub fn into_place(self) -> Result<Place, serde_json::Error> {
        let Self { file_id, cursor, malformed, errors } = self;
        let cursor = serde_json::to_value(cursor)?;
        Ok(Place { source: FILES.to_owned(), name: file_id, cursor, malformed, errors })
    }
}

impl PlaceRow {
    pub(super) fn of(forms: &Forms, place: &Place) -> Result<Self, DbError> {
        if let Some(position) = Position::of(place) {
            let text = forms.text(&position)?;
            let (file_id, byte_offset) = (position.file_id, position.cursor.offset);
            return Ok(Self { file_id, byte_offset, position: text, cursor: None });
        }
        let Place { source, name, cursor, malformed, errors } = place.clone();
        let file_id = row_of(&source, &name);
        let nowhere = Position { file_id: file_id.clone(), ..Position::default() };
        let stored = StoredCursor { source, place: name, cursor, malformed, errors };
        Ok(Self {
            file_id,
            byte_offset: 0,
            position: forms.text(&nowhere)?,
            cursor: Some(forms.text(&stored)?),
        })
    }

    /// `id` is what people find the row by.
    pub(super) fn place(
        forms: &Forms,
        id: &str,
        position: &str,
        cursor: Option<&str>,
    ) -> Result<Place, DbError> {
        let Some(text) = cursor else {
            let position: Position = forms.read(id, position)?;
            return position.into_place().map_err(|error| DbError::decode("position", error));
        };
        let StoredCursor { source, place: name, cursor, malformed, errors } = forms.read(id, text)?;
        Ok(Place { source, name, cursor, malformed, errors })
    }
}

impl Store {
    /// How far each place of a target's source was read.
    pub(super) async fn places(&self, target: &TargetName) -> Result<Vec<Place>, DbError> {
        let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(
            "SELECT file_id, position, cursor FROM source_positions WHERE target = $1 ORDER BY file_id",
        )
        .bind(target.as_str())
        .fetch_all(self.db.pool())
        .await?;
        let forms = self.db.forms();
        let place = |(id, position, cursor): &(String, String, Option<String>)| {
            PlaceRow::place(forms, id, position, cursor.as_deref())
        };
        rows.iter().map(place).collect()
    }
}

pub(super) fn put_place(
    tx: &mut Tx<'_>,
    target: &TargetName,
    place: &Place,
    now: Timestamp,
) -> Result<(), DbError> {
    let PlaceRow { file_id, byte_offset, position, cursor } = PlaceRow::of(tx.forms(), place)?;
    let row = vec![
        target.as_str().into(),
        file_id.into(),
        i64::try_from(byte_offset).unwrap_or(i64::MAX).into(),
        position.into(),
        cursor.into(),
        now.as_millis().into(),
    ];
    let columns = &["target", "file_id", "byte_offset", "position", "cursor", "seen_at_ms"];
    tx.upsert("source_positions", columns, row, MOVED);
    Ok(())
}

/// The key of a place that is no file.
fn row_of(source: &str, name: &str) -> String {
    format!("{source}/{name}")
}

pub(super) fn forget_place(tx: &mut Tx<'_>, target: &TargetName, source: &str, name: &str) {
    let file_id = if source == FILES { name.to_owned() } else { row_of(source, name) };
    tx.update_if_there(FORGET, vec![target.as_str().into(), file_id.into()]);
}

const FORGET: &str = "DELETE FROM source_positions WHERE (target, file_id) IN (VALUES {rows})";

const MOVED: &str = "ON CONFLICT (target, file_id) DO UPDATE SET byte_offset = excluded.byte_offset, \
     position = excluded.position, cursor = excluded.cursor, seen_at_ms = excluded.seen_at_ms";
