//! Events that came regularly and do not come any more (TE-6): renamed, lost on the way, or no longer sent. A metric that stands
//! on one would look better than ever.

use std::collections::{BTreeMap, BTreeSet};

use shared_types::Window;
use shared_types::decision::{EventBefore, Without};

use crate::gate::metric::Metric;
use crate::policy::TargetPolicy;

/// With fewer windows nobody knows what is regular.
const WINDOWS: u64 = 8;
/// −ln of the odds below which no window without an event is chance: one in a million.
const NO_CHANCE: f64 = 13.815_510_557_964_274;

/// An event of the policy in a window, and all others of its group.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSeen {
    pub event: String,
    pub came: u64,
    pub others: u64,
}

/// The events of the feature and those of the control group, as far as they were counted. The twins of a variant are left out:
/// who has which variant is another's choice.
pub(super) fn seen(policy: &TargetPolicy, counters: &BTreeMap<String, u64>) -> Vec<EventSeen> {
    let names = |kind: &dyn Metric| kind.needs().into_iter().map(|it| it.name).collect::<Vec<_>>();
    let own: BTreeSet<String> = policy.metrics.iter().flat_map(|it| names(&*it.kind)).collect();
    let control = policy.metrics.iter().flat_map(|it| &it.control).filter(|it| it.variant.is_none());
    let control: BTreeSet<String> = control.flat_map(|it| names(&*it.kind)).collect();
    let control = control.difference(&own).cloned().collect();
    [own, control].iter().flat_map(|group| seen_in(group, counters)).collect()
}

fn seen_in(group: &BTreeSet<String>, counters: &BTreeMap<String, u64>) -> Vec<EventSeen> {
    let counted = || group.iter().filter_map(|event| Some((event, *counters.get(event)?)));
    let all = counted().fold(0, |sum: u64, (_, count)| sum.saturating_add(count));
    counted().map(|(event, came)| EventSeen { event: event.clone(), came, others: all - came }).collect()
}

/// What is remembered after a window, and which events are missed from it on. What is no longer counted is forgotten.
pub(super) fn after(
    before: &[EventBefore],
    seen: &[EventSeen],
    window: Window,
    tolerated: u64,
) -> (Vec<EventBefore>, Vec<String>) {
    let mut vanished = Vec::new();
    let mut next = |it: &EventSeen| {
        let known = before.iter().find(|known| known.event == it.event);
        if known.is_none() && it.came == 0 {
            return None;
        }
        let mut known = known.cloned().unwrap_or_else(|| begin(&it.event));
        take(&mut known, it, window);
        if !known.vanished && is_missed(&known, tolerated.max(1)) {
            known.vanished = true;
            vanished.push(it.event.clone());
        }
        Some(known)
    };
    let events = seen.iter().filter_map(&mut next).collect();
    (events, vanished)
}

fn begin(event: &str) -> EventBefore {
    EventBefore {
        event: event.to_owned(),
        windows: 0,
        came: 0,
        others: 0,
        squares: 0.0,
        without: None,
        vanished: false,
    }
}

fn take(known: &mut EventBefore, seen: &EventSeen, window: Window) {
    let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
    if seen.came > 0 {
        // What it was away for belongs to how regularly it comes.
        if let Some(without) = known.without.take() {
            add(&mut known.windows, without.windows);
            add(&mut known.others, without.others);
        }
        known.vanished = false;
    }
    // A window without any others says nothing of how often it should have come.
    if seen.others == 0 {
        return;
    }
    if seen.came == 0 {
        let without = known.without.get_or_insert(Without { windows: 0, others: 0, since: window.start });
        add(&mut without.windows, 1);
        add(&mut without.others, seen.others);
        return;
    }
    add(&mut known.windows, 1);
    add(&mut known.came, seen.came);
    add(&mut known.others, seen.others);
    known.squares += seen.came as f64 * seen.came as f64 / seen.others as f64;
}

/// Whether it came so regularly that so many windows in a row without it are no chance, and they were busy enough to show it.
/// Both by a Poisson of its mean rate: among windows, and beside the others of its group. Where windows differ by more than
/// chance it weighs as many as are independent.
fn is_missed(known: &EventBefore, tolerated: u64) -> bool {
    let Some(without) = known.without.filter(|it| it.windows >= tolerated) else { return false };
    if known.windows < WINDOWS {
        return false;
    }
    let [windows, came, others] = [known.windows, known.came, known.others].map(|it| it as f64);
    let rate = came / others;
    let dispersion = (known.squares - rate * came) / (rate * (windows - 1.0));
    let usual = came / windows * tolerated as f64;
    let expected = rate * without.others as f64;
    usual.min(expected) / dispersion.max(1.0) > NO_CHANCE
}

#[cfg(test)]
#[path = "vanished_tests.rs"]
mod tests;
