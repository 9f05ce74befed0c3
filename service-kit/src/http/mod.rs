//! HTTP as every service speaks it: problem+json errors, checked inputs, paging, and [`serve`], which puts
//! the layers and the operational routes around a service's own router.
//!
//! A handler extracts, authorises, calls and maps; it never answers an error in a format of its own.

pub mod acts;
mod bodies;
mod bulk;
mod connection;
mod decompress;
mod error;
mod extract;
mod health;
mod held;
mod layers;
pub mod openapi;
pub(crate) mod options;
mod page;
mod room;
mod serve;
mod state;
mod streams;
#[cfg(test)]
mod tests;
mod unread;

pub use bodies::BodyShare;
pub use bulk::answer_each;
pub use error::{ApiError, ErrorResponses};
pub use extract::{Body, IdempotencyKey, Json, Path, Query};
pub use health::{CheckReport, Readiness, ReadinessReport, ReadinessState};
pub use options::{Bulk, HttpOptions};
pub use page::{Cursor, PageQuery};
pub use serve::{ServiceParts, app, serve};
pub use state::CheckState;
pub use streams::StreamBounds;
