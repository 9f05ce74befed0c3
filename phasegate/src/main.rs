//! `phasegate`, of the kinds that the product ships.

use std::process::ExitCode;

fn main() -> ExitCode {
    phasegate::run(&phasegate::Product::shipped(), std::env::args_os())
}
