//! Servers and clients of others, started for a test and ended with it. `.ci/foreign` fetches them.

pub mod app;
pub mod moto;
pub mod nats;
pub mod paused;
pub mod policy;
pub mod prometheus;
pub mod remote_write;
pub mod story;

use std::path::{Path, PathBuf};

/// A program of a foreign server: on the path, or where `.ci/foreign` puts it.
///
/// # Errors
/// It is nowhere; says what to do.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let fetched = ["usr/bin", "usr/sbin"].map(|folder| foreign().join(folder));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(fetched);
    let found = places.map(|place| place.join(name)).find(|program| program.is_file());
    found.ok_or_else(|| anyhow::anyhow!("`{name}` is missing: .ci/foreign fetches it, or install it"))
}

/// Something that `.ci/foreign` fetches, by its path there.
///
/// # Errors
/// It is not there; says what to do.
pub fn fetched(name: &str) -> anyhow::Result<PathBuf> {
    let path = foreign().join(name);
    anyhow::ensure!(path.exists(), "{} is missing: .ci/foreign fetches it", path.display());
    Ok(path)
}

/// Where `.ci/foreign` puts what it fetches.
fn foreign() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/foreign"))
}
