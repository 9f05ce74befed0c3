//! What the collector does to the outside world, a file an effect: batches and events to the analyzer, acts to the reporter,
//! files. All may be done twice without harm: the receivers know what they were told by its id, files are checked before a line
//! is added.

mod append_retry_failure;
mod context;
mod deliver_batch;
mod deliver_event;
pub mod messages;
mod tell_act;
mod write_archive;

use service_kit::outbox::{EffectKind, Registry, Room};

pub use append_retry_failure::{AppendRetryFailure, RetryFailure, retry_failures_path};
pub use context::{DELIVERY_TIMEOUT, Effects};
pub use deliver_batch::DeliverBatch;
pub use deliver_event::DeliverEvent;
pub use tell_act::TellAct;
pub use write_archive::WriteArchive;

impl Registry for Effects {
    const EFFECTS: &'static [EffectKind<Self>] = &[
        EffectKind::of::<DeliverBatch>(),
        EffectKind::of::<DeliverEvent>(),
        EffectKind::of::<WriteArchive>(),
        EffectKind::of::<AppendRetryFailure>(),
        EffectKind::of::<TellAct>(),
    ];

    fn room_of(receiver: &str) -> Room {
        if receiver == "analyzer" { Room::NEIGHBOUR } else { Room::USUAL }
    }
}
