//! One libFuzzer binary for all targets; `PHASEGATE_FUZZ_TARGET` names the one to run. Only `run` builds it as that: libFuzzer
//! brings its own `main`, and needs a C++ compiler.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
static TARGET: std::sync::LazyLock<fn(&[u8])> = std::sync::LazyLock::new(|| {
    use phasegate_fuzz::TARGETS;

    let name = std::env::var("PHASEGATE_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    found.unwrap_or_else(|| panic!("PHASEGATE_FUZZ_TARGET must be one of {}", names.join(", "))).1
});

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| TARGET(bytes));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("phasegate-fuzz is built without libFuzzer: use lab/fuzz/run");
    std::process::exit(2);
}
