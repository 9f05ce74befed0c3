//! Counting data points that were sent, with how far their streams are counted now.

use std::collections::BTreeSet;

use shared_types::Timestamp;

use super::Worker;
use crate::intake::Counts;
use crate::sources::WindowTotals;
use crate::sources::otlp::{self, Delivery};

impl Worker {
    /// Counts data points, and forgets processes that have sent none for long.
    pub(super) fn count_delivery(&mut self, delivery: Delivery, now: Timestamp, all: &mut Counts) {
        // The source that is read may still be the one of an older version of the policy.
        let source = otlp::READER.key;
        let cursor = self.places.cursor(source);
        let counted = otlp::count(&delivery, &cursor, &self.state.schedule, now);
        let length = self.state.schedule.at(now).window.length();
        let forgotten = cursor.iter().filter(|(_, it)| otlp::is_forgotten(it, length, now));
        let mut moved: BTreeSet<String> = forgotten.map(|(place, _)| place.clone()).collect();
        drop(cursor);
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
