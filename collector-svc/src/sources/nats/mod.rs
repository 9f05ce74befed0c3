//! Messages of a stream of NATS JetStream, by their sequence in it: the position is ours alone and is committed with the counts
//! (TE-5). Nothing is acknowledged: the server's place would be a second truth.

mod connection;
mod following;
mod position;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::Info;
use async_trait::async_trait;
use domain::sources::nats::{KIND, Nats};
use events::EventSpecs;
use shared_types::Timestamp;

use super::{Asked, Input, Newest, Opened, Opening, Reader, Source, SourceError};
use following::Following;
use position::Position;

/// A server that is behind has caught up after so long.
const GONE_BACK_AFTER: Duration = Duration::from_secs(10);

/// What reads the kind.
pub const READER: Reader = Reader { key: KIND.key, open };

fn open(opening: &Opening<'_>) -> Opened {
    let Opening { target, policy, specs, threads } = *opening;
    let Some(settings) = policy.collection.source.of_kind::<Nats>() else { return Ok(None) };
    Ok(Some(Box::new(NatsSource {
        settings: settings.clone(),
        subject: settings.subject_of(target),
        specs: Arc::clone(specs),
        threads,
        timeout: policy.collection.source_timeout,
        following: None,
        went_back: None,
    })))
}

struct NatsSource {
    settings: Nats,
    /// The target's.
    subject: String,
    specs: Arc<EventSpecs>,
    threads: usize,
    timeout: Duration,
    /// None after anything went wrong: what the server delivered meanwhile is in doubt.
    following: Option<Following>,
    /// Since when the stream has ended before what was read of it.
    went_back: Option<Timestamp>,
}

#[async_trait]
impl Source for NatsSource {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    async fn read(&mut self, asked: &Asked) -> Result<Input, SourceError> {
        let position = asked.cursor.get(&self.settings.stream).map(Position::of).transpose();
        let position = position.map_err(|reason| self.failed(reason))?;
        let read = in_time(self.timeout, Box::pin(self.follow(position, asked.now))).await?;
        read.map_err(|reason| self.failed(reason))
    }

    async fn newest(&mut self, bytes: u64) -> Result<Newest, SourceError> {
        let newest = connection::stream(&self.settings, self.timeout);
        let newest = async { following::newest(&newest.await?, &self.subject, bytes).await };
        in_time(self.timeout, Box::pin(newest)).await?.map_err(|reason| self.failed(reason))
    }
}

/// What a server may be long at.
async fn in_time<T>(limit: Duration, asking: impl Future<Output = T>) -> Result<T, SourceError> {
    tokio::time::timeout(limit, asking).await.map_err(|_| SourceError::Timeout(limit.as_secs()))
}

impl NatsSource {
    fn failed(&self, reason: String) -> SourceError {
        let Nats { url, stream, .. } = &self.settings;
        SourceError::Io { what: format!("stream {stream} at {url}"), reason }
    }

    /// An error as long as a stream that ends before what was read of it may be one whose server is behind the others.
    fn has_surely_gone_back(
        &mut self,
        position: Option<&Position>,
        info: &Info,
        now: Timestamp,
    ) -> Result<(), String> {
        let Some(position) = position.filter(|position| position.is_beyond(info)) else {
            self.went_back = None;
            return Ok(());
        };
        let since = *self.went_back.get_or_insert(now);
        if now.since(since) >= GONE_BACK_AFTER {
            return Ok(());
        }
        let (last, read) = (info.state.last_sequence, position.sequence);
        Err(format!(
            "it ends at message {last}, and was read up to {read}: a server may be behind; looked at again"
        ))
    }

    async fn follow(&mut self, position: Option<Position>, now: Timestamp) -> Result<Input, String> {
        // A second time: with the connection, or the server, what was under way is gone.
        for _ in 0..2 {
            let mut following = match self.following.take().filter(|it| it.is_at(position.as_ref())) {
                Some(following) => following,
                None => {
                    let stream = connection::stream(&self.settings, self.timeout).await?;
                    self.has_surely_gone_back(position.as_ref(), stream.stream.cached_info(), now)?;
                    let patience = self.timeout / 2;
                    Following::begin(stream, &self.subject, position.clone(), patience, now).await?
                }
            };
            if let Some(input) = following.next(&self.specs, self.threads, now).await? {
                self.following = Some(following);
                return Ok(input);
            }
        }
        Err("what it delivered was lost on its way, twice".to_owned())
    }
}
