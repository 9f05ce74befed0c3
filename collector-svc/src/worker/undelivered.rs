//! What a worker knows of batches on their way, so that it need not ask.

use shared_types::Timestamp;

/// What is known of closed windows that were not delivered, until another one is closed or the target is loaded again: so that
/// nothing is asked of the store while nothing can be late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Undelivered {
    #[default]
    Unknown,
    None,
    /// The oldest is late then, if it is still not delivered.
    LateAt(Timestamp),
}

impl Undelivered {
    pub(super) fn may_be_late(self, now: Timestamp) -> bool {
        match self {
            Self::Unknown => true,
            Self::None => false,
            Self::LateAt(at) => at <= now,
        }
    }
}
