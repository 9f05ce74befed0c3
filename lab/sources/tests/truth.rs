//! One workload with known counts, told in every way at once: what is counted of it, to the event.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use phasegate_sources::app::{App, Language, Told};
use phasegate_sources::nats::Nats;
use phasegate_sources::paused::Paused;
use phasegate_sources::policy::{FILES, of_sdk, of_targets};
use phasegate_sources::prometheus::Prometheus;
use phasegate_sources::story::starts;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use phasegate_tests::{ports, wait};
use serde_json::Value;

/// A way to tell, which has a target to itself. One more is a row of [`TELLINGS`], and a class that
/// `apps/shop.py` starts.
struct Telling {
    told: Told<'static>,
    /// The target's `source`.
    source: fn(&str, &Places) -> String,
    /// Where the app tells.
    endpoint: fn(&str, &Places) -> String,
    events: Events,
}

/// What is told of.
#[derive(Clone, Copy, PartialEq)]
enum Events {
    /// Each by itself, with an id: it can be told again, and by a clock that is off.
    Each,
    /// How many there were.
    Counts,
}

/// Where everything is.
struct Places {
    /// URL.
    collector: String,
    /// A directory.
    telemetry: PathBuf,
    /// URL.
    nats: String,
    /// URL.
    prometheus: String,
    /// `host:port` that it scrapes.
    scraped: String,
}

const TELLINGS: [Telling; 10] = [
    by_line("file", |_, _| FILES.replace("*.jsonl", "shop.jsonl*"), in_file),
    by_line("push", |_, _| "{ http: {} }".to_owned(), pushed),
    by_line("nats", |_, places| NATS.replace("SERVER", &places.nats), published),
    Telling {
        told: told(Language::Python, "prometheus", "", "prometheus"),
        source: |_, places| PROMETHEUS.replace("SERVER", &places.prometheus),
        endpoint: |_, places| places.scraped.clone(),
        events: Events::Counts,
    },
    by_sdk(Language::Python, "metrics", "delta", "python-delta", Events::Counts),
    by_sdk(Language::Python, "metrics", "cumulative", "python-cumulative", Events::Counts),
    by_sdk(Language::JavaScript, "metrics", "delta", "javascript-delta", Events::Counts),
    by_sdk(Language::JavaScript, "metrics", "cumulative", "javascript-cumulative", Events::Counts),
    by_sdk(Language::Python, "logs", "delta", "python-logs", Events::Each),
    by_sdk(Language::Python, "spans", "delta", "python-spans", Events::Each),
];

const NATS: &str = "{ nats: { url: \"SERVER\", stream: TELEMETRY, subject: \"telemetry.{target}\" } }";

const PROMETHEUS: &str = "{ prometheus: { url: \"SERVER\", settle: 1s, lookback: 10s, up: 'up{job=\"shop\"}', \
    started: process_start_time_seconds, \
    distributions: { autosave.save.completed: { histogram: save_duration_seconds, unit: s } }, counters: { \
    autosave.save.error: { series: saves_failed_total, breakdown: { code: code }, absent: zero }, \
    autosave.history.drift: { series: drift_total, absent: zero } } } }";

const fn told(
    language: Language,
    signal: &'static str,
    temporality: &'static str,
    service: &'static str,
) -> Told<'static> {
    Told { language, signal, temporality, service, interval_ms: 600_000 }
}

const fn by_sdk(
    language: Language,
    signal: &'static str,
    temporality: &'static str,
    service: &'static str,
    events: Events,
) -> Telling {
    let told = told(language, signal, temporality, service);
    Telling {
        told,
        source: |service, _| of_sdk(service),
        endpoint: |_, places| places.collector.clone(),
        events,
    }
}

const fn by_line(
    signal: &'static str,
    source: fn(&str, &Places) -> String,
    endpoint: fn(&str, &Places) -> String,
) -> Telling {
    Telling { told: told(Language::Python, signal, "", signal), source, endpoint, events: Events::Each }
}

fn in_file(_: &str, places: &Places) -> String {
    places.telemetry.join("shop.jsonl").display().to_string()
}

fn pushed(target: &str, places: &Places) -> String {
    format!("{}/v1/targets/{target}/events", places.collector)
}

fn published(target: &str, places: &Places) -> String {
    format!("{}/telemetry.{target}", places.nats)
}

