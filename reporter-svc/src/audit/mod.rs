//! The audit log's copy in the archive, and its verification (GO-4).
//!
//! The table is chained, but whoever owns the database can cut its end off, or write all of it anew. So each reporter
//! copies every row into `logs/audit/<stream>.jsonl` below its data directory, and what is there is never changed.

mod archive;
mod keeper;
mod seals;
mod verify;

pub use archive::{Archive, ArchiveError, Copy};
pub use keeper::{KeepError, Keeper};
pub use seals::Sealed;
pub use verify::{OVERDUE, Verifying};
