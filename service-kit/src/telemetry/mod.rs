//! Logs, traces and metrics of a process, however many services run in it.
//!
//! [`init`] can be called any number of times: the first call decides. Logs go to standard error. Spans
//! carry W3C trace ids even when nothing is exported, so that a trace joins services by their logs.

mod export;
pub mod metrics;
pub mod seldom;
pub mod targets;
pub mod trace;

use std::io::{self, IsTerminal as _};
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{LevelFilter, dynamic_filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::config::SharedArgs;

/// A receiver of traces that hangs delays the end by no more than this.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// What the exporting of traces says about itself: [`export`] tells that, and once. Who looks for more asks for one of its crates.
const EXPORT_QUIET: &str = "opentelemetry=off";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people; coloured on a terminal.
    Pretty,
}

/// What [`init`] needs.
#[derive(Debug, Clone)]
pub struct TelemetryOptions {
    /// `service.name` of exported spans.
    pub name: &'static str,
    /// `None`: pretty on a terminal, JSON otherwise.
    pub format: Option<LogFormat>,
    /// In the syntax of `RUST_LOG`.
    pub filter: LogFilter,
    /// Base URL for OTLP over HTTP; `None`: no export.
    pub otlp_endpoint: Option<String>,
}

impl TelemetryOptions {
    /// What the shared flags say.
    #[must_use]
    pub fn of(name: &'static str, args: &SharedArgs) -> Self {
        Self {
            name,
            format: args.log,
            filter: args.log_filter.clone(),
            otlp_endpoint: args.otlp_endpoint.as_ref().map(ToString::to_string),
        }
    }
}

/// A filter in the syntax of `RUST_LOG`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for LogFilter {
    type Err = tracing_subscriber::filter::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        EnvFilter::builder().parse(text).map(|_| Self(text.to_owned()))
    }
}

impl std::fmt::Display for LogFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Installs subscriber, propagator and metrics recorder; later calls do nothing.
///
/// # Errors
/// The OTLP exporter cannot be made (a bad endpoint).
pub fn init(options: &TelemetryOptions) -> anyhow::Result<()> {
    metrics::install();
    if PROVIDER.get().is_some() {
        return Ok(());
    }
    let provider = tracer_provider(options)?;
    if PROVIDER.set(provider.clone()).is_err() {
        return Ok(());
    }
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("phasegate")).with_location(false);
    // Not by the log filter: a quiet log must not break the traces that go through this service.
    // Asked anew for each span and message: a library that asks whether something is enabled and then does not send
    // it (sqlx does so for every statement) would else cost the thread its next span or line, in both layers.
    let asked = dynamic_filter_fn(|metadata, _| belongs_into_traces(metadata));
    let spans = spans.with_filter(asked.with_max_level_hint(LevelFilter::INFO));
    let terminal = io::stderr().is_terminal();
    let format = options.format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    // Where standard error is gone (its terminal was closed) a line is lost, and nothing else.
    let lines = fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    let lines = match format {
        LogFormat::Json => as_json(lines).boxed(),
        LogFormat::Pretty => lines.with_ansi(terminal && std::env::var_os("NO_COLOR").is_none()).boxed(),
    };
    // First, so that what is asked for comes over it.
    let filter = EnvFilter::builder().parse_lossy(format!("{EXPORT_QUIET},{}", options.filter.0));
    // A test's own subscriber may be there already; that is its business.
    let _ = tracing_subscriber::registry().with(spans).with(lines.with_filter(filter)).try_init();
    Ok(())
}

/// One object a line. An event's fields stand beside those of the line itself, so none may have such a name (OP-7):
/// `target` is where in the code it was logged, whom it is about is `target_name`.
fn as_json<S, W>(
    lines: fmt::Layer<S, fmt::format::DefaultFields, fmt::format::Format, W>,
) -> fmt::Layer<S, fmt::format::JsonFields, fmt::format::Format<fmt::format::Json>, W> {
    lines.json().flatten_event(true).with_current_span(false)
}