/// The policy of the other stories, once for each telling, and content with whatever it is told.
fn policy(places: &Places) -> String {
    // What a collector that was killed could not take comes a second later.
    let changes = [
        ("window: 2s", "window: 10s"),
        ("grace: 200ms", "grace: 8s"),
        ("watch: 6s, cadence: 1s", "watch: 20s, cadence: 10s"),
        ("over: 8s", "over: 40s"),
        ("gaps: { tolerated: 0, blind: rollback }", "gaps: { tolerated: 3, blind: page }"),
        ("collector_latency: rollback", "collector_latency: page"),
        ("error_rate: 1.0%", "error_rate: 50%"),
    ];
    let source = |service: &str| {
        let telling = TELLINGS.iter().find(|it| it.told.service == service).unwrap();
        (telling.source)(service, places)
    };
    of_targets(TELLINGS.iter().map(|it| it.told.service), &changes, source)
}

/// What the batches of a target's archive have counted.
#[derive(Debug, Default, Clone, PartialEq)]
struct Counted {
    saves: u64,
    errors: u64,
    by_code: BTreeMap<String, u64>,
    /// Durations that are known, exactly or by bounds.
    durations: u64,
    /// Of a window that is closed.
    late: u64,
    /// Of the future.
    malformed: u64,
    /// Files that were not read to their end.
    lost: u64,
    /// Events that some window does not know the number of.
    missing: BTreeSet<String>,
}

impl Counted {
    fn save(&mut self, count: u64) {
        self.saves += count;
        self.durations += count;
    }

    fn fail(&mut self, code: &str, count: u64) {
        self.errors += count;
        if count > 0 {
            *self.by_code.entry(code.to_owned()).or_default() += count;
        }
    }
}

/// And how many were told again.
fn counted(folder: &Path) -> (Counted, u64) {
    let (mut counted, mut duplicates) = (Counted::default(), 0);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap();
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let batch: Value = serde_json::from_str(line).unwrap();
            let number = |value: &Value| value.as_u64().unwrap_or(0);
            counted.saves += number(&batch["counters"][SAVED]);
            counted.errors += number(&batch["counters"]["autosave.save.error"]);
            for (code, count) in
                batch["breakdowns"]["autosave.save.error"]["code"].as_object().into_iter().flatten()
            {
                *counted.by_code.entry(code.clone()).or_default() += number(count);
            }
            counted.durations += number(&batch["distributions"][SAVED]["count"]);
            for interval in batch["buckets"][SAVED].as_array().into_iter().flatten() {
                // A delta says how long its longest took.
                assert!(interval[0] == 500.0 && (interval[1] == 640.0 || interval[1] == 1000.0), "{batch}");
                counted.durations += number(&interval[2]);
            }
            let intake = &batch["intake"];
            counted.late += number(&intake["late"]);
            counted.malformed += number(&intake["malformed"]);
            counted.lost += number(&intake["lost"]);
            counted
                .missing
                .extend(intake["missing"].as_object().into_iter().flatten().map(|it| it.0.clone()));
            duplicates += number(&intake["duplicates"]);
        }
    }
    (counted, duplicates)
}

const SAVED: &str = "autosave.save.completed";

/// Rounds, in each of which the collector is killed.
const KILLS: u64 = 20;
/// After which every app is started anew.
const RESTARTS: [u64; 2] = [7, 14];
/// In which the collector stands still.
const PAUSES: [u64; 2] = [5, 17];
/// In which Prometheus does.
const LATE_SCRAPES: u64 = 11;
/// From which on errors have a code that nobody has seen before.
const NEW_CODE: u64 = 16;

/// The apps, what they were told, and what reads it.
struct Shop {
    stack: Stack,
    prometheus: Prometheus,
    _nats: Nats,
    places: Places,
    apps: Vec<App>,
    /// Since the beginning.
    truth: Counted,
    /// By whatever knows its events by an id.
    repeats: u64,
    /// Saves and errors since the apps were started.
    of_process: (u64, u64),
}

