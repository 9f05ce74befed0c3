//! Telemetry events: what a line must be, what is counted of it, and the batch that comes out. Pure.
//!
//! The collector counts streams of them as they come; the dry run counts a file of them at once. Both read
//! lines and write batches with what is in here, so that they cannot disagree.

pub mod batches;
pub mod event;
pub mod records;
pub mod totals;
