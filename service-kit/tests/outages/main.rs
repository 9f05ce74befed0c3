//! OP-1, OP-2: a database that fails and comes back. What is not ready says so and why; what made a connection useless keeps it from
//! coming back; and work goes on by itself within ten seconds, on both engines.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]

mod harness;
mod postgres;
mod sqlite;
mod tls;
