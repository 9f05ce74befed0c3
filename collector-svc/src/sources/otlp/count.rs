//! Data points, turned into counts of windows. Pure.

use std::collections::{BTreeMap, BTreeSet};
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
/// A process that was not heard of for so long, and for two windows, while others were, is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);
/// What has grown in a longer time is of no window.
const LONGEST_ABSENCE: Duration = Duration::from_secs(24 * 3600);

/// What a delivery gave.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) windows: Vec<WindowTotals>,
    /// What is known of its processes now.
    pub(crate) moved: Vec<Moved>,
    /// Places of processes that have ended.
    pub(crate) forgotten: BTreeSet<String>,
    pub(crate) refused: Refused,
}

/// Processes that were not heard of for so long that they have ended. None has while nobody was heard of.
fn forgotten(cursor: &Cursor, window: Duration, now: Timestamp) -> BTreeSet<String> {
    // With each delivery: not all of what is known of a process is read.
    let seen = |it: &Value| millis(it[SEEN].as_u64().unwrap_or_default());
    let newest = cursor.values().map(seen).max().unwrap_or(now);
    let patience = FORGOTTEN_AFTER.max(2 * window);
    let is_forgotten = |seen: Timestamp| newest.since(seen) > patience || now.since(seen) > LONGEST_ABSENCE;
    cursor.iter().filter(|(_, it)| is_forgotten(seen(it))).map(|(place, _)| place.clone()).collect()
}

/// Counts what is new in a delivery, by what is known of its processes; in windows that go by its source.
pub(crate) fn count(
    delivery: &Delivery,
    cursor: &Cursor,
    schedule: &Schedule,
    has_source: impl Fn(Window) -> bool,
    now: Timestamp,
) -> Counted {
    let mut counted = Counted::default();
    let mut windows: BTreeMap<Window, Totals> = BTreeMap::new();
    let mut instances: BTreeMap<&str, Instance> = BTreeMap::new();
    let present = schedule.at(now).window;
    let (length, horizon) = (present.length(), now.plus(present.length()));
    counted.forgotten = forgotten(cursor, length, now);
    let known = |place: &str| cursor.get(place).filter(|_| !counted.forgotten.contains(place));
    let mut room = INSTANCES_MAX.saturating_sub(cursor.len() - counted.forgotten.len());
    for reading in &delivery.readings {
        let Reading { metric, sender, point, .. } = reading;
        let place = &*reading.instance;
        let is_known = instances.contains_key(place) || known(place).is_some();
        let is_future = millis(point.time) > horizon;
        if is_future || !is_known && room == 0 {
            let why = if is_future {
                let ahead = millis(point.time).since(now).as_secs();
                format!("`{metric}` of {sender} ends {ahead} s from now: the clocks differ")
            } else {
                format!("{INSTANCES_MAX} processes send already; that of {sender} is not counted")
            };
            if has_source(present) {
                let missing = &mut windows.entry(present).or_default().intake.missing;
                missing.insert(reading.event.clone(), why.clone());
            }
            counted.refused.add(1, why);
            continue;
        }
        room -= usize::from(!is_known);
        let stored = || known(place).and_then(|it| Instance::deserialize(it).ok()).unwrap_or_default();
        let instance = instances.entry(place).or_insert_with(stored);
        // What ends with a window is in it.
        let planned = schedule.at(millis(point.time - 1));
        let window = planned.window;
        let growth = instance.count(&reading.stream, point, window.start);
        if !has_source(window) {
            continue;
        }
        let totals = windows.entry(window).or_default();
        let missing = match growth {
            Growth::Grown { from, amount } => {
                let is_of_stay = !schedule.begins_stay(window.start) || millis(from) >= window.start;
                let is_of_phase = reading.phase.as_ref().is_none_or(|it| **it == *planned.phase.as_str());
                if is_of_stay && is_of_phase && amount.count > 0.0 {
                    add(totals, reading, &amount);
                }
                continue;
            }
            Growth::Known if point.is_delta => {
                totals.intake.duplicates += whole(point.amount.count);
                continue;
            }
            Growth::Known | Growth::Baseline => continue,
            Growth::Torn => format!(
                "two processes, or two instruments, write the stream `{metric}` of {sender}: give each process a service.instance.id of its own"
            ),
            Growth::TooMany => format!("`{metric}` of {sender} has too many streams: send fewer attributes"),
        };
        totals.intake.missing.insert(reading.event.clone(), missing.clone());
        counted.refused.add(1, missing);
    }
    let windows = windows.into_iter().filter(|(_, totals)| *totals != Totals::default());
    counted.windows = windows.map(|(window, totals)| WindowTotals { window, totals }).collect();
    counted.moved = instances.iter().map(|(place, instance)| moved(place, instance)).collect();
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
