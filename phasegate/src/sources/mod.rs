//! `phasegate sources check`: telemetry looked at before it counts (TE-6, CO-5). The newest whole window is read as the collector
//! would read it, by the same sources, and held against what the gate needs. Nothing is stored and nothing is moved on.

mod judge;
mod origin;
mod pushes;
mod report;
mod text;

use std::collections::BTreeMap;

use collector_svc::look::{Look, LookError, Looked, look};
use collector_svc::sources::{Reader, expand_patterns};
use domain::policy::TargetPolicy;
use domain::telemetry::event_specs;
use shared_types::{TargetName, Timestamp, Window};

use crate::api::Api;
use judge::{metrics, problems, unknown_names};
use origin::{Origin, origin};
use pushes::Pushes;

pub(crate) use report::{Report, TargetReport};
pub(crate) use text::{MARKS, text};

/// What files are looked at for, at most: the newest so many bytes of a target's.
const BYTES: u64 = 256 << 20;

/// Where to look.
pub(crate) struct Places<'a> {
    pub(crate) readers: &'a [Reader],
    /// Asked for what was pushed; it need not be there.
    pub(crate) collector: &'a Api,
    pub(crate) now: Timestamp,
}

/// The newest whole window of which nothing more may come.
pub(crate) fn newest_window(policy: &TargetPolicy, now: Timestamp) -> Window {
    let collection = &policy.collection;
    let end = now.minus(collection.source.settle()).align_down(collection.window);
    Window { start: end.minus(collection.window), end }
}

/// The window that holds a moment, if it is over and nothing more may come of it; else when that will be.
pub(crate) fn window_at(
    policy: &TargetPolicy,
    moment: Timestamp,
    now: Timestamp,
) -> Result<Window, Timestamp> {
    let collection = &policy.collection;
    let start = moment.align_down(collection.window);
    let end = start.plus(collection.window);
    let settled = end.plus(collection.source.settle());
    if settled <= now { Ok(Window { start, end }) } else { Err(settled) }
}

/// Looks at one target.
pub(crate) async fn check(
    target: &TargetName,
    policy: &TargetPolicy,
    window: Window,
    places: &Places<'_>,
) -> anyhow::Result<TargetReport> {
    let specs = event_specs(policy)?;
    let names = specs.all().iter().map(|spec| spec.name.as_str());
    let pushed: Vec<&str> = names.filter(|name| origin(policy, name) == Origin::Pushed).collect();
    let pushes = if pushed.is_empty() { None } else { Some(Pushes::ask(places.collector, target).await) };
    let elsewhere: BTreeMap<String, Result<u64, String>> = pushes
        .iter()
        .flat_map(|pushes| pushed.iter().map(|name| ((*name).to_owned(), pushes.count(name))))
        .collect();
    let request = Look { target, policy, window, bytes: BYTES, elsewhere };
    let source = policy.collection.source.words();
    let report = TargetReport::new(target.clone(), source, window);
    let Looked { mut batch, read } = match look(places.readers, &request, places.now).await {
        Ok(looked) => looked,
        Err(LookError::Source(error)) => {
            return Ok(TargetReport { unreachable: Some(error.to_string()), pushes, ..report });
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(pushes) = &pushes {
        let is_pushed = |event: &String| pushed.contains(&event.as_str());
        let exact = pushes.distributions.iter().filter(|(event, _)| is_pushed(event));
        batch.distributions.extend(exact.map(|(event, it)| (event.clone(), it.clone())));
        let by_bounds = pushes.buckets.iter().filter(|(event, _)| is_pushed(event));
        batch.buckets.extend(by_bounds.map(|(event, it)| (event.clone(), it.clone())));
    }
    let unknown = unknown_names(&specs, &batch, pushes.as_ref());
    let problems = problems(policy, &batch, read.as_ref(), &unmatched(policy), pushes.as_ref());
    let metrics = metrics(policy, batch)?;
    Ok(TargetReport { read, pushes, metrics, unknown, problems, ..report })
}

/// Patterns of the source that no file is named by.
fn unmatched(policy: &TargetPolicy) -> Vec<String> {
    let matches_nothing = |pattern: &&String| {
        let found = expand_patterns(std::slice::from_ref(*pattern));
        found.is_ok_and(|found| found.paths.is_empty() && found.unreadable.is_empty())
    };
    policy.collection.source.files().unwrap_or_default().iter().filter(matches_nothing).cloned().collect()
}
