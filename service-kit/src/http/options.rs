//! The limits of a service's HTTP side.

use std::time::Duration;

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
    /// Connections at once; one more waits.
    pub connections: usize,
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
            connections: 4096,
            untraced: &[],
        }
    }
}
