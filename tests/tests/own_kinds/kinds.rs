//! One further kind of each seam, both halves of each. Nothing of them stands in the product; what they act on is held in this
//! process, where the test looks at it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use clap::{Arg, ArgMatches, Command};
use collector_svc::sources::{
    Asked, Contribution, Input, Moved, Opened, Opening as OpeningSource, Reader, Source, SourceError,
    WindowTotals,
};
use domain::effects::{PostMessage, RunTransition};
use domain::executors::{Description, ExecutorKind, Facts as Move, Planner, Report, Request};
use domain::gate::metric::{Facts, Metric, MetricKind, Observation};
use domain::kinds::Chosen;
use domain::notifiers::{Message, NotifierKind};
use domain::policy::kind_section::{Section, Text, schema_of};
use domain::policy::{DisplayUnit, Wrong};
use domain::sources::{SourceKind, SourceSettings};
use domain::telemetry::totals::Totals;
use events::EventSpec;
use phasegate::Product;
use reporter_svc::executors::{Executor, ReadBack, Turn};
use reporter_svc::kind::{Kind, Opening};
use reporter_svc::notifiers::Notifier;
use serde_json::json;
use service_kit::outbox::Outcome;
use shared_types::decision::Direction;

/// The product with one kind more of each seam.
pub(crate) fn product() -> Product {
    Product::shipped()
        .with_metric(FLOOR)
        .with_source(METER, Reader { key: METER.key, open: open_meter })
        .with_executor(Arc::new(LeverKind), Kind::plain("lever", |_, _| Ok(Arc::new(Lever))))
        .with_notifier(
            Arc::new(PigeonKind),
            Kind { arguments: told_pigeon, ..Kind::plain("pigeon", open_pigeon) },
        )
}

/// What a window counts.
pub(crate) static SAVES: AtomicU64 = AtomicU64::new(100);
/// Where the lever was put.
pub(crate) static NOTCHES: Mutex<Vec<f64>> = Mutex::new(Vec::new());
/// Who carried which text whereto.
pub(crate) static CARRIED: Mutex<Vec<(String, String, String)>> = Mutex::new(Vec::new());

// A metric: a count that has to be reached.

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawFloor {
    /// The event that has to occur often enough.
    floor: Text,
}

#[derive(Debug, PartialEq)]
struct Floor(String);

const FLOOR: MetricKind = MetricKind {
    key: "floor",
    schema: schema_of::<RawFloor>,
    read: read_floor,
    example: "{ floor: autosave.save.completed }",
    has_attempts: false,
};

fn read_floor(section: &Section, _window: Duration) -> Result<(Chosen<dyn Metric>, DisplayUnit), Wrong> {
    let raw: RawFloor = section.read()?;
    Ok((Chosen(Arc::new(Floor(section.text("floor", &raw.floor)?))), DisplayUnit::Number))
}

impl Metric for Floor {
    fn needs(&self) -> Vec<EventSpec> {
        vec![EventSpec::counted(&self.0)]
    }

    fn observe(&self, facts: &Facts<'_>) -> Observation {
        Observation { value: Some(facts.count(&self.0) as f64), ..Observation::default() }
    }

    fn words(&self) -> String {
        format!("number of `{}`, a batch", self.0)
    }

    fn direction(&self) -> Direction {
        Direction::AtLeast
    }

    fn windows_to_violate(&self) -> u64 {
        1
    }
}

// A source: a meter that says what a window counted once that is over.

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawMeter {
    /// Its name.
    name: Text,
}

#[derive(Debug, Clone, PartialEq)]
struct Meter(String);

const METER: SourceKind = SourceKind {
    key: "meter",
    schema: schema_of::<RawMeter>,
    read: read_meter,
    example: "{ name: saves }",
    docs: "",
};

fn read_meter(section: &Section) -> Result<Chosen<dyn SourceSettings>, Wrong> {
    let raw: RawMeter = section.read()?;
    Ok(Chosen(Arc::new(Meter(section.text("name", &raw.name)?))))
}

impl SourceSettings for Meter {
    fn kind(&self) -> &'static str {
        METER.key
    }

    fn words(&self) -> String {
        format!("meter {}", self.0)
    }
}

