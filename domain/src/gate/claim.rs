//! What a batch or an alarm may claim of epochs, held against what its sender can have been told (OP-4).
//!
//! An epoch beyond all that was told would make every real one look old: the run would not be fed, nor the watch moved,
//! and silence would not be heard.

use shared_types::Epoch;

/// So many epochs may have begun unheard while nobody could be asked.
const UNHEARD: Epoch = 1000;

/// The newest epoch that is believed: the one that the reporter says it has told (`told`). Where it cannot be asked, or has told
/// less than was heard here (`known`) and so was put back (OP-3), a bounded number beyond that.
#[must_use]
pub fn newest_believed(known: Option<Epoch>, told: Option<Epoch>) -> Epoch {
    let known = known.unwrap_or(0);
    told.filter(|told| *told >= known).unwrap_or(known.saturating_add(UNHEARD))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OP-4: the reporter's word decides; without it a little is believed, and nothing absurd.
    #[test]
    fn no_epoch_is_believed_that_nobody_was_told() {
        assert_eq!(newest_believed(Some(3), Some(4)), 4);
        // A reporter that was put back does not know what it told.
        assert_eq!(newest_believed(Some(7), Some(4)), 1007);
        assert_eq!(newest_believed(Some(3), None), 1003);
        assert_eq!(newest_believed(None, None), 1000);
        assert_eq!(newest_believed(Some(Epoch::MAX), None), Epoch::MAX);
    }
}
