//! Where telemetry comes from: one file a kind of source; its half of the policy is `domain::sources`. A source hands
//! over what it found and how far it got; it keeps no counts of its own and decides nothing. What it hands over is
//! durable only once the worker has committed it, together with how far it got.

mod auth;
pub mod cloudwatch;
pub mod datadog;
mod files;
mod follow;
pub mod http;
pub mod jsonl;
pub mod loki;
pub mod nats;
mod newest;
pub mod otlp;
mod places;
pub mod prometheus;
mod source;
mod whole;
mod windows;

use async_trait::async_trait;

pub use files::expand as expand_patterns;
pub use http::{Push, PushQueue, PushReply, PushSource, Receipt};
pub use jsonl::JsonlSource;
pub(crate) use places::Places;
pub use source::{
    Asked, AskedWindow, Contribution, Cursor, Input, LeftOut, Moved, Newest, Opened, Opening, Origin, Part,
    PassedOver, Reader, Source, SourceError, WindowTotals,
};
pub(crate) use whole::whole;

/// What reads each kind of the product.
pub const SHIPPED: [Reader; 8] = [
    jsonl::READER,
    http::READER,
    prometheus::READER,
    otlp::READER,
    nats::READER,
    loki::READER,
    cloudwatch::READER,
    datadog::READER,
];

/// The source that the policy names, where it is one that is read. One that cannot be opened is one that cannot be read:
/// an outage, told like any other (CO-5).
#[must_use]
pub fn open(readers: &[Reader], opening: &Opening<'_>) -> Option<Box<dyn Source>> {
    let kind = opening.policy.collection.source.kind();
    let reader = readers.iter().find(|reader| reader.key == kind);
    let unknown = || SourceError::Io { what: kind.to_owned(), reason: "nothing here reads it".to_owned() };
    match reader.ok_or_else(unknown).and_then(|reader| (reader.open)(opening)) {
        Ok(source) => source,
        Err(error) => Some(Box::new(Unreadable { kind, error })),
    }
}

#[derive(Debug)]
struct Unreadable {
    kind: &'static str,
    error: SourceError,
}

#[async_trait]
impl Source for Unreadable {
    fn kind(&self) -> &'static str {
        self.kind
    }

    async fn read(&mut self, _asked: &Asked) -> Result<Input, SourceError> {
        Err(self.error.clone())
    }
}
