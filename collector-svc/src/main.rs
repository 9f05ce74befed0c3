//! The collector as a process.

use std::process::ExitCode;

use collector_svc::sources;
use domain::kinds::Kinds;

fn main() -> ExitCode {
    collector_svc::main(&Kinds::shipped(), sources::SHIPPED.to_vec())
}
