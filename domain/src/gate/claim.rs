//! What a batch or an alarm may claim of epochs, held against what its sender can have been told (OP-4).
//!
//! An epoch beyond all that was told would make every real one look old: the run would not be fed, nor the watch moved,
//! and silence would not be heard.

use shared_types::Epoch;

/// So many epochs may have begun unheard while nobody could be asked.
const UNHEARD: Epoch = 1000;

/// The newest epoch that is believed: of the newest heard here (`known`) and the one that the reporter says it has told
/// (`told`); where it cannot be asked, a bounded number beyond.
#[must_use]
pub fn newest_believed(known: Option<Epoch>, told: Option<Epoch>) -> Epoch {
    let known = known.unwrap_or(0);
    told.map_or(known.saturating_add(UNHEARD), |told| told.max(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OP-4: the reporter's word decides; without it a little is believed, and nothing absurd.
    #[test]
    fn no_epoch_is_believed_that_nobody_was_told() {
        assert_eq!(newest_believed(Some(3), Some(4)), 4);
        // A reporter that was put back: what was heard before is not doubted.
        assert_eq!(newest_believed(Some(7), Some(4)), 7);
        assert_eq!(newest_believed(Some(3), None), 1003);
        assert_eq!(newest_believed(None, None), 1000);
        assert_eq!(newest_believed(Some(Epoch::MAX), None), Epoch::MAX);
    }
}
