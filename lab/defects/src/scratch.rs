//! The scratch copy: below the target directory, so that neither Git nor a search meets it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::tree::Tree;

/// Where everything is built, the copy included: its dependencies are built already.
#[must_use]
pub fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

/// Where the copy stands.
#[must_use]
pub fn folder(root: &Path) -> PathBuf {
    target(root).join("defects/tree")
}

/// The copy as somebody has edited it, with new files.
///
/// # Errors
/// There is none.
pub fn edited(root: &Path) -> anyhow::Result<Tree> {
    let copy = folder(root);
    let mut names: Vec<String> = Vec::new();
    collect(&copy, "", &mut names).with_context(|| format!("{}: `lay` makes it", copy.display()))?;
    Tree::read(&copy, names.iter().map(String::as_str))
}

fn collect(root: &Path, below: &str, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(root, &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

/// Builds the copy's simulation as the lab's tests are built, so that no dependency is built a second time; gives back the
/// program.
///
/// # Errors
/// It does not build; cargo has said why.
pub fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Without a test beside it the features of the tests' dependencies would not count.
    cargo.args([
        "build",
        "--workspace",
        "--bin",
        "phasegate-simulation-planted",
        "--test",
        "scripts",
        "--locked",
    ]);
    cargo.args(["--message-format", "json-render-diagnostics"]).stdout(Stdio::piped());
    cargo.current_dir(folder(root).join("lab"));
    cargo.env("CARGO_TARGET_DIR", target(root)).env("CARGO_INCREMENTAL", "0");
    let output = cargo.spawn().and_then(std::process::Child::wait_with_output).context("run cargo")?;
    ensure!(output.status.success(), "the scratch copy does not build: {}", folder(root).display());
    let messages = String::from_utf8(output.stdout).context("what cargo says")?;
    let mut programs = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        (message["target"]["name"] == "phasegate-simulation-planted")
            .then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    match programs.next_back() {
        Some(program) => Ok(program),
        None => bail!("cargo has built no phasegate-simulation-planted"),
    }
}
