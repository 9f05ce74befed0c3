//! The collector as a process.

use std::process::ExitCode;

use collector_svc::{Config, run};
use service_kit::{NoArgs, ServiceName, main_of};

fn main() -> ExitCode {
    main_of(
        ServiceName::Collector,
        "Phasegate collector: telemetry in, one batch a window out",
        |_: NoArgs, common, listener, shutdown| run(Config::new(common), listener, shutdown),
    )
}
