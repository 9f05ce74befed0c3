//! Flag systems of others and their clients, started for a test and ended with it. `.ci/foreign` fetches them.

pub mod editor;
pub mod flagd;
pub mod policy;
pub mod program;
pub mod unleash;
