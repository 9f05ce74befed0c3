//! The limits of a service's HTTP side.

use std::time::Duration;

use super::streams::StreamBounds;

pub(crate) const CONNECTIONS: usize = 4096;
pub(crate) const STREAMS: usize = 256;
pub(crate) const STREAMS_OF_ONE: usize = 32;
/// Longer than clients keep an idle connection (15 s in ours), so that it is they who close it.
pub(crate) const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct HttpOptions {
    /// Largest request body, in decompressed bytes.
    pub body_limit: usize,
    /// How long a handler may take, reading the body included. Streams are bounded until their head only.
    pub timeout: Duration,
    /// How long calls under way may take to finish after the stop was asked for.
    pub drain: Duration,
    /// How long a body may take to come in; a slower one is answered 408.
    pub body_timeout: Duration,
    /// `/v1` calls at once, without those in bulk; one more is answered 503.
    pub in_flight: usize,
    /// Decompressed bytes of their bodies at once; one more is answered 503.
    pub body_budget: usize,
    /// Calls that carry data in bulk: their bounds are their own, so that they never displace the others.
    pub bulk: Bulk,
    /// Connections at once, without streams; for one more the one that waits longest for its client is closed.
    pub connections: usize,
    /// Answers that do not end.
    pub streams: StreamBounds,
    /// How long a client may take to send a head, to make its next call on a connection, and to take something of an answer.
    pub client_timeout: Duration,
    /// Prefixes of paths without spans (an intake for spans).
    pub untraced: &'static [&'static str],
}

/// The bounds of calls that carry data in bulk.
#[derive(Debug, Clone, Copy)]
pub struct Bulk {
    /// How their paths end.
    pub calls: &'static [&'static str],
    /// As [`HttpOptions::in_flight`].
    pub in_flight: usize,
    /// As [`HttpOptions::body_budget`]; what a handler keeps of a body counts until it lets go of its share.
    pub body_budget: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            body_limit: 10 << 20,
            timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            in_flight: 512,
            body_budget: 32 << 20,
            bulk: Bulk { calls: &[], in_flight: 0, body_budget: 0 },
            connections: CONNECTIONS,
            streams: StreamBounds { paths: &[], most: STREAMS, of_one: STREAMS_OF_ONE },
            client_timeout: CLIENT_TIMEOUT,
            untraced: &[],
        }
    }
}

impl HttpOptions {
    /// With calls and streams bounded so that together they leave half of the connections: for probes, and for answers that say
    /// that there is no room.
    #[must_use]
    pub(super) fn leaving_room(self) -> Self {
        let share = (self.connections / 4).max(1);
        let bulk = Bulk { in_flight: self.bulk.in_flight.min(share), ..self.bulk };
        Self { in_flight: self.in_flight.min(share), bulk, ..self }
    }
}
