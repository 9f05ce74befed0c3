//! The collector's time, held against the analyzer's (OP-5).
//!
//! A clock that runs ahead would close windows before they have ended, and whatever belongs to them would be late once it
//! is put right. So the collector asks the analyzer what time it is, goes on from there by the monotonic clock, which
//! nobody sets, and is never ahead of that. While its own clock is, by more than the grace, it closes nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::story::figures;
use service_kit::client::Neighbour;
use service_kit::clock::Clock;
use service_kit::http::CheckState;
use service_kit::seldom;
use shared_types::Timestamp;
use tokio_util::sync::CancellationToken;

/// Between two looks at the analyzer's clock.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// What is told in whole seconds is up to so much later.
const TOLD_TO: Duration = Duration::from_secs(1);

/// A clock that is never ahead of the analyzer's, as far as that is known.
pub struct SharedTime {
    own: Arc<dyn Clock>,
    heard: Mutex<Heard>,
}

#[derive(Debug, Clone, Copy)]
enum Heard {
    /// The first question is not answered yet.
    Waiting,
    /// The analyzer could not be asked; we go by our own clock.
    Nothing,
    /// Then it was no later than this.
    Latest(Timestamp, Instant),
}

impl SharedTime {
    /// For who asks nobody.
    #[must_use]
    pub fn alone(own: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { own, heard: Mutex::new(Heard::Nothing) })
    }

    /// Closes nothing before [`Self::watch`] has asked once.
    #[must_use]
    pub fn asking(own: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { own, heard: Mutex::new(Heard::Waiting) })
    }

    /// The analyzer says what time it is, in whole seconds; the question and the answer took `trip`.
    pub fn hear(&self, told: Timestamp, trip: Duration) {
        *self.heard() = Heard::Latest(told.plus(TOLD_TO).plus(trip), Instant::now());
    }

    /// It could not be asked: what was heard before still holds.
    fn hear_nothing(&self) {
        let mut heard = self.heard();
        if matches!(*heard, Heard::Waiting) {
            *heard = Heard::Nothing;
        }
    }

    /// How far our clock is surely ahead; `None`: not known yet.
    #[must_use]
    pub fn ahead(&self) -> Option<Duration> {
        match *self.heard() {
            Heard::Waiting => None,
            Heard::Nothing => Some(Duration::ZERO),
            Heard::Latest(latest, at) => Some(self.own.now().since(latest.plus(at.elapsed()))),
        }
    }

    /// OP-5: whether windows may be closed by it.
    #[must_use]
    pub fn may_close(&self, grace: Duration) -> bool {
        self.ahead().is_some_and(|ahead| ahead <= grace)
    }

    /// For `/readyz`.
    #[must_use]
    pub fn state(&self, grace: Duration) -> CheckState {
        match self.ahead() {
            Some(ahead) if ahead > grace => CheckState::Degraded(format!(
                "it is {} ahead of the analyzer's: no windows are closed; set it right",
                figures::format_roughly(ahead)
            )),
            _ => CheckState::Ok,
        }
    }

    /// Looks at the analyzer's clock now and then.
    pub async fn watch(self: Arc<Self>, analyzer: Neighbour, stop: CancellationToken) {
        loop {
            let asked = Instant::now();
            match analyzer.time().await {
                Ok(Some(told)) => self.hear(told, asked.elapsed()),
                Ok(None) => self.hear_nothing(),
                Err(error) => {
                    seldom!(debug, "the analyzer's clock could not be looked at", &error);
                    self.hear_nothing();
                }
            }
            let ahead = self.ahead().unwrap_or_default();
            metrics::gauge!("phasegate_clock_ahead_seconds").set(ahead.as_secs_f64());
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ASK_EVERY) => {}
            }
        }
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for SharedTime {
    fn now(&self) -> Timestamp {
        let own = self.own.now();
        match *self.heard() {
            Heard::Latest(latest, at) => own.min(latest.plus(at.elapsed())),
            Heard::Waiting | Heard::Nothing => own,
        }
    }
}
