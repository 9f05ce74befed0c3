//! One violation, from its batch to its recovery: a kill at every boundary on the way, one run each.

use phasegate_simulation::faults::Crash;
use phasegate_simulation::spec::{Script, Spec};
use phasegate_simulation::{Report, Simulation, each};

/// The violating window ends at 11:15; half a minute later its batch is made, and all that follows happens at once.
const PATH: std::ops::Range<&str> = "2026-11-22T11:15:00".."2026-11-22T11:16:00";

/// DE-5, RB-3: whichever service is killed, and wherever.
#[test]
fn a_kill_at_any_boundary_of_a_violation_breaks_no_promise() {
    let whole = Simulation::new().run(Spec { verbose: true, ..Spec::scripted(Script::Violation, None) });
    assert!(whole.holds(), "{whole}");
    let path = path(&whole);
    assert!(path.len() > 40, "a violation passes only {} boundaries?", path.len());
    let reports = each(&path, 2, |simulation, at| {
        simulation.run(Spec::scripted(Script::Violation, Some(Crash { at: *at })))
    });
    let survived = reports.iter().all(|report| report.trace.counts().contains_key("kills"));
    assert!(survived, "a crash point was not reached");
    let broken = path.iter().zip(&reports).filter(|(_, report)| !report.holds());
    let broken: Vec<String> = broken.map(|(at, report)| format!("#{at}: {report}")).collect();
    println!("{} crash points", path.len());
    assert!(broken.is_empty(), "{} crash points:\n{}", broken.len(), broken.join("\n"));
}

/// The numbers of the services' boundaries on the way.
fn path(whole: &Report) -> Vec<u64> {
    let within = whole.trace.text().lines().filter(|line| PATH.contains(line) && !line.contains(" outside "));
    within.filter_map(|line| line.split('#').nth(1)?.split(' ').next()?.parse().ok()).collect()
}
