//! The collector's benches, with the allocator of its service: the system's.

fn main() -> anyhow::Result<()> {
    phasegate_bench::telemetry::run()
}
