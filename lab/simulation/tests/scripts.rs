//! What each script shows goes well where nothing is wrong with the product.

use phasegate_simulation::Simulation;
use phasegate_simulation::spec::{Script, Spec};
use phasegate_simulation::trap::Trap;

#[test]
fn scripts_without_a_defect_break_no_promise() {
    let simulation = Simulation::new();
    for script in Script::ALL {
        let report = simulation.run(Spec::scripted(script, None));
        assert!(report.holds(), "{script:?}: {report}");
        // Which no seed is sure to meet: a move is given up after seven and a half minutes; a decision has to come while nobody
        // has gone on from a restored store, and ask for a rollback from the phase on record.
        let met = |what| report.trace.counts().contains_key(what);
        assert_eq!(met("failed moves up"), script == Script::Jam, "{script:?}");
        assert_eq!(met("rollbacks of a lost past made"), script == Script::Restore, "{script:?}");
    }
}

#[test]
fn every_run_has_a_name_that_it_is_found_by() {
    for trap in Trap::all(3) {
        assert_eq!(trap.to_string().parse(), Ok(trap));
    }
    assert!("none".parse::<Trap>().is_err());
}
