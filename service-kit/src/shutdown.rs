//! SIGTERM, SIGINT and SIGHUP (the terminal was closed) ask for a graceful stop; the second one ends the process at once.
//! Started under `nohup`, SIGHUP is ignored as it was asked for. A process that another one started
//! ends when its standard input does, if it was asked to: that closes with whoever held the other end, however that one ended.

use std::io::{self, Read};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit status after a second signal, as a shell reports a death by SIGINT.
const AT_ONCE: i32 = 130;

/// A token that the first signal cancels. Call it once a process, inside the runtime.
///
/// # Errors
/// The operating system refused the signal handlers.
pub fn on_signals() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) };
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                received = terminate.recv() => received.map(|()| "SIGTERM"),
                received = interrupt.recv() => received.map(|()| "SIGINT"),
                received = next(&mut hangup) => received.map(|()| "SIGHUP"),
            };
            let Some(name) = name else { return };
            if stop.is_cancelled() {
                tracing::warn!(signal = name, "second signal: ending at once");
                std::process::exit(AT_ONCE);
            }
            tracing::info!(signal = name, "stopping; a second signal ends at once");
            stop.cancel();
        }
    });
    Ok(token)
}

async fn next(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether whoever started this process had it ignore SIGHUP, as `nohup` does. Where the system does not say: no.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The lowest bit stands for signal 1, which SIGHUP is.
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// Calls `then`, from a thread of its own, once standard input has ended.
pub fn when_input_ends(then: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut buffer = [0; 256];
        while input.read(&mut buffer).is_ok_and(|read| read > 0) {}
        then();
    });
}
