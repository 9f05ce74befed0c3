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
use tokio::time::{Instant, timeout};

use super::connection::Connected;
use super::position::{Gap, Position, moment};
use crate::sources::{Contribution, Cursor, Input, Moved, Newest, Origin, Part, PassedOver};

/// Of one read.
const BYTES: usize = 4 << 20;
const MESSAGES: usize = 10_000;
/// Beside the payload of a message.
const HEADERS: usize = 64 << 10;
/// The server forgets a consumer that nobody asked for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);
/// How often a position moves past what is not ours, so that what the stream drops of it later is not taken for lost.
const MOVES_ON: Duration = Duration::from_secs(600);
/// So long after the stream has stored a message its consumer knows of it for certain.
const KNOWN_AFTER: Duration = Duration::from_secs(30);
/// Of a fetch in which nothing comes any more: the connection was lost.
const QUIET: Duration = Duration::from_secs(2);

pub(super) struct Following {
    connected: Connected,
    consumer: Consumer<pull::Config>,
    position: Position,
    /// Messages that the consumer has delivered here.
    delivered: u64,
    /// All that is ours up to this message was handed over, as far as the consumer said.
    known: u64,
    /// What was known at a moment, to which the position is about to move.
    moving_to: Option<(u64, Timestamp)>,
    moved_at: Timestamp,
    /// A fetch ends after so long with what it has.
    patience: Duration,
    /// What the stream no longer had when this began.
    gap: Option<Gap>,
    /// The stream was never read: where it begins is not written down yet.
    is_first: bool,
}

/// What one fetch gave.
#[derive(Default)]
struct Fetched {
    lines: Vec<u8>,
    /// The last message, and when it was published.
    last: Option<(u64, Timestamp)>,
    /// Nothing more was there.
    to_the_end: bool,
}