/// From now on a panic is a line of the log, with its place, like everything else that goes wrong.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let reason = crate::tasks::words(panic.payload());
        tracing::error!(place, reason, "panicked");
    }));
}

/// Our spans and messages from `info` on; the exporter's own doings would never end.
fn belongs_into_traces(metadata: &tracing::Metadata<'_>) -> bool {
    const NOT: [&str; 5] = ["opentelemetry", "hyper", "reqwest", "h2", "rustls"];
    *metadata.level() <= tracing::Level::INFO && !NOT.iter().any(|name| metadata.target().starts_with(name))
}

fn tracer_provider(options: &TelemetryOptions) -> anyhow::Result<SdkTracerProvider> {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty() && value != "false");
    let mut resource = Resource::builder();
    if !set("OTEL_SERVICE_NAME") {
        resource = resource.with_service_name(options.name);
    }
    let builder = SdkTracerProvider::builder().with_resource(resource.build());
    let own_endpoint = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    if set("OTEL_SDK_DISABLED") || (options.otlp_endpoint.is_none() && !own_endpoint) {
        return Ok(builder.build());
    }
    crate::client::install_crypto();
    let mut exporter = opentelemetry_otlp::SpanExporter::builder().with_http();
    if let (Some(endpoint), false) = (&options.otlp_endpoint, own_endpoint) {
        exporter = exporter.with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')));
    }
    Ok(builder.with_batch_exporter(export::Told::new(exporter.build()?)).build())
}

/// Sends what is still to be exported; at most 2 s. For the end of the process.
pub async fn flush() {
    let Some(provider) = PROVIDER.get() else { return };
    // The exporter's client blocks, and must not do so on a runtime's thread.
    let flushed = tokio::task::spawn_blocking(|| provider.shutdown_with_timeout(FLUSH_TIMEOUT));
    match tokio::time::timeout(FLUSH_TIMEOUT, flushed).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%error, "the last spans were not exported"),
        Ok(Err(_)) | Err(_) => tracing::warn!("the last spans were not exported in time"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde::Deserialize;
    use serde::de::{Deserializer, MapAccess, Visitor};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The keys of an object, as often as they are there.
    struct Keys(Vec<String>);

    impl<'de> Deserialize<'de> for Keys {
        fn deserialize<D: Deserializer<'de>>(of: D) -> Result<Self, D::Error> {
            struct All;
            impl<'de> Visitor<'de> for All {
                type Value = Keys;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                    let mut keys = Vec::new();
                    while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                        keys.push(key);
                    }
                    Ok(Keys(keys))
                }
            }
            of.deserialize_map(All)
        }
    }

    fn lines(log: impl FnOnce()) -> Vec<Vec<String>> {
        let written = Written::default();
        let writer = written.clone();
        let layer = as_json(fmt::layer().with_writer(move || writer.clone()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str::<Keys>(line).unwrap().0).collect()
    }

    fn twice(keys: &[String]) -> bool {
        keys.iter().any(|key| keys.iter().filter(|other| *other == key).count() > 1)
    }

    /// OP-7: a line has no key twice; that none of ours can is held by the conventions' test of field names.
    #[test]
    fn a_line_has_no_key_twice() {
        let found = lines(|| {
            let span = tracing::info_span!("effect", target_name = "autosave", kind = "deliver_batch");
            let _entered = span.enter();
            tracing::warn!(target_name = "autosave", window = 7, "a batch is missing");
            tracing::info!(target: "elsewhere", "a message");
        });
        assert_eq!(found.len(), 2);
        for keys in &found {
            assert!(!twice(keys), "{keys:?}");
        }
        assert!(
            found[0].iter().any(|key| key == "target_name") && found[0].iter().any(|key| key == "target")
        );
        // What the check is for.
        assert!(twice(&lines(|| tracing::warn!(target = "autosave", "twice"))[0]));
    }
}
