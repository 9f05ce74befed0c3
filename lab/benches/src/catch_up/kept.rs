//! What each source has of an hour in which nobody asked, and how it comes to the collector.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use collector_svc::generate::Generator;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use phasegate_sources::nats::Nats;
use phasegate_sources::prometheus::{Prometheus, Samples};
use serde_json::{Value, json};
use shared_types::Timestamp;

use super::{Collector, Counted, HOUR, TARGET, WINDOW};

/// Of a push, or a message.
const EVENTS_OF_BODY: u64 = 1000;
const CONNECTIONS: usize = 8;
/// Between two scrapes, or two exports.
const INTERVAL_S: i64 = 15;
/// Processes that count.
const INSTANCES: u64 = 10;
/// In seconds.
const BOUNDS: [f64; 6] = [0.5, 1.0, 1.8, 2.0, 2.5, 5.0];

/// By which source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kept {
    Nothing,
    File,
    Push,
    Nats,
    Prometheus,
    OtlpCumulative,
    OtlpDelta,
}

/// A server of others that keeps it.
#[derive(Debug)]
pub(super) enum Keeper {
    Nats(Nats),
    Prometheus(Prometheus),
}

impl Keeper {
    fn url(&self) -> &str {
        match self {
            Self::Nats(server) => &server.url,
            Self::Prometheus(server) => &server.url,
        }
    }
}

impl Kept {
    /// For the table.
    pub(super) fn counted(self) -> &'static str {
        match self {
            Self::Nothing => "nothing kept: the start alone",
            Self::File => "a file, each in its window",
            Self::Push => "pushes repeated, as late",
            Self::Nats => "messages of NATS, each in its window",
            Self::Prometheus => "Prometheus, each in its window",
            Self::OtlpCumulative => "OTLP since the start, in the open window",
            Self::OtlpDelta => "OTLP deltas repeated, as late",
        }
    }

    pub(super) fn expected(self, events: u64) -> Counted {
        let nothing = Counted::default();
        match self {
            Self::Nothing => nothing,
            Self::File | Self::Nats | Self::Prometheus => Counted { in_windows: events, ..nothing },
            Self::Push | Self::OtlpDelta => Counted { late: events, ..nothing },
            Self::OtlpCumulative => Counted { now: events, ..nothing },
        }
    }

    /// The target's source.
    pub(super) fn source(self, directory: &Path, server: Option<&Keeper>) -> String {
        let url = server.map(Keeper::url).unwrap_or_default();
        match self {
            Self::Nothing | Self::Push => "{ http: {} }".to_owned(),
            Self::File => format!("{{ jsonl: {{ paths: [\"{}/*.jsonl\"] }} }}", directory.display()),
            Self::Nats => {
                format!(
                    "{{ nats: {{ url: \"{url}\", stream: TELEMETRY, subject: \"telemetry.{{target}}\" }} }}"
                )
            }
            Self::Prometheus => {
                format!(
                    "{{ prometheus: {{ url: \"{url}\", up: up, distributions: {{ \
                     autosave.save.completed: {{ histogram: save_seconds, unit: s }} }}, counters: {{ \
                     autosave.save.error: {{ series: errors_total, absent: zero }}, \
                     autosave.history.drift: {{ series: drift_total, absent: zero }} }} }} }}"
                )
            }
            Self::OtlpCumulative | Self::OtlpDelta => "{ otlp: { match: { service.name: shop }, \
                 distributions: { autosave.save.completed: { metric: save.duration } } } }"
                .to_owned(),
        }
    }

    /// What keeps it, if that is a server: of Prometheus with its samples.
    pub(super) async fn server(self, start: Timestamp, events: u64) -> anyhow::Result<Option<Keeper>> {
        Ok(match self {
            Self::Nats => {
                let server = Nats::start()?;
                server.publisher(None).await.stream("TELEMETRY").await;
                Some(Keeper::Nats(server))
            }
            Self::Prometheus => Some(Keeper::Prometheus(Prometheus::with(samples(start, events)).await?)),
            _ => None,
        })
    }

    /// What the collector has seen before it went.
    pub(super) async fn before(self, collector: &Collector, start: Timestamp) -> anyhow::Result<()> {
        if matches!(self, Self::OtlpCumulative | Self::OtlpDelta) {
            let (from, to) = (start.minus(WINDOW), start);
            collector.export(&self.exported(from, to, 0)).await?;
        }
        Ok(())
    }

    /// What is written while it is away.
    pub(super) async fn write(
        self,
        directory: &Path,
        server: Option<&Keeper>,
        start: Timestamp,
        events: u64,
    ) -> anyhow::Result<()> {
        if let Some(Keeper::Nats(server)) = server {
            let mut publisher = server.publisher(None).await;
            for body in bodies(events, start)? {
                publisher.publish(&format!("telemetry.{TARGET}"), String::from_utf8(body?)?).await;
            }
        }
        if self == Self::File {
            let mut file = BufWriter::new(File::create(directory.join("shop.jsonl"))?);
            saves(events, 7, start, HOUR).write(&mut file)?;
            file.flush()?;
        }
        Ok(())
    }

    /// What is sent when it is back.
    pub(super) async fn send(
        self,
        collector: &Collector,
        start: Timestamp,
        events: u64,
    ) -> anyhow::Result<()> {
        match self {
            Self::Push => {
                let send = async |body: anyhow::Result<Vec<u8>>| collector.push(body?).await;
                let sent = stream::iter(bodies(events, start)?).map(send).buffer_unordered(CONNECTIONS);
                sent.try_collect::<()>().await
            }
            Self::OtlpCumulative => {
                let (from, to) = (start.minus(WINDOW), start.plus(HOUR + Duration::from_secs(20)));
                collector.export(&self.exported(from, to, events / INSTANCES)).await
            }
            Self::OtlpDelta => {
                let exports = HOUR.as_secs() / INTERVAL_S.unsigned_abs();
                let interval = Duration::from_secs(INTERVAL_S.unsigned_abs());
                let mut from = start;
                for export in 0..exports {
                    let of = |exports_until: u64| events / INSTANCES * exports_until / exports;
                    let to = from.plus(interval);
                    collector.export(&self.exported(from, to, of(export + 1) - of(export))).await?;
                    from = to;
                }
                Ok(())
            }
            Self::Nothing | Self::File | Self::Nats | Self::Prometheus => Ok(()),
        }
    }

    /// A request with so many saves of each process.
    fn exported(self, from: Timestamp, to: Timestamp, saves: u64) -> Value {
        let temporality = if self == Self::OtlpDelta { 1 } else { 2 };
        let nanos = |at: Timestamp| format!("{}000000", at.as_millis());
        let mut counts = [0; BOUNDS.len() + 1];
        counts[1] = saves;
        let of = |instance: u64| {
            let attribute =
                |key: &str, value: String| json!({ "key": key, "value": { "stringValue": value } });
            let attributes = [
                attribute("service.name", "shop".to_owned()),
                attribute("service.instance.id", instance.to_string()),
            ];
            let point = json!({
                "startTimeUnixNano": nanos(from), "timeUnixNano": nanos(to), "count": saves,
                "bucketCounts": counts, "explicitBounds": BOUNDS,
            });
            let histogram = json!({ "aggregationTemporality": temporality, "dataPoints": [point] });
            let metrics = [json!({ "name": "save.duration", "unit": "s", "histogram": histogram })];
            json!({ "resource": { "attributes": attributes }, "scopeMetrics": [{ "metrics": metrics }] })
        };
        json!({ "resourceMetrics": (0..INSTANCES).map(of).collect::<Vec<_>>() })
    }
}

