//! The application under rollout: pushes its events, well or ill by the draw of the window, until it is told that they
//! are stored. It keeps count of what it has sent, apart from what the services say.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, StatusCode};
use service_kit::client::Transport as _;
use shared_types::Timestamp;

use crate::network::Wire;

/// How a window goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Good,
    Slow,
    Failing,
    Drifting,
    /// Too few saves to say anything.
    Quiet,
    /// The application sends nothing.
    Silent,
    /// A few saves fail: more than may, and no more than chance could make of a while.
    Doubtful,
    /// Saves fail with the feature and without it.
    Outside,
    /// Saves of one client fail.
    OneClient,
}

impl Mood {
    /// By the draw; `ill` is the share of a thousand that is not good.
    #[must_use]
    pub fn draw(rng: &mut SmallRng, ill: u32) -> Self {
        if rng.random_range(0..1000) >= ill {
            return Self::Good;
        }
        match rng.random_range(0..6) {
            0..2 => Self::Slow,
            2 => Self::Failing,
            3 => Self::Drifting,
            4 => Self::Quiet,
            _ => Self::Silent,
        }
    }

    /// The same where windows are weighed: more of what is no proof alone, for so many windows.
    #[must_use]
    pub fn draw_doubtful(rng: &mut SmallRng, ill: u32) -> (Self, u32) {
        if rng.random_range(0..1000) >= 2 * ill {
            return (Self::Good, 1);
        }
        let mood = match rng.random_range(0..8) {
            0..2 => Self::Doubtful,
            2..4 => Self::Outside,
            4 => Self::OneClient,
            _ => Self::draw(rng, 1000),
        };
        (mood, rng.random_range(1..=4))
    }
}

/// A body to be pushed.
#[derive(Debug, Clone)]
pub struct Push {
    pub key: String,
    pub body: String,
    pub send_at: Timestamp,
    /// Events that may be counted: by id where they have one.
    ids: Vec<String>,
}

/// What the application knows.
#[derive(Debug, Default)]
pub struct Sent {
    /// Events of pushes that were stored, by what makes them one.
    pub stored: BTreeSet<String>,
    /// What the collector says it has counted.
    pub accepted: u64,
    pub late: u64,
    pub duplicates: u64,
    /// Too far in the future of a clock that is wrong.
    pub malformed: u64,
    /// Pushes of which every event was one, so that none was taken: they are for good.
    pub refused: u64,
}

/// Shared with the pushes under way.
#[derive(Clone)]
pub struct Application {
    sent: Arc<Mutex<Sent>>,
    /// It tells of sessions, and of users without the feature.
    has_control: bool,
}

const COMPLETED: (&str, &str) = ("save.completed", "\"duration_ms\":640.5");
const FAILED: (&str, &str) = ("save.error", "\"code\":\"E_IO\",\"retryable\":false");
/// Saves of the one client that has trouble.
const CLIENT: std::ops::Range<u64> = 4..7;
/// In five minutes, of users with the feature and of those without it.
const EVENTS: u64 = 20;

impl Application {
    /// One that has sent nothing.
    #[must_use]
    pub fn new(has_control: bool) -> Self {
        Self { sent: Arc::default(), has_control }
    }

