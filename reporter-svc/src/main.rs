//! The reporter as a process of its own.

use std::process::ExitCode;

use domain::kinds::Kinds;
use reporter_svc::composition::Composition;

/// What one thread brings and another gives back is dear with the system's: at a window's end a fifth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    reporter_svc::main(&Kinds::shipped(), &Composition::shipped())
}
