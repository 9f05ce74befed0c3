//! The policy by section: one file holds all there is to a section of `governance/policy.yaml`.
//!
//! Each has, in this order:
//! - `RawX`, the section's shape in the file; its doc comments are the descriptions in the schema and in
//!   `docs/policy.md`;
//! - `EXAMPLE`, the section as `docs/policy.md` shows it, with every key in it;
//! - `X`, the checked type that the rest of Phasegate uses;
//! - `check`, from the one to the other; what is wrong is noted, and the rest looked at all the same;
//! - `diff`, what a newer version changes, in words. It takes `X` apart field by field, so that a key that is added
//!   cannot be forgotten there.
//!
//! `target` calls them one after the other, `file` calls `target` and `retention`. A key that consists of several
//! (a command, the ways up from a phase) has a file of its own in the same form.

pub(super) mod advance;
pub(super) mod budget;
pub(super) mod channel;
pub(super) mod collection;
pub(super) mod control;
pub(super) mod daily_report;
pub(super) mod evidence;
pub(super) mod file;
pub(super) mod gate;
pub(super) mod map;
pub(super) mod metric_kind;
pub(super) mod metrics;
pub(super) mod notifications;
pub(super) mod paging;
pub(super) mod phases;
pub(super) mod raw_target;
pub(super) mod rca;
pub(super) mod retention;
pub(super) mod source;
pub(super) mod target;
pub(super) mod transitions;
