//! Telemetry comes in, and what comes can be counted.

use std::time::Duration;

use collector_svc::api::TargetView;
use domain::story::figures::format_roughly;
use shared_types::batch::Intake;
use shared_types::rollout::Rollout;

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem, counted};

pub(super) const CHECK: Check = Check {
    name: "telemetry",
    title: "telemetry comes in, can be counted, and batches are closed in time",
    look: |ask| Box::pin(look(ask)),
};

/// Beyond its window and grace a batch may take so long.
const PATIENCE: Duration = Duration::from_secs(60);

async fn look(ask: &Ask) -> Looked {
    let rollouts = match ask.rollouts().await {
        Ok(rollouts) => rollouts,
        Err(unasked) => return Looked::wrong("not asked", vec![unasked.problem()]),
    };
    let (mut problems, mut oldest) = (Vec::new(), None);
    for (rollout, view) in rollouts.iter().zip(ask.targets(rollouts).await) {
        match view {
            Err(unasked) => problems.push(unasked.problem()),
            Ok(view) => {
                let age = view.last_batch.as_ref().map(|batch| ask.now.since(batch.window.end));
                oldest = oldest.max(age.filter(|_| is_measured(rollout)));
                problems.extend(judge(ask, rollout, &view));
            }
        }
    }
    let measured = rollouts.iter().filter(|it| is_measured(it)).count();
    let age = oldest.map_or(String::new(), |age| format!(", last batch at most {} old", format_roughly(age)));
    Looked::wrong(format!("{measured} of {} measured{age}", counted(rollouts.len(), "target")), problems)
}

/// Whether windows are closed, in a phase that is gated.
fn is_measured(rollout: &Rollout) -> bool {
    rollout.phase.is_gated() && rollout.directive.as_ref().is_some_and(|it| it.collect)
}

fn judge(ask: &Ask, rollout: &Rollout, view: &TargetView) -> Vec<Problem> {
    let target = &rollout.target;
    let mut problems = Vec::new();
    if let (true, Some(directive)) = (is_measured(rollout), &rollout.directive) {
        let cadence = Duration::from_millis(directive.cadence_ms);
        let grace = ask.policy.as_ref().ok().and_then(|policy| policy.targets.get(target));
        let grace = grace.map_or(Duration::from_secs(30), |it| it.collection.grace);
        let newest = view.last_batch.as_ref().map(|batch| batch.window.end);
        let since = newest.max(rollout.since).unwrap_or(ask.now);
        if ask.now.since(since) > cadence * 2 + grace + PATIENCE {
            let last = newest.map_or("none yet".to_owned(), |end| format!("the last one ended at {end}"));
            problems.push(Problem::failed(
                format!("{target}: no batch for {}: {last}", format_roughly(ask.now.since(since))),
                "see the collector's log and `sources` above; a pause would say so in `phasegate status`",
            ));
        }
        if view.newest_event.is_none_or(|at| ask.now.since(at) > cadence * 2) {
            let last = view.newest_event.map_or("none yet".to_owned(), |at| format!("the newest is of {at}"));
            problems.push(Problem::warning(
                format!("{target}: no event for two windows: {last}"),
                "see whether the feature sends its telemetry, and to this collector; silence is never ok",
            ));
        }
    }
    let newest = view.last_batch.as_ref().map(|batch| &batch.intake);
    let uncounted = [Some(&view.intake), newest].into_iter().flatten().find_map(uncounted);
    problems.extend(uncounted.map(|(what, example)| {
        Problem::warning(
            format!("{target}: {what}{example}"),
            "send what the policy names (docs/collector.md, Events), or name it in the policy; with too much of it no window is compliant",
        )
    }));
    if let Some(error) = view.last_batch.as_ref().and_then(|it| it.last_error.as_ref()) {
        let said = format!("{target}: the last batch did not reach the analyzer at once: {error}");
        problems.push(Problem::warning(
            said,
            "see whether the collector reaches it: PHASEGATE_ANALYZER_URL of the collector",
        ));
    }
    problems
}

/// What could not be counted, and the first of it.
fn uncounted(intake: &Intake) -> Option<(String, String)> {
    let commonest = |by: &std::collections::BTreeMap<String, u64>| {
        by.iter()
            .max_by_key(|(_, count)| **count)
            .map(|(what, _)| format!(", mostly {what}"))
            .unwrap_or_default()
    };
    let what = match (intake.malformed, intake.unknown) {
        (0, 0) => return None,
        (0, unknown) => format!("{unknown} events of unknown names{}", commonest(&intake.unknown_names)),
        (malformed, 0) => format!("{malformed} malformed lines{}", commonest(&intake.malformed_reasons)),
        (malformed, unknown) => format!(
            "{malformed} malformed lines{} and {unknown} events of unknown names{}",
            commonest(&intake.malformed_reasons),
            commonest(&intake.unknown_names)
        ),
    };
    let example = intake.examples.first().map(|it| {
        let meant = it.meant.as_ref().map_or(String::new(), |meant| format!(" (is `{meant}` meant?)"));
        let text = it.text.as_ref().map_or(String::new(), |text| format!(" `{text}`"));
        format!("; line {}: {}{text}{meant}", it.line, it.what)
    });
    Some((what, example.unwrap_or_default()))
}
