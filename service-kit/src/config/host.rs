//! How the file descriptors of a process are divided: what databases, files, commands and calls to others need comes first, the
//! rest is for clients.

use std::num::NonZeroU32;
use std::time::Duration;

use super::args::HttpArgs;
use crate::http::options::{CLIENT_TIMEOUT, CONNECTIONS, STREAMS, STREAMS_OF_ONE};
use crate::http::{HttpOptions, StreamBounds};

/// Sources, logs, archives, commands with their pipes, connections to neighbours and vendors.
const OWN: u64 = 64;
/// A connection to SQLite has the file, its log and the memory that they share; to PostgreSQL one socket.
const OF_A_DATABASE_CONNECTION: u64 = 3;
/// Fewer would serve nobody.
const LEAST: u64 = 16;
/// Streams are the lesser part of what clients get.
const STREAMS_SHARE: usize = 16;

/// Descriptors that one service may give to its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostShare(Option<u64>);

impl HostShare {
    /// Of a process with that limit (`None`: without one) and that many services, each with such a pool of connections.
    pub(super) fn of(limit: Option<u64>, services: u32, pool: u32) -> Self {
        let kept = OWN + OF_A_DATABASE_CONNECTION * u64::from(pool);
        Self(limit.map(|limit| {
            let whole = limit / u64::from(services.max(1));
            // Under a very low limit each side has half of the trouble.
            whole.saturating_sub(kept).max(whole / 2).max(LEAST)
        }))
    }

    /// What is asked for, as far as it is there.
    pub(super) fn options(self, asked: &HttpArgs) -> HttpOptions {
        let number = |asked: NonZeroU32| usize::try_from(asked.get()).unwrap_or(usize::MAX);
        let count = |asked: Option<NonZeroU32>, default: usize| asked.map_or(default, number);
        let all = self.0.map_or(usize::MAX, |all| usize::try_from(all).unwrap_or(usize::MAX));
        let streams = match asked.http_streams {
            Some(asked) => number(asked).min(all / 2),
            None => STREAMS.min(all / STREAMS_SHARE),
        };
        let wanted = count(asked.http_connections, CONNECTIONS);
        let connections = wanted.min(all.saturating_sub(streams));
        if asked.http_connections.is_some() && connections < wanted {
            tracing::warn!(
                wanted,
                connections,
                "the limit of open files (ulimit -Hn) leaves fewer connections than --http-connections says"
            );
        }
        HttpOptions {
            connections,
            streams: StreamBounds {
                paths: &[],
                most: streams.max(1),
                of_one: count(asked.http_streams_per_caller, STREAMS_OF_ONE),
            },
            client_timeout: asked
                .http_client_timeout
                .map_or(CLIENT_TIMEOUT, |seconds| Duration::from_secs(seconds.get().into())),
            ..HttpOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(limit: Option<u64>, services: u32, asked: &HttpArgs) -> (usize, usize, usize) {
        let options = HostShare::of(limit, services, 16).options(asked);
        (options.connections, options.streams.most, options.streams.of_one)
    }

    /// What is kept for the databases and the rest of the process is never given to clients.
    #[test]
    fn descriptors_are_divided() {
        let none = HttpArgs::default();
        assert_eq!(bounds(None, 1, &none), (4096, 256, 32));
        assert_eq!(bounds(Some(65_536), 3, &none), (4096, 256, 32));
        // The usual soft limit as a hard one: 912 of 1,024 for clients, and with three services 229 each.
        assert_eq!(bounds(Some(1024), 1, &none), (855, 57, 32));
        assert_eq!(bounds(Some(1024), 3, &none), (215, 14, 32));
        assert_eq!(bounds(Some(64), 1, &none), (30, 2, 32));
        assert_eq!(bounds(Some(3), 3, &none), (15, 1, 32));
    }

    #[test]
    fn what_is_asked_for_is_given_as_far_as_it_is_there() {
        let asked = HttpArgs {
            http_connections: NonZeroU32::new(500),
            http_streams: NonZeroU32::new(100),
            http_streams_per_caller: NonZeroU32::new(5),
            http_client_timeout: NonZeroU32::new(7),
        };
        assert_eq!(bounds(Some(65_536), 3, &asked), (500, 100, 5));
        assert_eq!(bounds(Some(1024), 3, &asked), (129, 100, 5));
        assert_eq!(HostShare(None).options(&asked).client_timeout, Duration::from_secs(7));
    }
}
