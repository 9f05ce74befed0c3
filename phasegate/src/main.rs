//! `phasegate`, of the kinds that the product ships.

use std::process::ExitCode;

/// What one thread brings and another gives back is dear with the system's: at a window's end a fifth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    phasegate::run(&phasegate::Product::shipped(), std::env::args_os())
}
