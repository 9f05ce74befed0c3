//! Paging: `?limit=` and an opaque `cursor`, newest first.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared_types::Page;
use shared_types::problem::ProblemCode;
use utoipa::IntoParams;

use super::ApiError;
use domain::stored::plain_text;

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// `?limit=` and `?cursor=`.
///
/// Take it as an extractor of its own beside the one for the filters: flattened into another struct, the
/// query string's numbers would be read as texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// At most so many items; 100 if not given.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// How many items the caller wants.
    ///
    /// # Errors
    /// 400 if it is not 1 to 1000.
    pub fn limit(&self) -> Result<u32, ApiError> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if (1..=MAX_LIMIT).contains(&limit) {
            Ok(limit)
        } else {
            Err(ApiError::bad_request(
                ProblemCode::InvalidQuery,
                format!("query: limit must be 1 to {MAX_LIMIT}"),
            ))
        }
    }

    /// The key of the last item of the page before; `None` on the first page.
    ///
    /// # Errors
    /// 400 if it is not a cursor of this list.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, ApiError> {
        self.cursor.as_deref().map(Cursor::decode).transpose()
    }
}

/// Opaque cursors: a list's sort key, so that a page is an index lookup and not an offset.
#[derive(Debug)]
pub struct Cursor;

impl Cursor {
    /// The cursor for the page after the item with this key.
    #[must_use]
    pub fn encode<K: Serialize>(key: &K) -> String {
        URL_SAFE_NO_PAD.encode(plain_text(key))
    }

    /// The key in a cursor.
    ///
    /// # Errors
    /// 400 if it is not a cursor of this list.
    pub fn decode<K: DeserializeOwned>(cursor: &str) -> Result<K, ApiError> {
        // A NUL would reach the database, and no key has one.
        let is_ours = |json: &Vec<u8>| !json.windows(6).any(|text| text == br"\u0000");
        let key = URL_SAFE_NO_PAD.decode(cursor).ok().filter(is_ours);
        key.and_then(|json| serde_json::from_slice(&json).ok()).ok_or_else(|| {
            ApiError::bad_request(
                ProblemCode::InvalidCursor,
                "query: cursor is not one that this list gave out",
            )
        })
    }

    /// A page from up to `limit + 1` rows: the row too many only says that there is a next page.
    #[must_use]
    pub fn page<T, K: Serialize>(mut rows: Vec<T>, limit: u32, key: impl Fn(&T) -> K) -> Page<T> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| Self::encode(&key(last)));
        Page { items: rows, next }
    }
}
