//! The analyzer's binary: configuration and start, nothing else.

use std::process::ExitCode;

use service_kit::{NoArgs, ServiceName, main_of};

fn main() -> ExitCode {
    let about = "Judges batches against the policy's SLOs and reports its decisions";
    main_of(ServiceName::Analyzer, about, |_: NoArgs, common, listener, shutdown| {
        analyzer_svc::run(analyzer_svc::Config { common }, listener, shutdown)
    })
}