struct MeterSource;

fn open_meter(opening: &OpeningSource<'_>) -> Opened {
    let meter = opening.policy.collection.source.of_kind::<Meter>();
    Ok(meter.map(|_| Box::new(MeterSource) as Box<dyn Source>))
}

#[async_trait]
impl Source for MeterSource {
    fn kind(&self) -> &'static str {
        METER.key
    }

    async fn read(&mut self, asked: &Asked) -> Result<Input, SourceError> {
        let mut input = Input { caught_up: true, ..Input::default() };
        for window in asked.windows.iter().map(|it| it.window).filter(|window| window.end <= asked.now) {
            let place = window.start.to_string();
            if asked.cursor.contains_key(&place) {
                continue;
            }
            let mut totals = Totals::default();
            totals.counters.insert("autosave.save.completed".into(), SAVES.load(Ordering::SeqCst));
            input.contributions.push(Contribution::Totals(WindowTotals { window, totals }));
            input.moved.push(Moved { place, cursor: json!({ "read": true }), anew: false });
        }
        Ok(input)
    }
}

// An executor: a lever with as many notches as percent.

struct LeverKind;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LeverSettings {
    name: String,
    notches: u32,
}

impl ExecutorKind for LeverKind {
    fn name(&self) -> &'static str {
        "lever"
    }

    fn check(&self, section: &Section) -> Result<Box<dyn Planner>, Wrong> {
        Ok(Box::new(section.read::<LeverSettings>()?))
    }
}

impl Planner for LeverSettings {
    fn plan(&self, facts: &Move<'_>) -> Request {
        let notch = facts.audience_percent * f64::from(self.notches) / 100.0;
        let words = format!("{} to notch {notch}", self.name);
        Request { kind: "lever".to_owned(), words, reads_back: true, data: json!({ "notch": notch }) }
    }

    fn describe(&self) -> Description {
        let settings = vec![("lever", format!("{} of {}", self.name, self.notches))];
        Description { settings, read_back: Some("the notch".to_owned()) }
    }
}

struct Lever;

#[async_trait]
impl Executor for Lever {
    fn name(&self) -> &'static str {
        "lever"
    }

    async fn run(&self, it: &RunTransition, _turn: &Turn) -> Result<Report, Outcome> {
        NOTCHES.lock().unwrap().push(it.request.data["notch"].as_f64().unwrap());
        Ok(Report { summary: "moved".to_owned(), ..Report::default() })
    }

    async fn read_back(&self, it: &RunTransition) -> Result<ReadBack, Outcome> {
        let as_asked = NOTCHES.lock().unwrap().last().copied() == it.request.data["notch"].as_f64();
        Ok(ReadBack { served: it.to.to_string(), as_asked })
    }
}

// A notifier, with a setting of its own: a pigeon that carries capital letters.

struct PigeonKind;

impl NotifierKind for PigeonKind {
    fn name(&self) -> &'static str {
        "pigeon"
    }

    fn expected(&self) -> &'static str {
        "a loft such as `pigeon:roof`"
    }

    fn address(&self, written: &str) -> Option<String> {
        written.strip_prefix("pigeon:").map(str::to_owned)
    }

    fn render(&self, message: &Message) -> String {
        message.rendered(str::to_uppercase)
    }
}

struct Pigeon(String);

fn told_pigeon(command: Command) -> Command {
    command.arg(Arg::new("pigeon_ring").long("pigeon-ring").env("PIGEON_RING").required(true))
}

fn open_pigeon(told: &ArgMatches, _: &Opening) -> anyhow::Result<Arc<dyn Notifier>> {
    Ok(Arc::new(Pigeon(told.get_one::<String>("pigeon_ring").cloned().unwrap_or_default())))
}

#[async_trait]
impl Notifier for Pigeon {
    fn name(&self) -> &'static str {
        "pigeon"
    }

    async fn post(&self, message: &PostMessage, _: Option<&str>, _: bool) -> Outcome {
        let carried = (self.0.clone(), message.channel.clone(), message.text.clone());
        CARRIED.lock().unwrap().push(carried);
        Outcome::Done(json!({ "ring": self.0 }))
    }
}