impl Shop {
    /// With all targets in their first phase.
    async fn open(vendors: &Vendors) -> Self {
        let scraped = format!("127.0.0.1:{}", ports::own());
        let prometheus = Prometheus::scraping(scraped.parse().unwrap()).await.unwrap();
        let nats = Nats::start().unwrap();
        nats.publisher(None).await.stream("TELEMETRY").await;
        let mut places = Places {
            collector: String::new(),
            telemetry: PathBuf::new(),
            nats: nats.url.clone(),
            prometheus: prometheus.url.clone(),
            scraped,
        };
        let stack = Stack::start(Layout::ThreeOnPostgres, &policy(&places), &vendors.environment()).await;
        stack.url("collector", "").trim_end_matches('/').clone_into(&mut places.collector);
        places.telemetry = stack.telemetry_directory();
        let start = |it: &Telling| App::start(it.told, &(it.endpoint)(it.told.service, &places)).unwrap();
        let apps = TELLINGS.iter().map(start).collect();
        let (truth, repeats, of_process) = (Counted::default(), 0, (0, 0));
        let shop = Self { stack, prometheus, _nats: nats, places, apps, truth, repeats, of_process };
        shop.until_scraped().await;
        starts(&shop.stack, TELLINGS.iter().map(|it| it.told.service)).await;
        // What a stay's first scrape shows is of nobody knows which phase.
        let now = seconds_since_1970();
        wait::until("a scrape of the first window", || async {
            let at = shop.prometheus.value("timestamp(up{job=\"shop\"})", None).await;
            let at = at.map_err(|error| error.to_string())?;
            if at > now { Ok(()) } else { Err(at.to_string()) }
        })
        .await;
        shop
    }

    /// All of them do the same.
    fn save_and_fail(&mut self, saves: u64, code: &str, errors: u64) {
        self.truth.save(saves);
        self.truth.fail(code, errors);
        self.of_process = (self.of_process.0 + saves, self.of_process.1 + errors);
        self.tell(|_| format!("save {saves}\nfail {code} {errors}"));
    }

    /// What knows its events by an id tells the last one once more.
    fn repeat(&mut self) {
        self.repeats += 1;
        self.tell(|events| if events == Events::Each { "again" } else { "" }.to_owned());
    }

    fn tell(&mut self, what: impl Fn(Events) -> String) {
        for (app, telling) in self.apps.iter_mut().zip(&TELLINGS) {
            app.tell(&what(telling.events)).unwrap();
        }
    }

    /// Waits until each has told all.
    fn until_told(&mut self) {
        for (app, telling) in self.apps.iter_mut().zip(&TELLINGS) {
            tokio::task::block_in_place(|| app.flushed())
                .unwrap_or_else(|error| panic!("{}: {error}", telling.told.service));
        }
    }

    /// Waits until Prometheus has seen all that its app has counted since its start.
    async fn until_scraped(&self) {
        let (saves, errors) = self.of_process;
        let expected = format!(
            "save_duration_seconds_count == {saves} and on() (sum(saves_failed_total) or vector(0)) == {errors}"
        );
        wait::until("Prometheus to see all", || async {
            self.prometheus.value(&expected, None).await.map_err(|error| error.to_string())
        })
        .await;
    }

    async fn kill_collector(&mut self) {
        self.stack.kill("collector-svc");
        self.stack.launch("collector-svc");
        self.stack.until_healthy("collector").await;
    }

    fn found(&self, service: &str) -> (Counted, u64) {
        counted(&self.stack.data_file(&format!("logs/{service}")))
    }

