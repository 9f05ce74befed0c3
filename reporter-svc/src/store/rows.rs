//! Columns to values and back. What a whole row is, the file of its table says, for reader and writer.

use std::str::FromStr;

use serde::de::DeserializeOwned;
use service_kit::db::DbError;
use shared_types::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

pub(super) fn json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|error| DbError::decode(what, error))
}

pub(super) fn name<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    what: &'static str,
    text: &str,
) -> Result<T, DbError> {
    text.parse().map_err(|error| DbError::decode(what, error))
}

pub(super) fn count(row: &AnyRow, column: &str) -> Result<u64, DbError> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}

pub(super) fn small(row: &AnyRow, column: &str) -> Result<u32, DbError> {
    Ok(u32::try_from(count(row, column)?).unwrap_or(u32::MAX))
}

pub(super) fn time(row: &AnyRow, column: &str) -> Result<Timestamp, DbError> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

pub(super) fn uuid(what: &'static str, text: &str) -> Result<Uuid, DbError> {
    name(what, text)
}

/// What is stored is always serialisable; were it not, that is a bug worth its own name.
pub(super) fn text<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, DbError> {
    serde_json::to_string(value).map_err(|error| DbError::decode(what, error))
}

/// PostgreSQL's TEXT takes no NUL; a command's output may hold one.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
