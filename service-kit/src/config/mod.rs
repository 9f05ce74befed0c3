//! Configuration: flags, then environment, then a TOML file, then defaults; checked once, at the start.

mod args;
mod common;
mod host;
mod layers;
mod print;
#[cfg(test)]
mod tests;

pub use args::{HttpArgs, ListenArg, SharedArgs, header_secret, http_url, listen_address, secret};
pub use common::CommonConfig;
pub use layers::{ConfigError, Environment, Loaded, Source, Spec, load, process_environment};
