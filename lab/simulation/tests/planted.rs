//! A proof over nothing would let these pass: each planted defect must be caught, and the table in
//! `docs/reliability.md` names only checks that do.

use std::collections::BTreeSet;

use phasegate_simulation::planted::{Trap, caught, known};
use phasegate_simulation::spec::{Script, Spec};
use phasegate_simulation::{Simulation, each};
use shared_types::planted::Defect;

/// Where the known run does not catch it any more, so many others are tried.
const SEEDS: u64 = 100;

#[test]
fn scripts_without_a_defect_break_no_promise() {
    let simulation = Simulation::new();
    for script in Script::ALL {
        let report = simulation.run(Spec::scripted(script, None));
        assert!(report.holds(), "{script:?}: {report}");
    }
}

/// By the run that is known for each.
#[test]
fn every_planted_defect_is_caught_and_the_table_says_by_what() {
    let rows = each(Defect::ALL, 2, |simulation, (defect, what)| {
        let traps = std::iter::once(known(*defect)).chain(Trap::all(SEEDS));
        let tried = traps.map(|trap| (trap, caught(simulation, *defect, trap)));
        let (trap, checks) = tried
            .into_iter()
            .find(|(_, checks)| !checks.is_empty())
            .unwrap_or((Trap::Seed(SEEDS), BTreeSet::new()));
        println!("{defect:?}: {trap:?}: {checks:?}");
        let checks: Vec<&str> = checks.into_iter().collect();
        (*defect, format!("| {what} | {} |", checks.join("; ")), checks.is_empty())
    });
    let escaped: Vec<Defect> = rows.iter().filter(|(_, _, escaped)| *escaped).map(|(it, _, _)| *it).collect();
    let table: Vec<&str> = rows.iter().map(|(_, row, _)| row.as_str()).collect();
    assert!(escaped.is_empty(), "not caught: {escaped:?}\n{}", table.join("\n"));
    let document = include_str!("../../../docs/reliability.md");
    let missing: Vec<&&str> = table.iter().filter(|row| !document.contains(**row)).collect();
    assert!(missing.is_empty(), "docs/reliability.md lacks {missing:#?}\nthe table is\n{}", table.join("\n"));
}
