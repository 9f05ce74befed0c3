//! A consumer that follows a stream from a position on.
//!
//! It belongs to this read alone: it ends with it, acknowledges nothing, and delivers from where the position says. What it
//! delivered and the connection lost on its way shows as a gap in its own numbers; then another one begins at the position.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::Info;
use events::EventSpecs;
use events::records::Records;
use futures_util::StreamExt as _;
use shared_types::Timestamp;
use shared_types::batch::LostFile;

use super::connection::Connected;
use super::position::{Gap, Position};
use crate::sources::{Contribution, Cursor, Input, Moved, Newest, Origin, Part, PassedOver};

/// Of one read.
const BYTES: usize = 4 << 20;
const MESSAGES: usize = 10_000;
/// Beside the payload of a message.
const HEADERS: usize = 64 << 10;
/// The server forgets a consumer that nobody asked for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);
/// How often a position moves past what is not ours, so that it is not taken for lost when the stream drops it.
const MOVES_ON: Duration = Duration::from_secs(600);

pub(super) struct Following {
    connected: Connected,
    consumer: Consumer<pull::Config>,
    position: Position,
    /// Messages that the consumer has delivered here.
    delivered: u64,
    /// All that is ours up to this message was handed over.
    known: u64,
    moved_at: Timestamp,
    /// What the stream no longer had when this began.
    gap: Option<Gap>,
    /// The stream was never read: where it begins is not written down yet.
    is_first: bool,
}

/// What one fetch gave.
#[derive(Default)]
struct Fetched {
    lines: Vec<u8>,
    last: u64,
    /// Nothing more was there.
    to_the_end: bool,
}

