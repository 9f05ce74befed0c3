//! The analyzer's binary: configuration and start, nothing else.

use std::process::ExitCode;

use domain::kinds::Kinds;

/// What one thread brings and another gives back is dear with the system's: at a window's end a fifth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    analyzer_svc::main(&Kinds::shipped())
}
