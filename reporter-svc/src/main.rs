//! The reporter as a process of its own.

use std::process::ExitCode;

use reporter_svc::{Config, ReporterArgs};
use service_kit::ServiceName;

fn main() -> ExitCode {
    let about = "Runs rollouts: incidents, rollbacks, notifications, dashboard";
    service_kit::main_of(
        ServiceName::Reporter,
        about,
        |args: ReporterArgs, common, listener, shutdown| async move {
            let config = Config::new(&args, common)?;
            reporter_svc::run(config, listener, shutdown).await
        },
    )
}
