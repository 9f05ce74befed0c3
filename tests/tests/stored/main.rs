//! What a released version stored is read by this one (OP-6): `fixtures/stored` holds what the binaries of released
//! versions wrote, on both engines.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]

mod fixture;
mod reporter;
mod services;
