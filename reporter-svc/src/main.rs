//! The reporter as a process of its own.

use std::process::ExitCode;

use domain::kinds::Kinds;
use reporter_svc::composition::Composition;

fn main() -> ExitCode {
    reporter_svc::main(&Kinds::shipped(), &Composition::shipped())
}
