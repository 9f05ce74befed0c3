//! The analyzer's binary: configuration and start, nothing else.

use std::process::ExitCode;

use domain::kinds::Kinds;

fn main() -> ExitCode {
    analyzer_svc::main(&Kinds::shipped())
}
