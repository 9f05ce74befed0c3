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
        let cursor = self.places.cursor(self.source);
        let counted = otlp::count(&delivery, &cursor, &self.state.schedule, now);
        let mut counts = Counts::default();
        for WindowTotals { window, totals } in &counted.windows {
            counts.duplicates += totals.intake.duplicates;
            self.intake.add(*window, totals, now, &mut counts);
        }
        all.add(&counts);
        let mut moved: BTreeSet<String> = counted.moved.iter().map(|it| it.place.clone()).collect();
        for place in counted.moved {
            self.places.take(self.source, place);
        }
        let length = self.state.schedule.at(now).window.length();
        for (place, _) in cursor.iter().filter(|(_, it)| otlp::is_forgotten(it, length, now)) {
            if moved.insert(place.clone()) {
                self.places.forget(self.source, place);
            }
        }
        let in_flight = self.begin();
        in_flight.moved.extend(moved);
        in_flight.deliveries.push((delivery, counted.refused));
    }
}