    /// What it knows.
    pub fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pushes of the five minutes from `start` on.
    #[must_use]
    pub fn slot(&self, start: Timestamp, mood: Mood, rng: &mut SmallRng, calm: bool) -> Vec<Push> {
        let events = match mood {
            Mood::Silent => return Vec::new(),
            Mood::Quiet => 3,
            _ => EVENTS,
        };
        let named = calm || rng.random_bool(0.7);
        let name = start.as_millis() / 1000;
        let (mut body, mut ids) = (String::new(), Vec::new());
        for number in 0..events {
            let at = start.plus(Duration::from_millis(13_500 * number + 100));
            let (what, rest) = match mood {
                Mood::Slow => ("save.completed", "\"duration_ms\":4000.0"),
                Mood::Failing | Mood::Outside if number % 5 == 0 => FAILED,
                Mood::Doubtful if number == 3 => FAILED,
                Mood::OneClient if CLIENT.contains(&number) => FAILED,
                Mood::Drifting if number == 7 => ("history.drift", "\"difference\":1"),
                _ => COMPLETED,
            };
            let id = format!("{name}-{number}");
            let session = match mood {
                Mood::OneClient if CLIENT.contains(&number) => "the client",
                _ => &id,
            };
            let rest =
                if self.has_control { format!("\"session\":\"{session}\",{rest}") } else { rest.to_owned() };
            let event_id = if named { format!("\"event_id\":\"{id}\",") } else { String::new() };
            let line = format!("{{\"ts\":\"{at}\",\"name\":\"autosave.{what}\",{event_id}{rest}}}");
            writeln!(body, "{line}").ok();
            if named && !calm && rng.random_ratio(1, 50) {
                writeln!(body, "{line}").ok();
            }
            ids.push(id);
        }
        if self.has_control {
            for (id, line) in users_without(start, mood, events, named) {
                writeln!(body, "{line}").ok();
                ids.push(id);
            }
        }
        let mut wait = |range: std::ops::Range<u64>| Duration::from_millis(rng.random_range(range));
        let end = start.plus(Duration::from_secs(280));
        let send_at = if calm { end } else { end.plus(wait(0..30_000)) };
        let late = wait(20_000..900_000);
        let push = Push { key: format!("push-{name}"), body, send_at, ids };
        let mut pushes = vec![push.clone()];
        if !calm && named && rng.random_ratio(1, 12) {
            // The same events again, as another push: only their ids tell.
            pushes.push(Push { key: format!("again-{name}"), send_at: send_at.plus(late), ..push.clone() });
        }
        if !calm && rng.random_ratio(1, 25) {
            pushes[0].send_at = send_at.plus(late);
        }
        pushes
    }

    /// Whether it need not be sent again: it is stored, or refused for good. Each attempt has the same key.
    pub async fn push(self, wire: &Wire, push: Push) -> bool {
        let mut request = Request::new(
            Method::POST,
            "http://collector/v1/targets/autosave/events".parse().unwrap_or_else(|error| panic!("{error}")),
        );
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        if let Ok(key) = HeaderValue::from_str(&push.key) {
            request.headers_mut().insert("idempotency-key", key);
        }
        *request.body_mut() = Some(push.body.clone().into());
        let stored = match wire.exchange(request).await {
            Ok(reply) if reply.status.is_success() => {
                reply.body.ok().and_then(|body| serde_json::from_slice::<serde_json::Value>(&body).ok())
            }
            Ok(reply) if reply.status == StatusCode::UNPROCESSABLE_ENTITY => {
                self.sent().refused += 1;
                return true;
            }
            _ => None,
        };
        let Some(counts) = stored else { return false };
        let mut sent = self.sent();
        let count = |name: &str| counts.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
        sent.accepted += count("accepted");
        sent.late += count("late");
        sent.duplicates += count("duplicates");
        sent.malformed += count("malformed");
        sent.stored.extend(push.ids);
        true
    }
}

/// The saves of users who do not have the feature, by what makes each one.
fn users_without(start: Timestamp, mood: Mood, events: u64, named: bool) -> Vec<(String, String)> {
    let name = start.as_millis() / 1000;
    let of = |number: u64| {
        let at = start.plus(Duration::from_millis(13_500 * number + 7_000));
        let (what, rest) = if mood == Mood::Outside && number.is_multiple_of(5) { FAILED } else { COMPLETED };
        let id = format!("{name}-control-{number}");
        let event_id = if named { format!("\"event_id\":\"{id}\",") } else { String::new() };
        let whose = format!("\"variant\":\"control\",\"session\":\"{id}\"");
        (id, format!("{{\"ts\":\"{at}\",\"name\":\"autosave.{what}\",{event_id}{whose},{rest}}}"))
    };
    (0..events).map(of).collect()
}
