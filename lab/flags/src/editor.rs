//! An app whose users save: those who have the feature fail at it once it is told to, and by how many have it is what counts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use phasegate_tests::wait;
use serde_json::json;

/// How many of a thousand users have the feature, as the app's own client of the flag system says it.
pub type Share = Box<dyn FnMut() -> anyhow::Result<u32> + Send>;

/// As many of a thousand have it in B, and not in A.
const MANY: u32 = 150;

/// What was seen at a time, in milliseconds since 1970.
pub type Seen = (i64, u32);

/// A working app. It ends with the runtime.
#[derive(Clone, Default)]
pub struct Editor {
    violates: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Editor {
    /// Asks who has the feature ten times a second, and tells the collector at `url` of saves.
    #[must_use]
    pub fn start(url: &str, mut share: Share) -> Self {
        let it = Self::default();
        let (working, url) = (it.clone(), format!("{url}/v1/targets/autosave/events"));
        let (asked, answers) = tokio::sync::watch::channel(0);
        let looking = it.clone();
        std::thread::spawn(move || {
            while let Ok(found) = share() {
                looking.seen.lock().unwrap_or_else(PoisonError::into_inner).push((now(), found));
                if asked.send(found).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        tokio::spawn(async move {
            let http = reqwest::Client::new();
            let mut batch = 0_u64;
            loop {
                batch += 1;
                let fails = working.violates.load(Ordering::Relaxed) && *answers.borrow() >= MANY;
                let request = http.post(&url).header("content-type", "application/x-ndjson");
                // What is not taken is not told again: there is enough of it.
                request.body(saves(batch, fails)).send().await.ok();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        it
    }

    /// From now on saves fail where many have the feature.
    pub fn violate(&self) {
        self.violates.store(true, Ordering::Relaxed);
    }

    /// Waits until it has asked who has the feature.
    pub async fn looked(&self) {
        wait::until("a first look", || async {
            if self.seen().is_empty() { Err("none yet") } else { Ok(()) }
        })
        .await;
    }

    /// What was seen so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn saves(batch: u64, fail: bool) -> String {
    let ts = shared_types::Timestamp::from_millis(now());
    let one = |number: u64| {
        let fails = fail && number.is_multiple_of(2);
        let id = format!("{batch}-{number}");
        let event = if fails {
            json!({ "ts": ts, "name": "autosave.save.error", "code": "E_LOCK", "retryable": true, "event_id": id })
        } else {
            json!({ "ts": ts, "name": "autosave.save.completed", "duration_ms": 300, "event_id": id })
        };
        format!("{event}\n")
    };
    (0..10).map(one).collect()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
