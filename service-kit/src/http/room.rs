//! The connections of a listener: bounded in number, with room for the next one whatever the others do.
//!
//! In each connection it is either the client's turn (to send a head, the next piece of a body, the next call) or ours. Where the
//! bound is reached, the one that waits longest for its client is closed for the new one. So thousands that say nothing, or half
//! of something, never keep out one that asks. A connection that has become a stream does not count: streams have a bound of
//! their own ([`super::streams`]).

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, counter, gauge};
use rustix::io::Errno;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::CheckState;
use crate::{ServiceName, seldom};

/// So many are closed at once where descriptors have run out: some for what comes next, some for the rest of the process.
const CLOSED_AT_ONCE: usize = 32;
/// So long a shortage is told after it was last met.
const TOLD_FOR: Duration = Duration::from_secs(60);

/// What was short.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Shortage {
    #[error(
        "all {most} connections of the {service} are in use; those that wait longest for their clients are closed for new \
         ones (--http-connections)"
    )]
    Connections { service: ServiceName, most: usize },
    #[error("the {service} cannot accept connections: {why}; raise the limit of open files (ulimit -Hn)")]
    Descriptors { service: ServiceName, why: String },
}

/// Whether an error of `accept` speaks of the process or the machine, and not of the one connection.
fn is_shortage(error: &io::Error) -> bool {
    let short = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| short.contains(&errno))
}

#[derive(Debug)]
pub(super) struct Room {
    service: ServiceName,
    most: usize,
    inner: Mutex<Inner>,
    /// One acceptor waits here at most.
    changed: Notify,
    meters: Meters,
}

#[derive(Debug, Default)]
struct Inner {
    /// Without streams.
    open: usize,
    streams: usize,
    /// Asked to end, and not ended yet.
    closing: usize,
    next: u64,
    /// Those in which it is the client's turn, the longest first.
    waiting: BTreeMap<u64, CancellationToken>,
    short: Option<(Instant, Shortage)>,
}

#[derive(Debug)]
struct Meters {
    open: Gauge,
    streams: Gauge,
    closed: Counter,
    refused: Counter,
}

/// One connection's place.
#[derive(Debug)]
pub(super) struct Seat {
    room: Arc<Room>,
    close: CancellationToken,
    turn: Mutex<Turn>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Client(u64),
    Ours,
    Stream,
}

impl Room {
    pub(super) fn new(service: ServiceName, most: usize) -> Arc<Self> {
        let name = service.as_str();
        let connections =
            |state: &'static str| gauge!("phasegate_http_connections", "service" => name, "state" => state);
        // Far below what a gauge's 52 bits hold.
        connections("most").set(u32::try_from(most).unwrap_or(u32::MAX));
        let meters = Meters {
            open: connections("open"),
            streams: connections("streams"),
            closed: counter!("phasegate_http_connections_closed_total", "service" => name),
            refused: counter!("phasegate_http_accept_failures_total", "service" => name),
        };
        meters.closed.increment(0);
        meters.refused.increment(0);
        Arc::new(Self { service, most, inner: Mutex::default(), changed: Notify::new(), meters })
    }

    /// A place for a connection that was accepted, once there is one. Only one task may wait here.
    pub(super) async fn enter(self: &Arc<Self>) -> Arc<Seat> {
        loop {
            if let Some(seat) = self.try_enter() {
                return seat;
            }
            self.changed.notified().await;
        }
    }

    fn try_enter(self: &Arc<Self>) -> Option<Arc<Seat>> {
        let mut inner = self.inner();
        if inner.open < self.most {
            inner.open += 1;
            let close = CancellationToken::new();
            let turn = Mutex::new(Turn::Client(inner.wait_for(&close)));
            self.measure(&inner);
            return Some(Arc::new(Seat { room: Arc::clone(self), close, turn }));
        }
        // One at a time: each end calls for a new look.
        if inner.closing == 0 {
            self.close_oldest(&mut inner);
        }
        self.told(inner, &Shortage::Connections { service: self.service, most: self.most });
        None
    }

    /// `accept` failed. True: for want of something that other connections hold; then [`Self::make_way`] is to be called, after a
    /// pause in which those that were accepted just now may say what they want.
    pub(super) fn not_accepted(&self, error: &io::Error) -> bool {
        self.meters.refused.increment(1);
        if !is_shortage(error) {
            return false;
        }
        let inner = self.inner();
        self.told(inner, &Shortage::Descriptors { service: self.service, why: error.to_string() });
        true
    }

    /// Closes some of those that wait for their clients.
    pub(super) fn make_way(&self) {
        let mut inner = self.inner();
        for _ in 0..CLOSED_AT_ONCE {
            self.close_oldest(&mut inner);
        }
    }

    fn close_oldest(&self, inner: &mut Inner) {
        if let Some((_, close)) = inner.waiting.pop_first() {
            inner.closing += 1;
            close.cancel();
            self.meters.closed.increment(1);
        }
    }

    fn told(&self, mut inner: MutexGuard<'_, Inner>, shortage: &Shortage) {
        inner.short = Some((Instant::now(), shortage.clone()));
        drop(inner); // a log may be slow
        seldom!(warn, "clients are not served as they come", shortage);
    }