    async fn until_found(&self, service: &str, what: &str, is_it: impl Fn(&Counted) -> bool) {
        wait::until(&format!("{what} of {service}"), || async {
            let found = self.found(service).0;
            if is_it(&found) { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }

    /// What a telling has to come to.
    fn expected(&self, events: Events) -> Counted {
        match events {
            Events::Each => self.truth.clone(),
            Events::Counts => Counted { late: 0, malformed: 0, ..self.truth.clone() },
        }
    }

    /// The rows of docs/collector.md.
    async fn print(&self, seconds: u64) {
        println!("| source | saves | errors | of a new code | told again | late | of the future |");
        let row = |name: &str, it: &Counted, repeats: &str| {
            let new = it.by_code.get("E_QUOTA").copied().unwrap_or_default();
            let Counted { saves, errors, late, malformed, .. } = it;
            println!("| {name} | {saves} | {errors} | {new} | {repeats} | {late} | {malformed} |");
        };
        row("the truth", &self.truth, &self.repeats.to_string());
        for telling in &TELLINGS {
            let (found, duplicates) = self.found(telling.told.service);
            row(telling.told.service, &found, &duplicates.to_string());
        }
        let increase = async |series: &str| {
            let increase = format!("sum(increase({series}[{seconds}s]))");
            self.prometheus.value(&increase, None).await.unwrap()
        };
        let saves = increase("save_duration_seconds_count").await;
        let errors = increase("saves_failed_total").await;
        let new = increase("saves_failed_total{code=\"E_QUOTA\"}").await;
        println!("| `increase()` | {saves:.1} | {errors:.1} | {new:.1} | | | |");
    }
}

fn seconds_since_1970() -> f64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
}

/// TE-1, TE-3, TE-4, TE-5: the same workload by files, pushes, NATS, Prometheus, and the SDKs of OpenTelemetry in two languages is counted
/// alike and to the event. Meanwhile the collector is killed again and again and stands still, apps are started anew, files rotate,
/// events and requests come twice, a code is born late, a scrape is late, and clocks are minutes off.
#[tokio::test(flavor = "multi_thread")]
async fn one_workload_is_counted_alike_however_it_is_told() {
    let vendors = Vendors::start().await;
    let began = std::time::Instant::now();
    let mut shop = Shop::open(&vendors).await;
    for round in 1..=KILLS {
        let is_paused = PAUSES.contains(&round);
        let collector = is_paused.then(|| Paused::process(shop.stack.pid("collector-svc")).unwrap());
        let server = (round == LATE_SCRAPES).then(|| Paused::process(shop.prometheus.pid()).unwrap());
        let code = match round {
            NEW_CODE.. => "E_QUOTA",
            _ if round % 2 == 0 => "E_LOCK",
            _ => "E_IO",
        };
        shop.save_and_fail(100 + round * 7, code, round % 5);
        if round % 4 == 1 {
            shop.repeat();
        }
        shop.tell(|_| "flush".to_owned());
        if is_paused {
            shop.until_scraped().await;
        }
        drop(collector);
        // Somewhere in the delivery.
        tokio::time::sleep(Duration::from_millis(round * 37 % 90)).await;
        shop.kill_collector().await;
        shop.until_told();
        drop(server);
        if RESTARTS.contains(&round) {
            shop.until_scraped().await;
            shop.apps.iter_mut().for_each(|app| app.restart().unwrap());
            shop.of_process = (0, 0);
            shop.until_scraped().await;
        }
    }
    shop.save_and_fail(1, "E_IO", 1);
    shop.tell(|events| if events == Events::Each { "behind 3\nahead 2\nflush" } else { "flush" }.to_owned());
    (shop.truth.late, shop.truth.malformed) = (3, 2);
    shop.until_told();

    for Telling { told: Told { service, .. }, events, .. } in &TELLINGS {
        let expected = shop.expected(*events);
        shop.until_found(service, &format!("{expected:?}"), |found| *found == expected).await;
        let repeats = if *events == Events::Each { shop.repeats } else { 0 };
        let duplicates = shop.found(service).1;
        // A request of spans or deltas whose answer was lost is known again by what is in it.
        let may_be_more = service.ends_with("spans") || service.ends_with("delta");
        assert!(duplicates == repeats || duplicates > repeats && may_be_more, "{service}: {duplicates}");
    }
    shop.print(began.elapsed().as_secs() + 1).await;
    what_nobody_can_know_is_missing(shop).await;
}

/// CO-5, CO-9: nothing is made up where a source cannot know: a scrape that never was, two processes in one stream, a file that
/// nobody will read.
async fn what_nobody_can_know_is_missing(mut shop: Shop) {
    let mut apps: BTreeMap<&str, App> =
        TELLINGS.iter().map(|it| it.told.service).zip(std::mem::take(&mut shop.apps)).collect();
    drop(apps.remove("prometheus"));

    let twice = ["python-delta", "python-cumulative"];
    for telling in TELLINGS.iter().filter(|it| twice.contains(&it.told.service)) {
        let mut second = App::start(telling.told, &shop.places.collector).unwrap();
        let first = apps.get_mut(telling.told.service).unwrap();
        for _ in 0..2 {
            save_and_flush(first);
            save_and_flush(&mut second);
        }
    }

    shop.stack.kill("collector-svc");
    save_and_flush(apps.get_mut("file").unwrap());
    for file in fs::read_dir(&shop.places.telemetry).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    shop.stack.launch("collector-svc");

    shop.until_found("file", "a file that was lost", |found| found.lost > 0).await;
    for service in ["prometheus", "python-delta", "python-cumulative"] {
        let is_missing = |found: &Counted| found.missing.contains(SAVED);
        shop.until_found(service, "saves that are missing", is_missing).await;
    }
}

fn save_and_flush(app: &mut App) {
    app.tell("save 5\nflush").unwrap();
    tokio::task::block_in_place(|| app.flushed()).unwrap();
}