impl Following {
    /// From a position on, or from the stream's beginning.
    pub(super) async fn begin(
        connected: Connected,
        subject: &str,
        position: Option<Position>,
        patience: Duration,
        now: Timestamp,
    ) -> Result<Self, String> {
        let info = connected.stream.cached_info();
        if info.config.max_messages_per_subject > 0 {
            let most = info.config.max_messages_per_subject;
            return Err(format!(
                "it keeps {most} messages of a subject, and what it drops of one cannot be told: set `max_msgs_per_subject` to -1"
            ));
        }
        let is_first = position.is_none();
        let mut position = position.unwrap_or_else(|| Position::before_all(info, subject));
        let mut gap = position.pass_gap(info, subject, 0);
        if gap.is_none()
            && let Some(read_at) = position.at
            && let Ok(message) = connected.stream.get_raw_message(position.sequence).await
        {
            let at = moment(message.time.unix_timestamp_nanos());
            if at != read_at {
                position.at = Some(at);
                gap = Some(position.another_message(info));
            }
        }
        let config = pull::Config {
            deliver_policy: match position.sequence {
                0 => DeliverPolicy::All,
                sequence => DeliverPolicy::ByStartSequence { start_sequence: sequence + 1 },
            },
            ack_policy: AckPolicy::None,
            filter_subject: subject.to_owned(),
            inactive_threshold: FORGOTTEN_AFTER,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = connected.stream.create_consumer(config).await.map_err(|error| error.to_string())?;
        let known = position.sequence;
        Ok(Self {
            connected,
            consumer,
            position,
            delivered: 0,
            known,
            moving_to: None,
            moved_at: now,
            patience,
            gap,
            is_first,
        })
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
        let stream = self.stream_now().await?;
        if self.position.is_of_another(&stream) {
            return Ok(None);
        }
        if self.gap.is_none() {
            let subject = self.position.subject.clone();
            self.gap = self.position.pass_gap(&stream, &subject, self.known);
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
            let Some(fetched) = self.fetch(consumer.num_pending).await? else { return Ok(None) };
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
        if let Some((last, at)) = fetched.last {
            if last <= before.sequence {
                return Err(format!(
                    "message {last} came after {}, up to which all was read",
                    before.sequence
                ));
            }
            (self.position.sequence, self.position.at) = (last, Some(at));
            (self.known, self.moving_to) = (self.known.max(last), None);
            self.take_lines(fetched.lines, specs, threads, &mut input).await?;
        } else {
            self.move_on(now);
        }
        if std::mem::take(&mut self.is_first) || self.position != before || !input.contributions.is_empty() {
            self.moved_at = now;
            let place = self.place().to_owned();
            input.moved.push(Moved { place, cursor: self.position.cursor(), anew });
        }
        Ok(Some(input))
    }

    /// Past what is not ours, once it is certain that it is not.
    fn move_on(&mut self, now: Timestamp) {
        match self.moving_to {
            None if now.since(self.moved_at) >= MOVES_ON => self.moving_to = Some((self.known, now)),
            Some((known, since)) if now.since(since) >= KNOWN_AFTER => {
                if known > self.position.sequence {
                    (self.position.sequence, self.position.at) = (known, None);
                }
                (self.moving_to, self.moved_at) = (None, now);
            }
            None | Some(_) => {}
        }
    }

    fn place(&self) -> &str {
        &self.connected.stream.cached_info().config.name
    }

    async fn stream_now(&self) -> Result<Info, String> {
        self.connected.stream.get_info().await.map_err(|error| error.to_string())
    }

    async fn fetch(&mut self, pending: u64) -> Result<Option<Fetched>, String> {
        let bytes = BYTES.max(self.connected.client.max_payload() + HEADERS);
        let count = usize::try_from(pending).unwrap_or(MESSAGES).min(MESSAGES);
        let fetch = self.consumer.fetch().max_messages(count).max_bytes(bytes);
        let mut messages = fetch.messages().await.map_err(|error| error.to_string())?;
        let mut fetched = Fetched::default();
        let began = Instant::now();
        // What is still on its way then is delivered again from the position.
        while began.elapsed() < self.patience
            && let Ok(Some(message)) = timeout(QUIET, messages.next()).await
        {
            let message = match message {
                Ok(message) => message,
                // The next one is larger than what is left of the bytes.
                Err(_) if fetched.last.is_some() => break,
                Err(error) => return Err(error.to_string()),
            };
            let info = message.info().map_err(|error| error.to_string())?;
            if info.consumer_sequence != self.delivered + 1 {
                return Ok(None);
            }
            self.delivered = info.consumer_sequence;
            fetched.last = Some((info.stream_sequence, moment(info.published.unix_timestamp_nanos())));
            fetched.to_the_end = info.pending == 0;
            fetched.lines.extend_from_slice(&message.payload);
            if !fetched.lines.ends_with(b"\n") && !message.payload.is_empty() {
                fetched.lines.push(b'\n');
            }
        }
        Ok(fetched.last.is_some().then_some(fetched))
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
pub(super) async fn newest(connected: &Connected, subject: &str, bytes: u64) -> Result<Newest, String> {
    let info = connected.stream.cached_info();
    let state = &info.state;
    let (mut position, mut newest) = (Position::before_all(info, subject), Newest::default());
    if state.bytes > bytes && state.messages > 0 {
        let messages = bytes / (state.bytes / state.messages).max(1);
        position.sequence = position.sequence.max(state.last_sequence.saturating_sub(messages.max(1)));
        let first = connected.stream.get_raw_message(position.sequence + 1).await;
        let written = first.map_or(state.last_timestamp, |first| first.time);
        newest.passed_over.push(PassedOver {
            place: info.config.name.clone(),
            path: format!("stream {}", info.config.name),
            bytes: state.bytes - bytes,
            written: moment(written.unix_timestamp_nanos()),
        });
    }
    newest.cursor = Cursor::from([(info.config.name.clone(), position.cursor())]);
    Ok(newest)
}
