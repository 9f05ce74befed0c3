//! Waiting on conditions, bounded: tests never sleep to get lucky.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

/// How long a condition may take on a slow machine before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls `probe` until it gives a value.
///
/// # Panics
/// After [`PATIENCE`], with what was waited for and the last reason the probe gave.
pub async fn until<T, E: Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    probe: impl FnMut() -> F,
) -> T {
    until_within(PATIENCE, what, probe).await
}

/// [`until`] with a bound of its own.
///
/// # Panics
/// When `patience` is over.
pub async fn until_within<T, E: Display, F: Future<Output = Result<T, E>>>(
    patience: Duration,
    what: &str,
    mut probe: impl FnMut() -> F,
) -> T {
    let started = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(reason) => {
                assert!(started.elapsed() < patience, "waited {patience:?} for {what}: {reason}");
            }
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
