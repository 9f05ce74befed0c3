//! The reporter's parts together: real stores, a clock moved by hand, vendors and commands that do as told.
#![expect(clippy::unwrap_used, reason = "the helpers of a test")]

mod api;
mod audit;
mod audit_tampering;
mod channels;
mod daily;
mod days;
mod drift;
mod dry_run;
mod evidence;
mod flow;
mod hard_cases;
mod incidents;
mod kinds;
mod losses;
mod page;
mod people;
mod plans;
mod policy;
mod rca;
mod restored;
mod rig;
mod sessions;
mod settings;
mod slack;
mod store;
mod storm;
mod texts;
mod updates;
mod verdict;