impl Following {
    /// From a position on, or from the stream's beginning.
    pub(super) async fn begin(
        connected: Connected,
        subject: String,
        position: Option<Position>,
        now: Timestamp,
    ) -> Result<Self, String> {
        let info = connected.stream.cached_info();
        let is_first = position.is_none();
        let mut position = position.unwrap_or_else(|| Position::before_all(info));
        let gap = position.pass_gap(info, 0);
        let config = pull::Config {
            deliver_policy: match position.sequence {
                0 => DeliverPolicy::All,
                sequence => DeliverPolicy::ByStartSequence { start_sequence: sequence + 1 },
            },
            ack_policy: AckPolicy::None,
            filter_subject: subject,
            inactive_threshold: FORGOTTEN_AFTER,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = connected.stream.create_consumer(config).await.map_err(|error| error.to_string())?;
        let known = position.sequence;
        Ok(Self { connected, consumer, position, delivered: 0, known, moved_at: now, gap, is_first })
    }

    /// Whether what comes next is what follows a position.
    pub(super) fn is_at(&self, position: Option<&Position>) -> bool {
        // What was not committed is told again.
        position == Some(&self.position) && self.gap.is_none()
    }

    /// What comes next. None: the consumer is gone, or messages were lost on their way from it.
    pub(super) async fn next(
        &mut self,
        specs: &Arc<EventSpecs>,
        threads: usize,
        now: Timestamp,
    ) -> Result<Option<Input>, String> {
        // In this order: what was published in between is not taken for known.
        let stream = self.stream_now().await?;
        if self.gap.is_none() {
            self.gap = self.position.pass_gap(&stream, self.known);
            if self.gap.as_ref().is_some_and(|gap| gap.anew) {
                return Ok(None);
            }
        }
        let consumer = match self.consumer.get_info().await {
            Ok(consumer) => consumer,
            // The server has begun anew, or nobody asked for long.
            Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        if consumer.delivered.consumer_sequence != self.delivered {
            return Ok(None);
        }
        let fetched = if consumer.num_pending > 0 {
            let Some(fetched) = self.fetch().await? else { return Ok(None) };
            fetched
        } else {
            self.known = stream.state.last_sequence;
            Fetched { to_the_end: true, ..Fetched::default() }
        };
        let mut input =
            Input { caught_up: fetched.to_the_end, bytes: fetched.lines.len(), ..Input::default() };
        let before = self.position.clone();
        let lost = self.gap.take();
        let anew = lost.as_ref().is_some_and(|gap| gap.anew);
        input
            .contributions
            .extend(lost.map(|gap| Contribution::Lost(LostFile { file: gap.what, bytes: None })));
        if fetched.last > self.position.sequence {
            self.position.sequence = fetched.last;
            self.known = self.known.max(fetched.last);
            self.take_lines(fetched.lines, specs, threads, &mut input).await?;
        } else if now.since(self.moved_at) >= MOVES_ON {
            self.position.sequence = self.position.sequence.max(self.known);
        }
        if std::mem::take(&mut self.is_first) || self.position != before || !input.contributions.is_empty() {
            self.moved_at = now;
            let place = self.place().to_owned();
            input.moved.push(Moved { place, cursor: self.position.cursor(), anew });
        }
        Ok(Some(input))
    }

    fn place(&self) -> &str {
        &self.connected.stream.cached_info().config.name
    }

    async fn stream_now(&self) -> Result<Info, String> {
        self.connected.stream.get_info().await.map_err(|error| error.to_string())
    }

    async fn fetch(&mut self) -> Result<Option<Fetched>, String> {
        let bytes = BYTES.max(self.connected.client.max_payload() + HEADERS);
        let fetch = self.consumer.fetch().max_messages(MESSAGES).max_bytes(bytes);
        let mut messages = fetch.messages().await.map_err(|error| error.to_string())?;
        let mut fetched = Fetched::default();
        while let Some(message) = messages.next().await {
            let message = match message {
                Ok(message) => message,
                // The next one is larger than what is left of the bytes.
                Err(_) if fetched.last > 0 => break,
                Err(error) => return Err(error.to_string()),
            };
            let info = message.info().map_err(|error| error.to_string())?;
            if info.consumer_sequence != self.delivered + 1 {
                return Ok(None);
            }
            self.delivered = info.consumer_sequence;
            fetched.last = info.stream_sequence;
            fetched.to_the_end = info.pending == 0;
            fetched.lines.extend_from_slice(&message.payload);
            if !fetched.lines.ends_with(b"\n") && !message.payload.is_empty() {
                fetched.lines.push(b'\n');
            }
        }
        Ok((fetched.last > 0).then_some(fetched))
    }

    async fn take_lines(
        &mut self,
        lines: Vec<u8>,
        specs: &Arc<EventSpecs>,
        threads: usize,
        input: &mut Input,
    ) -> Result<(), String> {
        let with = Arc::clone(specs);
        let parsing = tokio::task::spawn_blocking(move || Records::of_slices(threads, &lines, &with));
        for records in parsing.await.map_err(|panic| panic.to_string())? {
            let origin = Origin::Place { name: self.place().to_owned(), line: self.position.lines };
            self.position.lines += records.lines;
            input.contributions.push(Contribution::Records(Part {
                records,
                specs: Arc::clone(specs),
                origin,
            }));
        }
        Ok(())
    }
}

/// Where about so many bytes of the stream's end begin.
pub(super) async fn newest(connected: &Connected, bytes: u64) -> Result<Newest, String> {
    let info = connected.stream.cached_info();
    let state = &info.state;
    let (mut position, mut newest) = (Position::before_all(info), Newest::default());
    if state.bytes > bytes && state.messages > 0 {
        let messages = bytes / (state.bytes / state.messages).max(1);
        position.sequence = position.sequence.max(state.last_sequence.saturating_sub(messages.max(1)));
        let first = connected.stream.get_raw_message(position.sequence + 1).await;
        let written = first.map_or(state.last_timestamp, |first| first.time);
        newest.passed_over.push(PassedOver {
            place: info.config.name.clone(),
            path: format!("stream {}", info.config.name),
            bytes: state.bytes - bytes,
            written: super::position::moment(written.unix_timestamp_nanos()),
        });
    }
    newest.cursor = Cursor::from([(info.config.name.clone(), position.cursor())]);
    Ok(newest)
}
