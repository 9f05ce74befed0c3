//! Data points, turned into counts of windows. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::stored::plain;
use domain::telemetry::totals::Totals;
use serde::Deserialize as _;
use serde_json::Value;
use shared_types::{Timestamp, Window};

use super::delivery::Delivery;
use super::metrics::{Durations, Reading};
use super::refused::Refused;
use super::streams::{Amount, Growth, Instance, SEEN, millis};
use crate::schedule::Schedule;
use crate::sources::{Cursor, Moved, WindowTotals, whole};

/// Processes that are known at once.
const INSTANCES_MAX: usize = 2_000;
/// A process that was not heard of for so long, and for two windows, is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// What a delivery gave.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) windows: Vec<WindowTotals>,
    /// What is known of its processes now.
    pub(crate) moved: Vec<Moved>,
    pub(crate) refused: Refused,
}

/// Whether a process was not heard of for so long that it is one that has ended.
pub(crate) fn is_forgotten(cursor: &Value, window: Duration, now: Timestamp) -> bool {
    // Of each process with each delivery: not all of it is read.
    let seen = millis(cursor[SEEN].as_u64().unwrap_or_default());
    now.since(seen) > FORGOTTEN_AFTER.max(2 * window)
}

/// Counts what is new in a delivery, by what is known of its processes.
pub(crate) fn count(delivery: &Delivery, cursor: &Cursor, schedule: &Schedule, now: Timestamp) -> Counted {
    let mut counted = Counted::default();
    let mut windows: BTreeMap<Window, Totals> = BTreeMap::new();
    let mut instances: BTreeMap<&str, (Instance, Timestamp)> = BTreeMap::new();
    let mut room = INSTANCES_MAX.saturating_sub(cursor.len());
    let horizon = now.plus(schedule.at(now).window.length());
    for reading in &delivery.readings {
        let Reading { metric, sender, point, .. } = reading;
        if millis(point.time) > horizon {
            let ahead = millis(point.time).since(now).as_secs();
            counted
                .refused
                .add(1, format!("`{metric}` of {sender} ends {ahead} s from now: the clocks differ"));
            continue;
        }
        let is_known = cursor.contains_key(&reading.instance) || instances.contains_key(&*reading.instance);
        if !is_known && room == 0 {
            counted
                .refused
                .add(1, format!("{INSTANCES_MAX} processes send already; that of {sender} is not counted"));
            continue;
        }
        room -= usize::from(!is_known);
        let (instance, seen) = instances.entry(&reading.instance).or_insert_with(|| {
            let stored = cursor.get(&reading.instance).and_then(|it| Instance::deserialize(it).ok());
            let instance = stored.unwrap_or_default();
            let seen = instance.seen();
            (instance, seen)
        });
        // What ends with a window is in it.
        let planned = schedule.at(millis(point.time - 1));
        let window = planned.window;
        let growth = instance.count(&reading.stream, point, &delivery.chosen_by, window.start, *seen);
        let totals = windows.entry(window).or_default();
        match growth {
            Growth::Grown { from, amount } => {
                let is_of_stay = !schedule.begins_stay(window.start) || millis(from) >= window.start;
                let is_of_phase = reading.phase.as_ref().is_none_or(|it| *it == planned.phase.as_str());
                if is_of_stay && is_of_phase {
                    add(totals, reading, &amount);
                }
            }
            Growth::Known if point.is_delta => totals.intake.duplicates += whole(point.amount.count),
            Growth::Known | Growth::Baseline => {}
            Growth::Torn => {
                let why = format!(
                    "two processes write the stream `{metric}` of {sender}: give each a service.instance.id of its own"
                );
                totals.intake.missing.insert(reading.event.clone(), why.clone());
                counted.refused.add(1, why);
            }
            Growth::TooMany => {
                let why = format!("`{metric}` of {sender} has too many streams: send fewer attributes");
                totals.intake.missing.insert(reading.event.clone(), why.clone());
                counted.refused.add(1, why);
            }
        }
    }
    let windows = windows.into_iter().filter(|(_, totals)| *totals != Totals::default());
    counted.windows = windows.map(|(window, totals)| WindowTotals { window, totals }).collect();
    counted.moved = instances.into_iter().map(|(place, (instance, _))| moved(place, &instance)).collect();
    counted
}

fn moved(place: &str, instance: &Instance) -> Moved {
    Moved { place: place.to_owned(), cursor: plain(instance), anew: false }
}

fn add(totals: &mut Totals, reading: &Reading, amount: &Amount) {
    let Reading { event, breakdown, durations, .. } = reading;
    let count = whole(amount.count);
    *totals.counters.entry(event.clone()).or_default() += count;
    for (field, value) in breakdown.iter().filter(|_| count > 0) {
        let values = totals.breakdowns.entry(event.clone()).or_default().entry(field.clone()).or_default();
        *values.entry(value.clone()).or_default() += count;
    }
    if let (Some(spread), Some(Durations { unit, longest })) = (&amount.spread, durations) {
        let buckets = totals.buckets.entry(event.clone()).or_default();
        buckets.merge(&spread.buckets(*unit, *longest));
    }
}
