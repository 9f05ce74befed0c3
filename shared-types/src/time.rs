//! Moments in milliseconds and half-open windows.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{PartialSchema, ToSchema};

/// A moment, in whole milliseconds since 1970-01-01T00:00:00Z. On the wire RFC 3339 UTC with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// A text that is not an RFC 3339 moment, or lies outside the years 1970–9999.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time between 1970 and 9999")]
pub struct TimestampError;

const LATEST_MS: i64 = 253_402_207_200_000; // the end of what jiff can print, 9999-12-30T22:00:00Z

impl Timestamp {
    /// From milliseconds since the Unix epoch, clamped to 1970–9999.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LATEST_MS))
    }

    /// Milliseconds since the Unix epoch, as the stores keep it.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Parses RFC 3339; finer fractions than a millisecond are cut off.
    ///
    /// # Errors
    /// [`TimestampError`] if the text is anything else.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let parsed: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        let millis = parsed.as_millisecond();
        if (0..=LATEST_MS).contains(&millis) { Ok(Self(millis)) } else { Err(TimestampError) }
    }

    /// The same moment as jiff's type, for calendars and time zones.
    #[must_use]
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment `by` later.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment `by` earlier.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The latest multiple of `step` (counted from the Unix epoch) that is not after this moment.
    #[must_use]
    pub fn align_down(self, step: Duration) -> Self {
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        Self(self.0 - self.0.rem_euclid(step))
    }

    /// The earliest multiple of `step` that is not before this moment.
    #[must_use]
    pub fn align_up(self, step: Duration) -> Self {
        let down = self.align_down(step);
        if down == self { self } else { down.plus(step) }
    }

    /// `20261122T101500Z`, for file names (ISO 8601 basic format). Milliseconds are added when not zero.
    #[must_use]
    pub fn basic_format(self) -> String {
        let text = self.to_jiff().strftime("%Y%m%dT%H%M%S").to_string();
        match self.0.rem_euclid(1000) {
            0 => format!("{text}Z"),
            millis => format!("{text}.{millis:03}Z"),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        jiff_like_string_schema()
    }
}

impl ToSchema for Timestamp {}

fn jiff_like_string_schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
    use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("RFC 3339, UTC, milliseconds"))
        .examples([serde_json::json!("2026-11-22T10:15:00.000Z")])
        .build()
        .into()
}

/// The half-open interval `[start, end)` one batch covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Window {
    /// First moment inside.
    pub start: Timestamp,
    /// First moment after.
    pub end: Timestamp,
}

impl Window {
    /// How long it is.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.end.since(self.start)
    }

    /// Whether `at` lies inside.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

/// `2026-11-22T10:00Z/10:15Z`: what people read in messages; seconds only where they are not zero.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format =
            if self.start.0 % 60_000 == 0 && self.end.0 % 60_000 == 0 { "%H:%M" } else { "%H:%M:%S" };
        let start = self.start.to_jiff().strftime(&format!("%Y-%m-%dT{format}Z")).to_string();
        write!(f, "{start}/{}", self.end.to_jiff().strftime(&format!("{format}Z")))
    }
}
