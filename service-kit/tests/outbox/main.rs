//! The outbox's conformance suite: each rule on SQLite in memory, SQLite in a file and PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]

mod claims;
mod effects;
mod enqueueing;
mod harness;
mod outage;
mod people;
mod plans;
mod schedules;
mod traces;
mod workers;
