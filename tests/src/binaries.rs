//! The workspace's real binaries, built once a test process, in the profile the tests run in.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The path of a built binary (`collector-svc`, `analyzer-svc`, `reporter-svc`, `phasegate`).
///
/// # Panics
/// When the workspace does not build, with cargo's own words.
pub fn path(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(build).join(name)
}

fn build() -> PathBuf {
    // <target>/<profile>/deps/<this test>: the binaries stand two levels up.
    let test = std::env::current_exe().expect("this test's own path");
    let directory =
        test.parent().and_then(|deps| deps.parent()).expect("a cargo target folder").to_path_buf();
    let mut command = Command::new(env!("CARGO"));
    command.args(["binaries", "--quiet"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.env("CARGO_TARGET_DIR", directory.parent().expect("a cargo target folder"));
    if directory.ends_with("release") {
        command.arg("--release");
    }
    // What cargo tells this test about its package would make the builds of dependencies that ask look out of date.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_test(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    let built = command.output().expect("cargo runs");
    assert!(built.status.success(), "cargo binaries: {}", String::from_utf8_lossy(&built.stderr));
    directory
}

fn is_of_this_test(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"]
        .iter()
        .any(|start| name.starts_with(start))
        || name == "CARGO_PRIMARY_PACKAGE"
}