    /// For `/readyz`: whether something was short within the last minute.
    pub(super) fn state(&self) -> CheckState {
        match &self.inner().short {
            Some((at, shortage)) if at.elapsed() < TOLD_FOR => CheckState::Degraded(shortage.to_string()),
            _ => CheckState::Ok,
        }
    }

    fn measure(&self, inner: &Inner) {
        let number = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
        self.meters.open.set(number(inner.open));
        self.meters.streams.set(number(inner.streams));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The last in the queue.
    fn wait_for(&mut self, close: &CancellationToken) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, close.clone());
        self.next
    }
}

impl Seat {
    /// It is to end, for another one.
    pub(super) async fn closed(&self) {
        self.close.cancelled().await;
    }

    /// From now on the client's turn, if it was not already.
    pub(super) fn client(&self) {
        self.change(|inner, turn| match turn {
            Turn::Client(since) => Turn::Client(since),
            Turn::Ours | Turn::Stream => Turn::Client(inner.wait_for(&self.close)),
        });
    }

    /// From now on ours; a stream stays one until its end.
    pub(super) fn ours(&self) {
        self.change(|_, turn| if turn == Turn::Stream { turn } else { Turn::Ours });
    }

    /// From now on it counts as a stream.
    pub(super) fn stream(&self) {
        self.change(|_, _| Turn::Stream);
    }

    fn change(&self, to: impl FnOnce(&mut Inner, Turn) -> Turn) {
        let mut inner = self.room.inner();
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is being closed stays the client's.
        if self.close.is_cancelled() {
            return;
        }
        let (before, after) = (*turn, to(&mut inner, *turn));
        *turn = after;
        if before == after {
            return;
        }
        if let Turn::Client(since) = before {
            inner.waiting.remove(&since);
        }
        match (before, after) {
            (Turn::Stream, _) => (inner.streams, inner.open) = (inner.streams - 1, inner.open + 1),
            (_, Turn::Stream) => (inner.streams, inner.open) = (inner.streams + 1, inner.open - 1),
            _ => {}
        }
        self.room.measure(&inner);
        drop(inner);
        self.room.changed.notify_one();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let turn = *self.turn.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut inner = self.room.inner();
        match turn {
            Turn::Stream => inner.streams -= 1,
            Turn::Client(_) | Turn::Ours => inner.open -= 1,
        }
        if let Turn::Client(since) = turn {
            inner.waiting.remove(&since);
        }
        if self.close.is_cancelled() {
            inner.closing -= 1;
        }
        self.room.measure(&inner);
        drop(inner);
        self.room.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(most: usize) -> Arc<Room> {
        Room::new(ServiceName::Analyzer, most)
    }

    /// Connections and streams.
    fn counts(room: &Room) -> (usize, usize) {
        let inner = room.inner();
        (inner.open, inner.streams)
    }

    async fn is_closed(seat: &Seat) -> bool {
        tokio::select! { biased; () = seat.closed() => true, () = std::future::ready(()) => false }
    }

    #[tokio::test]
    async fn the_one_that_waits_longest_for_its_client_makes_room() {
        let room = room(3);
        let (busy, first, second) = (room.enter().await, room.enter().await, room.enter().await);
        busy.ours();
        assert_eq!(room.state(), CheckState::Ok);
        assert!(room.try_enter().is_none());
        assert!(is_closed(&first).await && !is_closed(&busy).await && !is_closed(&second).await);
        assert!(room.try_enter().is_none() && !is_closed(&second).await, "one at a time");
        assert!(matches!(room.state(), CheckState::Degraded(why) if why.starts_with("all 3 connections")));
        first.ours();
        assert!(is_closed(&first).await, "too late");
        drop(first);
        room.enter().await;
        // A call that was answered is the client's again, behind the others.
        busy.client();
        let _third = room.enter().await;
        assert!(room.try_enter().is_none());
        assert!(is_closed(&second).await && !is_closed(&busy).await);
    }

    #[tokio::test]
    async fn nobody_who_is_being_answered_is_closed() {
        let room = room(1);
        let busy = room.enter().await;
        busy.ours();
        let entering = tokio::spawn({
            let room = Arc::clone(&room);
            async move { room.enter().await }
        });
        tokio::task::yield_now().await;
        assert!(!entering.is_finished() && !is_closed(&busy).await);
        busy.client();
        busy.closed().await;
        drop(busy);
        entering.await.unwrap();
    }

    #[tokio::test]
    async fn a_stream_takes_no_room() {
        let room = room(1);
        let stream = room.enter().await;
        stream.ours();
        stream.stream();
        let next = room.enter().await;
        assert_eq!(counts(&room), (1, 1));
        drop(next);
        // Its end in good order: the connection is one like others again.
        stream.client();
        assert_eq!(counts(&room), (1, 0));
        drop(stream);
        assert_eq!((counts(&room), room.inner().waiting.len()), ((0, 0), 0));
    }

    #[test]
    fn a_shortage_is_told_from_a_connection_that_broke() {
        for (errno, is_short) in [(Errno::MFILE, true), (Errno::NFILE, true), (Errno::CONNABORTED, false)] {
            assert_eq!(room(1).not_accepted(&errno.into()), is_short);
        }
    }
}