impl Collector {
    async fn push(&self, body: Vec<u8>) -> anyhow::Result<()> {
        let post = self.http.post(format!("{}/v1/targets/{TARGET}/events", self.url)).body(body);
        let answer = post.send().await?;
        anyhow::ensure!(answer.status() == 202, "{}: {}", answer.status(), answer.text().await?);
        Ok(())
    }

    async fn export(&self, request: &Value) -> anyhow::Result<()> {
        let answer = self.http.post(format!("{}/v1/metrics", self.url)).json(request).send().await?;
        let answer: Value = answer.error_for_status()?.json().await?;
        anyhow::ensure!(answer == json!({}), "{answer}");
        Ok(())
    }
}

/// The hour's, a thousand saves each.
fn bodies(events: u64, start: Timestamp) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Vec<u8>>>> {
    let bodies = events / EVENTS_OF_BODY;
    let span = HOUR / u32::try_from(bodies)?;
    Ok((0..bodies).map(move |number| {
        let at = start.plus(span * u32::try_from(number)?);
        let mut body = Vec::new();
        saves(EVENTS_OF_BODY, number, at, span).write(&mut body)?;
        Ok(body)
    }))
}

/// Nothing but saves.
fn saves(events: u64, seed: u64, start: Timestamp, span: Duration) -> Generator {
    let (error_ratio, duplicate_ratio, unknown_ratio, malformed_ratio) = (0.0, 0.0, 0.0, 0.0);
    let usual = Generator::new(events, seed, TARGET, start);
    Generator { span, error_ratio, duplicate_ratio, unknown_ratio, malformed_ratio, ..usual }
}

/// From five minutes before the hour to a minute after it.
fn samples(start: Timestamp, events: u64) -> Samples {
    let start = start.as_millis() / 1000;
    let end = start + i64::try_from(HOUR.as_secs()).unwrap_or_default();
    let scrapes = || (start - 300..=end + 60).step_by(INTERVAL_S.unsigned_abs().try_into().unwrap_or(1));
    #[expect(clippy::cast_precision_loss, reason = "far below what a float keeps exactly")]
    let so_far = |second: i64| {
        let passed = (second.clamp(start, end) - start).unsigned_abs();
        (second, (events / INSTANCES * passed / HOUR.as_secs()) as f64)
    };
    let mut samples = Samples::default();
    for instance in 0..INSTANCES {
        let labels = format!("job=\"shop\",instance=\"{instance}\"");
        let up = scrapes().map(|second| (second, 1.0));
        let series = format!("up{{{labels}}}");
        if instance == 0 { samples.add("gauge", &series, up) } else { samples.more(&series, up) }
    }
    for instance in 0..INSTANCES {
        let labels = format!("job=\"shop\",instance=\"{instance}\"");
        for (number, le) in
            BOUNDS.map(|bound| bound.to_string()).into_iter().chain(["+Inf".into()]).enumerate()
        {
            let series = format!("save_seconds_bucket{{{labels},le=\"{le}\"}}");
            let counted = scrapes().map(|second| if number == 0 { (second, 0.0) } else { so_far(second) });
            if (instance, number) == (0, 0) {
                samples.add("histogram", &series, counted);
            } else {
                samples.more(&series, counted);
            }
        }
    }
    samples
}
