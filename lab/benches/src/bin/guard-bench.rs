//! The analyzer's and the reporter's benches, with the allocator of their services.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    // Commands are supervised by the program that starts them.
    let supervised = service_kit::supervisor::asked(&std::env::args_os().collect::<Vec<_>>());
    supervised.map_or_else(|| phasegate_bench::guard::run().map(|()| ExitCode::SUCCESS), Ok)
}
