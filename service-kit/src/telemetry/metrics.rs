//! The Prometheus recorders: one a service, however many run in this process, so that each shows its own metrics (OP-7).
//!
//! Whose a metric is, its label `service` says, else the crate that counts it. What neither says is the process's, and shown by
//! every service in it.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio_util::sync::CancellationToken;

use crate::ServiceName;

/// From half a millisecond (a decision) to a minute (a command).
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
const UPKEEP: Duration = Duration::from_secs(5);

static HANDLES: OnceLock<OfEach<PrometheusHandle>> = OnceLock::new();

/// One for each service, and one for what is no single service's.
#[derive(Debug)]
struct OfEach<T> {
    services: [(ServiceName, T); 3],
    process: T,
}

impl<T> OfEach<T> {
    fn new(make: impl Fn() -> T) -> Self {
        let services = [ServiceName::Collector, ServiceName::Analyzer, ServiceName::Reporter];
        Self { services: services.map(|service| (service, make())), process: make() }
    }

    fn of(&self, service: Option<ServiceName>) -> &T {
        let named = self.services.iter().find(|(name, _)| Some(*name) == service);
        named.map_or(&self.process, |(_, it)| it)
    }

    fn all(&self) -> impl Iterator<Item = &T> {
        self.services.iter().map(|(_, it)| it).chain([&self.process])
    }
}

/// Whose a metric is.
fn owner(key: &Key, metadata: &Metadata<'_>) -> Option<ServiceName> {
    let labelled = key.labels().find(|label| label.key() == "service");
    let counted_in = || metadata.module_path()?.split("::").next();
    ServiceName::ALL.iter().copied().find(|service| match labelled {
        Some(label) => label.value() == service.as_str(),
        None => counted_in().and_then(|crate_name| crate_name.strip_suffix("_svc")) == Some(service.as_str()),
    })
}

impl Recorder for OfEach<PrometheusRecorder> {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.all().for_each(|it| it.describe_counter(name.clone(), unit, text.clone()));
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.all().for_each(|it| it.describe_gauge(name.clone(), unit, text.clone()));
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.all().for_each(|it| it.describe_histogram(name.clone(), unit, text.clone()));
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.of(owner(key, metadata)).register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.of(owner(key, metadata)).register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.of(owner(key, metadata)).register_histogram(key, metadata)
    }
}

fn recorder() -> PrometheusRecorder {
    let builder = PrometheusBuilder::new();
    match builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS) {
        Ok(builder) => builder.build_recorder(),
        Err(_) => PrometheusBuilder::new().build_recorder(),
    }
}

/// Makes `metrics::counter!` and the others count; later calls do nothing.
pub fn install() {
    HANDLES.get_or_init(|| {
        let recorders = OfEach::new(recorder);
        let handles = OfEach {
            services: std::array::from_fn(|at| {
                let (service, recorder) = &recorders.services[at];
                (*service, recorder.handle())
            }),
            process: recorders.process.handle(),
        };
        if metrics::set_global_recorder(recorders).is_err() {
            tracing::warn!("another metrics recorder is installed; /metrics will be empty");
        }
        handles
    });
}

/// The text for a service's `/metrics`.
#[must_use]
pub fn render(service: ServiceName) -> String {
    let Some(handles) = HANDLES.get() else { return String::new() };
    handles.of(Some(service)).render() + &handles.process.render()
}

/// Keeps histograms from growing between scrapes.
pub(crate) async fn upkeep(shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => {
                if let Some(handles) = HANDLES.get() {
                    handles.all().for_each(PrometheusHandle::run_upkeep);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OP-7: a service shows its own metrics, also where three of them share a process.
    #[test]
    fn each_service_shows_its_own() {
        install();
        metrics::counter!("trial", "service" => "reporter").increment(1);
        metrics::counter!("trial", "service" => "analyzer").increment(1);
        metrics::counter!("trial_of_all").increment(1);
        let key = Key::from_name("trial");
        let of = |module| owner(&key, &Metadata::new("", metrics::Level::INFO, Some(module)));
        assert_eq!(of("collector_svc::counters"), Some(ServiceName::Collector));
        assert_eq!(of("service_kit::outbox"), None);
        for [shown, other] in
            [[ServiceName::Reporter, ServiceName::Analyzer], [ServiceName::Analyzer, ServiceName::Reporter]]
        {
            let (text, service) = (render(shown), shown.as_str());
            assert!(text.contains(&format!("trial{{service=\"{service}\"}} 1")), "{text}");
            assert!(!text.contains(&format!("service=\"{other}\"")), "{text}");
            assert!(text.contains("trial_of_all 1"), "{text}");
        }
    }
}
