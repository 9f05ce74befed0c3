//! The proof: the simulation of the scratch copy, once for each defect, must break exactly the promises that the patch names.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context as _, ensure};

use crate::MARKS;
use crate::patch::Patch;

/// Where the run that a patch names does not catch it any more, all scripts and so many seeds are tried.
const SEEDS: &str = "100";
/// Of a run without a broken promise, and of one with.
const HELD: i32 = 0;
const BROKEN: i32 = 1;

/// Proves that each defect is caught by what it names, `threads` at a time; gives back what is not so, a line each.
///
/// # Errors
/// The simulation does not run, or is not one of the scratch copy's.
pub fn prove(program: &Path, defects: &[&Patch], threads: usize) -> anyhow::Result<Vec<String>> {
    let bytes = std::fs::read(program).with_context(|| format!("read {}", program.display()))?;
    for mark in MARKS {
        ensure!(
            holds(&bytes, mark),
            "{} does not hold `{mark}`: nothing is planted in it",
            program.display()
        );
    }
    let runs: BTreeSet<&str> = defects.iter().filter_map(|patch| patch.says("Run")).collect();
    let runs: Vec<&str> = runs.into_iter().collect();
    let mut wrong = side_by_side(&runs, threads, |run| without(program, run))?;
    println!("{} runs break no promise without a defect", runs.len() - wrong.len());
    wrong.extend(side_by_side(defects, threads, |patch| with(program, patch))?);
    Ok(wrong)
}

/// Whether a program holds this text anywhere, its symbols included.
#[must_use]
pub fn holds(program: &[u8], text: &str) -> bool {
    memchr::memmem::find(program, text.as_bytes()).is_some()
}

fn without(program: &Path, run: &str) -> anyhow::Result<Option<String>> {
    let broken = broken(program, "", &["--trap", run])?;
    Ok((!broken.is_empty())
        .then(|| format!("the run {run} breaks a promise without a defect: {}", broken.join("; "))))
}

fn with(program: &Path, patch: &Patch) -> anyhow::Result<Option<String>> {
    let run = patch.says("Run").with_context(|| format!("{}: no line `Run: …`", patch.name))?;
    let mut by = broken(program, patch.switch(), &["--trap", run])?;
    let mut note = String::new();
    if by.is_empty() {
        by = broken(program, patch.switch(), &["--traps", "--seeds", SEEDS])?;
        note = format!(" (not by the run {run} any more)");
    }
    println!("{}: {}{note}", patch.name, if by.is_empty() { "not caught".to_owned() } else { by.join("; ") });
    let caught_by = patch.caught_by();
    Ok((by != caught_by).then(|| {
        format!("{} names `{}`, and is caught by `{}`", patch.name, caught_by.join("; "), by.join("; "))
    }))
}

/// The promises that a run breaks.
fn broken(program: &Path, defect: &str, arguments: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut command = Command::new(program);
    let output =
        command.args(arguments).env("PHASEGATE_PLANTED", defect).output().context("run the simulation")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let ended = output.status.code();
    let as_said = ended == Some(if text.is_empty() { HELD } else { BROKEN });
    ensure!(as_said, "{defect}: {}{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(text.lines().map(str::to_owned).collect())
}

fn side_by_side<I: Sync>(
    items: &[I],
    threads: usize,
    work: impl Fn(&I) -> anyhow::Result<Option<String>> + Sync,
) -> anyhow::Result<Vec<String>> {
    let rest = Mutex::new(items.iter());
    let work = || -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        while let Some(item) = rest.lock().ok().and_then(|mut rest| rest.next()) {
            wrong.extend(work(item)?);
        }
        Ok(wrong)
    };
    let done: Vec<anyhow::Result<Vec<String>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    Ok(done.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat())
}
