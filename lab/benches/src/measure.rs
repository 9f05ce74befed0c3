//! One measurement: time, processor time, peak memory, and how it gets from a child process to the table.

mod process;

use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use process::OWN;
pub(crate) use process::Server;

/// What a child measured.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) events: u64,
    pub(crate) seconds: f64,
    pub(crate) processor_seconds: f64,
    pub(crate) peak_mib: f64,
}

impl Measured {
    /// Measures `work`, which says how many events it did.
    pub(crate) fn of(work: impl FnOnce() -> anyhow::Result<u64>) -> anyhow::Result<Self> {
        let (started, used) = (Instant::now(), processor_seconds()?);
        let events = work()?;
        let seconds = started.elapsed().as_secs_f64();
        Ok(Self { events, seconds, processor_seconds: processor_seconds()? - used, peak_mib: peak_mib()? })
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub(crate) fn per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    pub(crate) fn print(&self) -> anyhow::Result<()> {
        Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(self)?)?)
    }
}

/// Measures on so many processor cores only.
pub(crate) fn threads(cores: usize, work: impl FnOnce() -> anyhow::Result<u64>) -> anyhow::Result<Measured> {
    let mut allowed = rustix::thread::CpuSet::new();
    let here = rustix::thread::sched_getaffinity(None)?;
    let usable = (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| here.is_set(*cpu));
    usable.take(cores).for_each(|cpu| allowed.set(cpu));
    rustix::thread::sched_setaffinity(None, &allowed)?;
    Measured::of(work)
}

/// Runs `measure …` of this program so many times; the fastest counts, with the highest memory of all.
pub(crate) fn child(arguments: &[String], runs: usize) -> anyhow::Result<Measured> {
    let mut best: Option<Measured> = None;
    for _ in 0..runs.max(1) {
        let output = Command::new(std::env::current_exe()?).arg("measure").args(arguments).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let measured: Measured = serde_json::from_slice(&output.stdout).context("a measurement")?;
        let peak_mib = best.map_or(0.0, |best| best.peak_mib).max(measured.peak_mib);
        let faster = best.is_none_or(|best| measured.seconds < best.seconds);
        let kept = if faster { measured } else { best.unwrap_or(measured) };
        best = Some(Measured { peak_mib, ..kept });
    }
    best.context("no run")
}

/// The table's head; each of `beside` names what a ratio is to.
pub(crate) fn heading(beside: &[&str]) {
    print!("{:<44} {:>12} {:>9} {:>9} {:>10}", "", "events/s", "seconds", "cpu s", "peak MiB");
    beside.iter().for_each(|name| print!(" {name:>8}"));
    println!();
}

/// A line of it, with the ratio to each of `beside`.
pub(crate) fn line(name: &str, measured: &Measured, beside: &[&Measured]) {
    print!(
        "{name:<44} {:>12.0} {:>9.2} {:>9.2} {:>10.1}",
        measured.per_second(),
        measured.seconds,
        measured.processor_seconds,
        measured.peak_mib,
    );
    beside.iter().for_each(|it| print!(" {:>8.2}", measured.per_second() / it.per_second()));
    println!();
}

/// User and system time of this process.
pub(crate) fn processor_seconds() -> anyhow::Result<f64> {
    Ok(process::seconds(&process::stat("self")?, OWN))
}

fn peak_mib() -> anyhow::Result<f64> {
    memory_mib("VmHWM:")
}

/// What of this process is in memory now.
pub(crate) fn resident_mib() -> anyhow::Result<f64> {
    memory_mib("VmRSS:")
}

/// A line of `/proc/self/status`.
fn memory_mib(name: &'static str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name)).context(name)?;
    let kib: f64 = line.split_whitespace().nth(1).context(name)?.parse()?;
    Ok(kib / 1024.0)
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> anyhow::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

/// Prints a growth; an error where it is more than it may be.
pub(crate) fn bounded(what: &str, growth: f64, most: Option<f64>) -> anyhow::Result<()> {
    println!("{what}: {growth:.2}");
    let most = most.filter(|most| growth > *most);
    anyhow::ensure!(most.is_none(), "{what}: {growth:.2} is more than {:.2}", most.unwrap_or_default());
    Ok(())
}
