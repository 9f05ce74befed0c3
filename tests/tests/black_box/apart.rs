//! What is tried here is what is shipped: the lab leaves no trace in the binaries. `.ci/full` looks at the release build.

use phasegate_tests::binaries;

/// What a program with planted defects holds: the name of the variable that its switch asks, and the switch's module in
/// symbols. `lab/defects` makes sure that such a program does hold them.
const MARKS: [&str; 2] = ["PHASEGATE_PLANTED", "7planted"];

#[test]
fn no_binary_holds_the_switch_of_planted_defects() {
    for name in ["collector-svc", "analyzer-svc", "reporter-svc", "phasegate"] {
        let program = std::fs::read(binaries::path(name)).unwrap();
        // What the search does find, where it is there.
        assert!(holds(&program, "PHASEGATE_DATA_DIR"), "{name} is no program of ours");
        for mark in MARKS {
            assert!(!holds(&program, mark), "{name} holds {mark}");
        }
    }
}

fn holds(program: &[u8], text: &str) -> bool {
    memchr::memmem::find(program, text.as_bytes()).is_some()
}
