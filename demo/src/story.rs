//! The end of the demo: the incident hop by hop, and where to look further.

use std::path::Path;

use shared_types::incident::Incident;

use super::policy::TARGET;
use super::screen::Screen;
use super::stage::Running;

/// Each hop with its time, counted from the end of the window that violated.
pub(super) fn incident(screen: &Screen, incident: &Incident) {
    screen.heading(&format!(
        "{}: {} of phase {} in the window {}",
        incident.id, incident.metric, incident.phase, incident.window
    ));
    for entry in &incident.timeline {
        let hop = hop(entry.at.as_millis() - incident.window.end.as_millis());
        screen.text(&format!("  {}  {hop:>9}  {:<22} {}", entry.at, entry.kind, entry.detail));
    }
}

/// `+1.234 s`
fn hop(millis: i64) -> String {
    let sign = if millis < 0 { '-' } else { '+' };
    format!("{sign}{}.{:03} s", millis.abs() / 1000, millis.abs() % 1000)
}

/// Files, and while everything runs URLs and commands.
pub(super) fn where_to_look(screen: &Screen, root: &Path, urls: Option<&Running>) {
    screen.heading("Where to look further");
    screen.text(&format!("  in {}", root.display()));
    let file = |path: &str, what: &str| screen.text(&format!("    {path:<42} {what}"));
    file("policy.yaml", "the policy, with the calibrated limits");
    file("telemetry/autosave/", "what the editor wrote");
    file(&format!("data/logs/{TARGET}/"), "a file a day, a batch a line");
    file("data/reports/monitoring/dashboard.json", "the dashboard's document");
    file("data/reports/runbook.jsonl", "the runbook log");
    file("flag/journal.jsonl", "every change of the flag");
    file("services.log", "what the services logged");
    let Some(urls) = urls else {
        screen.text("  Once more, and left running: phasegate demo --keep");
        return;
    };
    let Running { collector, analyzer, reporter } = urls;
    for (url, what) in [
        (format!("{reporter}/"), "the live page"),
        (format!("{reporter}/v1/dashboard"), "the dashboard"),
        (format!("{reporter}/v1/incidents?target={TARGET}"), "incidents"),
        (format!("{analyzer}/v1/decisions?target={TARGET}"), "decisions with their evidence"),
        (format!("{collector}/v1/targets/{TARGET}"), "what the collector is doing"),
        (format!("{reporter}/docs"), "the API; the other two have theirs"),
    ] {
        screen.text(&format!("  {url:<60} {what}"));
    }
    screen.text(&format!("  phasegate status --target {TARGET} --reporter-url {reporter}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_told_in_seconds_from_the_windows_end() {
        assert_eq!([0, 1_234, -2_000, 61_005].map(hop), ["+0.000 s", "+1.234 s", "-2.000 s", "+61.005 s"]);
    }
}
