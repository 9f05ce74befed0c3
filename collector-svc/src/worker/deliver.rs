//! Counting data points that were sent, with how far their streams are counted now.

use domain::kinds::Chosen;
use domain::sources::SourceSettings;
use shared_types::{Timestamp, Window};

use super::Worker;
use crate::intake::Counts;
use crate::sources::otlp::{self, Delivery};
use crate::sources::{Origin, Part, Receipt, WindowTotals};

impl Worker {
    /// PO-2: what is sent for a source counts in the windows of the versions that have it.
    pub(super) fn leave_out_other_windows(&self, part: &mut Part) {
        let Origin::Push(Receipt { of: Some(of), .. }) = &part.origin else { return };
        part.records.events.retain(|event| self.has_source(of, Timestamp::from_millis(event.ts_ms)));
    }

    /// Whether the window of a moment goes by a version with that source.
    fn has_source(&self, source: &Chosen<dyn SourceSettings>, moment: Timestamp) -> bool {
        let window = self.state.schedule.at(moment).window;
        self.versions.of(window.start).policy.collection.source == *source
    }

    /// Counts data points, and forgets processes that have sent none for long.
    pub(super) fn count_delivery(&mut self, delivery: Delivery, now: Timestamp, all: &mut Counts) {
        // The source that is read may still be the one of an older version of the policy.
        let source = otlp::READER.key;
        let cursor = self.places.cursor(source);
        let has_source = |window: Window| self.has_source(&delivery.of, window.start);
        let counted = otlp::count(&delivery, &cursor, &self.state.schedule, has_source, now);
        drop(cursor);
        let mut moved = counted.forgotten;
        for place in &moved {
            self.places.forget(source, place);
        }
        let mut counts = Counts::default();
        for WindowTotals { window, totals } in &counted.windows {
            counts.duplicates += totals.intake.duplicates;
            self.intake.add(*window, totals, now, &mut counts);
        }
        all.add(&counts);
        for place in counted.moved {
            moved.insert(place.place.clone());
            self.places.take(source, place);
        }
        let in_flight = self.begin();
        in_flight.moved.extend(moved.into_iter().map(|place| (source, place)));
        in_flight.deliveries.push((delivery, counted.refused));
    }
}
