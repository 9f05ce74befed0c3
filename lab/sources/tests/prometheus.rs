//! The source of Prometheus on Prometheus itself.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use collector_svc::sources::{Asked, AskedWindow, Contribution, Cursor, Opening, SHIPPED, SourceError, open};
use domain::gate::{CheckedBatch, judge, observe_batch};
use domain::kinds::Chosen;
use domain::policy::{Policy, TargetPolicy};
use domain::sources::prometheus::{Counter, Durations, Prometheus as Settings};
use domain::telemetry::event_specs;
use domain::telemetry::totals::{BatchHead, Totals};
use events::map::Unit;
use phasegate_sources::prometheus::{Prometheus, Samples};
use phasegate_sources::remote_write::Native;
use sha2::{Digest as _, Sha256};
use shared_types::decision::{Between, InsufficientReason, MetricVerdict};
use shared_types::{PhaseId, TargetName, Timestamp, Verdict, Window};

/// 2026-11-22T10:00:00Z.
const TEN: i64 = 1_795_341_600;
const SCRAPE: i64 = 15;

/// Scrapes of a counter from a second on, the value of each by how many seconds it is.
fn scrapes(from: i64, until: i64, value: impl Fn(i64) -> f64) -> Vec<(i64, f64)> {
    (0..)
        .map(|scrape| from + scrape * SCRAPE)
        .take_while(|second| *second < until)
        .map(|it| (it, value(it)))
        .collect()
}

fn count_of(series: &str, absent_is_zero: bool) -> Counter {
    Counter {
        series: series.to_owned(),
        breakdown: BTreeMap::from([("code".to_owned(), "reason".to_owned())]),
        absent_is_zero,
    }
}

fn target() -> TargetName {
    TargetName::parse("autosave").unwrap()
}

fn shipped() -> TargetPolicy {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../governance/policy.yaml");
    let policy = Policy::load(std::path::Path::new(policy)).unwrap();
    policy.targets.into_values().next().unwrap()
}

fn settings(server: &Prometheus) -> Settings {
    Settings {
        url: server.url.clone(),
        headers: BTreeMap::new(),
        auth: None,
        settle: Duration::from_secs(30),
        lookback: Duration::from_secs(300),
        samples_most: 200_000,
        up: Some("up{job=\"shop\"}".to_owned()),
        started: Some("process_start_time_seconds".to_owned()),
        counters: BTreeMap::from([
            ("autosave.save.completed".to_owned(), count_of("saves_total", false)),
            ("autosave.save.error".to_owned(), count_of("errors_total{job=\"shop\"}", true)),
        ]),
        distributions: BTreeMap::new(),
        values: BTreeMap::from([(
            "saved".to_owned(),
            "sum(max_over_time(saves_total[{window}]))".to_owned(),
        )]),
    }
}

/// The totals of windows of a minute from ten on, as the source reads them; a stay may begin with one of them.
async fn totals(
    server: &Prometheus,
    minutes: i64,
    stay_begins: Option<i64>,
) -> Result<Vec<Totals>, SourceError> {
    read(settings(server), minutes, stay_begins).await
}

async fn read(
    settings: Settings,
    minutes: i64,
    stay_begins: Option<i64>,
) -> Result<Vec<Totals>, SourceError> {
    read_for(&target(), settings, minutes, stay_begins).await
}

async fn read_for(
    target: &TargetName,
    settings: Settings,
    minutes: i64,
    stay_begins: Option<i64>,
) -> Result<Vec<Totals>, SourceError> {
    let mut policy = shipped();
    policy.collection.source = Chosen(Arc::new(settings));
    let specs = Arc::new(event_specs(&policy).unwrap());
    let mut source = open(&SHIPPED, &Opening { target, policy: &policy, specs: &specs, threads: 1 }).unwrap();
    let minute = |at: i64| Timestamp::from_millis((TEN + 60 * at) * 1000);
    let windows = (0..minutes).map(|at| AskedWindow {
        window: Window { start: minute(at), end: minute(at + 1) },
        phase: PhaseId::parse("A").unwrap(),
        begins_stay: stay_begins == Some(at),
    });
    let windows = windows.collect();
    let mut asked = Asked { cursor: Arc::default(), now: minute(minutes + 1), windows };
    let mut read = Vec::new();
    loop {
        let input = source.read(&asked).await?;
        let cursor: Cursor = input.moved.into_iter().map(|moved| (moved.place, moved.cursor)).collect();
        asked.cursor = Arc::new(cursor);
        read.extend(input.contributions.into_iter().map(|it| match it {
            Contribution::Totals(it) => it.totals,
            other => panic!("{other:?}"),
        }));
        if input.caught_up {
            return Ok(read);
        }
    }
}

/// The hash of what a server says, by the rule of the documentation.
async fn answered(server: &Prometheus, query: &str, second: i64) -> String {
    let mut answer = server.answer(query, Some(second)).await.unwrap();
    let series = answer["data"]["result"].as_array_mut().unwrap();
    series.sort_by_key(|it| it["metric"].to_string());
    let lines: Vec<String> = series.iter().map(|it| format!("{it}\n")).collect();
    let digest = Sha256::digest(lines.concat());
    digest.iter().fold("sha256:".to_owned(), |hash, byte| hash + &format!("{byte:02x}"))
}

/// TE-5, SLO-10: what the samples show is what is counted, over a restart and an error that was never there before; `increase()` of the
/// same server on the same samples loses a third of those errors.
#[tokio::test]
async fn counts_are_exact_where_increase_is_not() {
    let mut samples = Samples::default();
    samples.add("gauge", "up{job=\"shop\",instance=\"a\"}", scrapes(TEN - 300, TEN + 360, |_| 1.0));
    // One a second; begins anew 20 s after ten, and has counted 37 of the 40 of the rest of that minute.
    let restarted = |second: i64| {
        if second < TEN + 20 { (second - TEN + 300) as f64 } else { (second - TEN - 20) as f64 }
    };
    samples.add(
        "counter",
        "saves_total{job=\"shop\",instance=\"a\"}",
        scrapes(TEN - 300, TEN + 360, restarted),
    );
    // Nine errors of a code that was never there, first seen 25 s after ten.
    let born = scrapes(TEN + 30, TEN + 360, |second| if second < TEN + 45 { 4.0 } else { 9.0 });
    samples.add("counter", "errors_total{job=\"shop\",instance=\"a\",reason=\"E_LOCK\"}", born);
    let server = Prometheus::with(samples).await.unwrap();
    let read = totals(&server, 3, None).await.unwrap();
    let counts: Vec<(u64, u64)> = read
        .iter()
        .map(|it| (it.counters["autosave.save.completed"], it.counters["autosave.save.error"]))
        .collect();
    // Between the scrapes at 15 s and 30 s the 5 before the restart were never seen by anybody.
    assert_eq!(counts, [(15 + 40, 9), (60, 0), (60, 0)]);
    assert_eq!(read[0].values, BTreeMap::from([("saved".to_owned(), 315.0)]));
    assert_eq!(read[0].breakdowns["autosave.save.error"]["code"]["E_LOCK"], 9);
    for query in &read[0].queries {
        assert_eq!(query.answer, answered(&server, &query.query, TEN + 60).await, "{query:?}");
    }
    let asked: Vec<&str> = read[0].queries.iter().map(|it| it.query.as_str()).collect();
    assert_eq!(
        asked,
        [
            "up{job=\"shop\"}[360s]",
            "saves_total[360s]",
            "errors_total{job=\"shop\"}[360s]",
            "process_start_time_seconds[360s]",
            "sum(max_over_time(saves_total[60s]))",
        ]
    );
    assert!(!read[1].breakdowns.contains_key("autosave.save.error"));
    let increase =
        async |series: &str| server.value(&format!("increase({series}[1m])"), Some(TEN + 60)).await.unwrap();
    let (saves, errors) = (increase("saves_total").await, increase("errors_total").await);
    println!(
        "first minute: saves 55 counted, {saves:.2} by increase(); errors 9 counted, {errors:.2} by increase()"
    );
    assert!(errors < 8.0, "{errors}");
}

/// TE-5: over the bound of samples a counter is what `increase()` of the server says, by its labels, and the batch says so; a
/// histogram is missing, and says what to do.
#[tokio::test]
async fn of_too_many_samples_the_server_extrapolates() {
    let mut samples = Samples::default();
    let until = TEN + 60;
    samples.add(
        "counter",
        "saves_total{job=\"shop\",instance=\"a\"}",
        scrapes(TEN - 60, until, |s| (s - TEN + 60) as f64),
    );
    for (reason, first) in [("E_LOCK", TEN - 300), ("E_IO", TEN + 30)] {
        let series = format!("errors_total{{job=\"shop\",instance=\"a\",reason=\"{reason}\"}}");
        let grows = scrapes(first, until, |second| (second - first + 9) as f64);
        if reason == "E_LOCK" { samples.add("counter", &series, grows) } else { samples.more(&series, grows) }
    }
    let timed = "fine_seconds_bucket{job=\"shop\",instance=\"a\",le=\"+Inf\"}";
    samples.add("histogram", timed, scrapes(TEN - 300, until, |second| (second - TEN + 300) as f64));
    let server = Prometheus::with(samples).await.unwrap();
    // Of saves there are 8 samples, of errors 26.
    let mut settings = Settings { up: None, samples_most: 25, ..settings(&server) };
    let durations =
        Durations { histogram: "fine_seconds".to_owned(), unit: Unit::Seconds, absent_is_zero: false };
    settings.distributions.insert("autosave.history.drift".to_owned(), durations);
    let exact = read(Settings { samples_most: 26, ..settings.clone() }, 1, None).await.unwrap().remove(0);
    let estimate = read(settings, 1, None).await.unwrap().remove(0);
    let error = "autosave.save.error";
    assert_eq!((exact.counters[error], exact.intake.extrapolated.len()), (45 + 15 + 9, 0));
    assert_eq!(exact.counters[SAVED], estimate.counters[SAVED]);
    let increase = async |reason: &str| {
        let query = format!("increase(errors_total{{reason=\"{reason}\"}}[60s])");
        format!("{:.0}", server.value(&query, Some(TEN + 60)).await.unwrap())
    };
    let codes = &estimate.breakdowns[error]["code"];
    for code in ["E_LOCK", "E_IO"] {
        assert_eq!(codes[code].to_string(), increase(code).await);
    }
    println!("errors of a code that is born: 24 counted, {} extrapolated", codes["E_IO"]);
    assert_ne!(codes["E_IO"], 24);
    let why = &estimate.intake.extrapolated[error];
    assert!(why.contains("has 26 samples in 360s, more than `samples_most` (25)"), "{why}");
    let asked = estimate.queries.iter().rfind(|it| it.name == error).unwrap();
    assert_eq!(asked.query, "increase(errors_total{job=\"shop\"}[60s])");
    assert_eq!(asked.answer, answered(&server, &asked.query, TEN + 60).await);
}

/// TE-5, SLO-10: targets whose name is a label are asked for together, and each is told what it would be alone: the same
/// counts, the same queries, the same hashes. One that has nothing, or too much, is in nobody's way.
#[tokio::test]
async fn many_targets_are_asked_for_at_once() {
    const TARGETS: usize = 150;
    let mut samples = Samples::default();
    let of = |at: usize| format!("job=\"shop\",instance=\"a\",feature=\"t{at}\"");
    let until = TEN + 60;
    samples.add("gauge", "up{job=\"shop\",instance=\"a\"}", scrapes(TEN - 300, until, |_| 1.0));
    for at in 1..TARGETS {
        let series = format!("saves_total{{{}}}", of(at));
        let grows = scrapes(TEN - 300, until, |second| (second - TEN + 300) as f64 * at as f64);
        if at == 1 { samples.add("counter", &series, grows) } else { samples.more(&series, grows) }
    }
    for (at, reasons) in [(1, 1), (7, 1), (8, 600)] {
        for reason in 0..reasons {
            let series = format!("errors_total{{{},reason=\"E{reason}\"}}", of(at));
            let born = scrapes(TEN + 30, until, |_| at as f64);
            if at == 1 { samples.add("counter", &series, born) } else { samples.more(&series, born) }
        }
    }
    for (le, rate) in [("1", 3.0), ("+Inf", 5.0)] {
        for at in 1..TARGETS {
            let series = format!("save_seconds_bucket{{{},le=\"{le}\"}}", of(at));
            let grows = scrapes(TEN - 300, until, |second| (second - TEN + 300) as f64 * rate);
            if (at, le) == (1, "1") {
                samples.add("histogram", &series, grows);
            } else {
                samples.more(&series, grows);
            }
        }
    }
    let server = Prometheus::with(samples).await.unwrap();
    let mut settings = settings(&server);
    let counter =
        |name: &str, zero| count_of(&format!("{name}{{feature=\"{{target}}\",job=\"shop\"}}"), zero);
    settings.counters = BTreeMap::from([
        (SAVED.to_owned(), counter("saves_total", false)),
        ("autosave.save.error".to_owned(), counter("errors_total", true)),
    ]);
    let histogram = "save_seconds{feature=\"{target}\"}".to_owned();
    let durations = Durations { histogram, unit: Unit::Seconds, absent_is_zero: false };
    settings.distributions.insert("autosave.history.drift".to_owned(), durations);
    settings.values = BTreeMap::from([("cpu".to_owned(), "count(saves_total{feature!=\"\"})".to_owned())]);
    // A target's samples of a counter are 24, of a histogram 48; of the errors of `t8` there are 1,200.
    settings.samples_most = 1000;
    let names: Vec<TargetName> =
        (0..TARGETS).map(|at| TargetName::parse(&format!("t{at}")).unwrap()).collect();
    let requests = async || {
        let answer = reqwest::get(format!("{}/metrics", server.url)).await.unwrap().text().await.unwrap();
        let of_queries = |line: &&str| {
            line.starts_with("prometheus_http_requests_total{") && line.contains("handler=\"/api/v1/query\"")
        };
        let counts =
            answer.lines().filter(of_queries).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        counts.sum::<f64>()
    };
    let before = requests().await;
    let mut alone = Vec::new();
    for name in &names {
        alone.push(read_for(name, settings.clone(), 1, None).await);
    }
    let of_each = requests().await - before;
    let mut reads = tokio::task::JoinSet::new();
    for (at, name) in names.iter().enumerate() {
        let (name, settings) = (name.clone(), settings.clone());
        reads.spawn(async move { (at, read_for(&name, settings, 1, None).await) });
    }
    let mut together = reads.join_all().await;
    let of_all = requests().await - before - of_each;
    together.sort_by_key(|(at, _)| *at);
    for ((at, together), alone) in together.into_iter().zip(alone) {
        match (together, alone) {
            (Ok(together), Ok(alone)) => {
                assert_eq!(together, alone, "t{at}");
                assert_eq!(together[0].counters[SAVED], at as u64 * 45, "t{at}");
                assert_eq!(together[0].intake.extrapolated.len(), usize::from(at == 8), "t{at}");
                let hash = &together[0].queries[1];
                assert_eq!(hash.answer, answered(&server, &hash.query, TEN + 60).await, "{hash:?}");
            }
            (Err(together), Err(alone)) => {
                assert_eq!((at, together.to_string()), (0, alone.to_string()));
                assert!(alone.to_string().contains("no sample of `save_seconds{feature=\"t0\"}`"), "{alone}");
            }
            other => panic!("t{at}: {other:?}"),
        }
    }
    println!("{TARGETS} targets: {of_each} requests one by one, {of_all} at once");
    assert!(of_all * 20.0 < of_each, "{of_all} of {of_each}");
}

/// TE-5: what a server does not give for many at once is asked for each alone.
#[tokio::test]
async fn what_is_too_much_at_once_is_asked_for_alone() {
    const TARGETS: i64 = 60;
    let mut samples = Samples::default();
    for at in 0..TARGETS {
        let series = format!("saves_total{{job=\"shop\",instance=\"a\",feature=\"t{at}\"}}");
        let grows = scrapes(TEN - 300, TEN + 60, |second| ((second - TEN + 300) * at) as f64);
        if at == 0 {
            samples.add("counter", &series, grows);
        } else {
            samples.more(&series, grows);
        }
    }
    // A target has 24.
    let server = Prometheus::with_flags(samples, &["--query.max-samples=100"]).await.unwrap();
    let counter = count_of("saves_total{feature=\"{target}\"}", false);
    let counters = BTreeMap::from([(SAVED.to_owned(), counter)]);
    let (values, up, started) = (BTreeMap::new(), None, None);
    let settings = Settings { counters, values, up, started, ..settings(&server) };
    let mut reads = tokio::task::JoinSet::new();
    for at in 0..TARGETS {
        let (name, settings) = (TargetName::parse(&format!("t{at}")).unwrap(), settings.clone());
        reads.spawn(async move { (at, read_for(&name, settings, 1, None).await) });
    }
    for (at, read) in reads.join_all().await {
        assert_eq!(read.unwrap()[0].counters[SAVED], u64::try_from(at).unwrap() * 45, "t{at}");
    }
}

/// TE-5: of an instance that comes within the window all is counted from its start, of one that only was not seen before nothing
/// that was before.
#[tokio::test]
async fn an_instance_that_comes_counts_from_its_start() {
    let mut samples = Samples::default();
    let until = TEN + 120;
    samples.add("gauge", "up{job=\"shop\",instance=\"a\"}", scrapes(TEN - 300, until, |_| 1.0));
    samples.more("up{job=\"shop\",instance=\"b\"}", scrapes(TEN + 15, until, |_| 1.0));
    samples.more("up{job=\"shop\",instance=\"old\"}", scrapes(TEN + 15, until, |_| 1.0));
    samples.add("counter", "saves_total{job=\"shop\",instance=\"a\"}", scrapes(TEN - 300, until, |_| 5.0));
    samples.more(
        "saves_total{job=\"shop\",instance=\"b\"}",
        scrapes(TEN + 15, until, |second| (second - TEN - 10) as f64),
    );
    samples.more(
        "saves_total{job=\"shop\",instance=\"old\"}",
        scrapes(TEN + 15, until, |second| (second - TEN + 9000) as f64),
    );
    let began = |second: i64| move |_| second as f64;
    let started = "process_start_time_seconds{job=\"shop\",instance=";
    samples.add("gauge", &format!("{started}\"b\"}}"), scrapes(TEN + 15, until, began(TEN + 10)));
    samples.more(&format!("{started}\"old\"}}"), scrapes(TEN + 15, until, began(TEN - 9000)));
    let server = Prometheus::with(samples).await.unwrap();
    let read = totals(&server, 1, None).await.unwrap();
    assert_eq!(read[0].counters["autosave.save.completed"], 50 + 45);
}

/// PH-8: errors of the seconds before a rollback that the first scrape after it shows are not the new stay's.
#[tokio::test]
async fn a_stay_is_not_charged_with_the_errors_of_the_one_before() {
    let mut samples = Samples::default();
    let until = TEN + 120;
    samples.add("gauge", "up{job=\"shop\",instance=\"a\"}", scrapes(TEN - 295, until, |_| 1.0));
    samples.add(
        "counter",
        "saves_total{job=\"shop\",instance=\"a\"}",
        scrapes(TEN - 295, until, |s| (s - TEN + 295) as f64),
    );
    // One a second until ten, when the phase before ends.
    let errors = |second: i64| (second.min(TEN) - TEN + 295) as f64;
    samples.add(
        "counter",
        "errors_total{job=\"shop\",instance=\"a\",reason=\"E\"}",
        scrapes(TEN - 295, until, errors),
    );
    let server = Prometheus::with(samples).await.unwrap();
    let counts = async |stay_begins| {
        let read = totals(&server, 2, stay_begins).await.unwrap();
        let of = |totals: &Totals| {
            ["autosave.save.completed", "autosave.save.error"].map(|it| totals.counters[it])
        };
        [of(&read[0]), of(&read[1])]
    };
    assert_eq!(counts(None).await, [[60, 10], [60, 0]]);
    assert_eq!(counts(Some(0)).await, [[45, 0], [60, 0]]);
}

/// CO-5: nothing up is an outage.
#[tokio::test]
async fn nothing_up_is_an_outage() {
    let mut samples = Samples::default();
    samples.add("gauge", "up{job=\"shop\",instance=\"a\"}", scrapes(TEN - 300, TEN + 60, |_| 1.0));
    samples.add("counter", "saves_total{job=\"shop\",instance=\"a\"}", scrapes(TEN - 300, TEN + 60, |_| 1.0));
    let server = Prometheus::with(samples).await.unwrap();
    assert_eq!(totals(&server, 1, None).await.unwrap().len(), 1);
    let error = totals(&server, 2, None).await.unwrap_err().to_string();
    assert!(error.contains("nothing of `up{job=\"shop\"}` was up"), "{error}");
}

const SAVED: &str = "autosave.save.completed";

/// Only saves, by a histogram.
fn timed(server: &Prometheus, histogram: &str) -> Settings {
    let (histogram, unit) = (histogram.to_owned(), Unit::Seconds);
    let durations = Durations { histogram, unit, absent_is_zero: false };
    let distributions = BTreeMap::from([(SAVED.to_owned(), durations)]);
    let (up, started) = (None, None);
    let (counters, values) = (BTreeMap::new(), BTreeMap::new());
    Settings { up, started, counters, distributions, values, ..settings(server) }
}

/// What is said of the latency of the first minute in a phase.
fn judged(totals: &Totals, phase: &str) -> MetricVerdict {
    let policy = shipped();
    let start = Timestamp::from_millis(TEN * 1000);
    let head = BatchHead {
        target: target(),
        phase: PhaseId::parse(phase).unwrap(),
        epoch: 1,
        window: Window { start, end: start.plus(Duration::from_secs(60)) },
        next_window: None,
        attempts: 1,
        source: "prometheus",
        collected_at: start.plus(Duration::from_secs(90)),
        paused: Duration::ZERO,
        policy_version: None,
    };
    let batch = totals.clone().into_batch(head, &event_specs(&policy).unwrap());
    let window = batch.window;
    let checked = CheckedBatch::check(batch, &policy).unwrap();
    let phase = checked.phase_policy(&policy).unwrap();
    let observed = observe_batch(&checked, &[], &policy, phase);
    judge(&observed, window, None, &policy, phase).metrics.remove(0)
}

fn buckets(totals: &Totals) -> String {
    serde_json::to_string(&totals.buckets[SAVED]).unwrap()
}

const RESOLUTION: Option<InsufficientReason> = Some(InsufficientReason::Resolution);

/// TE-5, JU-1: a classic histogram is counted to the event, bucket by bucket, over a restart; its verdict is certain where the
/// limit is a bound, and none where it lies between bounds.
#[tokio::test]
async fn a_classic_histogram_is_judged_where_its_bounds_make_it_certain() {
    let mut samples = Samples::default();
    // So many a second; begins anew 20 s after ten.
    let restarted = |rate: i64| {
        move |second: i64| {
            (rate * if second < TEN + 20 { second - TEN + 300 } else { second - TEN - 20 }) as f64
        }
    };
    for (name, bounds) in [
        ("fine_seconds", [("1.0", 45), ("2.5", 49), ("+Inf", 50)]),
        ("coarse_seconds", [("1", 45), ("5", 49), ("+Inf", 50)]),
    ] {
        for (le, rate) in bounds {
            let series = format!("{name}_bucket{{job=\"shop\",instance=\"a\",le=\"{le}\"}}");
            let scraped = scrapes(TEN - 300, TEN + 120, restarted(rate));
            if rate == 45 {
                samples.add("histogram", &series, scraped);
            } else {
                samples.more(&series, scraped);
            }
        }
    }
    let server = Prometheus::with(samples).await.unwrap();
    let fine = read(timed(&server, "fine_seconds"), 1, None).await.unwrap().remove(0);
    // Between the scrapes at 15 s and 30 s the 5 s before the restart were never seen by anybody.
    assert_eq!(fine.counters[SAVED], 50 * 55);
    assert_eq!(buckets(&fine), "[[0.0,1000.0,2475],[1000.0,2500.0,220],[2500.0,null,55]]");
    let certain = judged(&fine, "A");
    assert_eq!((certain.threshold, certain.verdict, certain.reason), (2.5, Verdict::Warn, None));
    let coarse = read(timed(&server, "coarse_seconds{job=\"shop\"}"), 1, None).await.unwrap().remove(0);
    assert_eq!(buckets(&coarse), "[[0.0,1000.0,2475],[1000.0,5000.0,220],[5000.0,null,55]]");
    let unsure = judged(&coarse, "A");
    assert_eq!((unsure.verdict, unsure.reason), (Verdict::Insufficient, RESOLUTION));
    assert_eq!(unsure.between, Some(Between { lower: 1.0, upper: Some(5.0) }));
    let error = read(timed(&server, "none_seconds"), 1, None).await.unwrap_err().to_string();
    assert!(error.contains("no sample of `none_seconds`"), "{error}");
}

/// TE-5, JU-1: a native histogram likewise.
#[tokio::test]
async fn a_native_histogram_is_judged_where_its_bounds_make_it_certain() {
    let server = Prometheus::receiving().await.unwrap();
    // Of each scrape's 200, a fifth took 2 to 4 s; begins anew between 30 s and 45 s after ten.
    let sample = |(scrape, times): (i64, i64)| {
        let counts = vec![160 * times, 40 * times];
        Native { second: TEN + SCRAPE * scrape, first: 1, counts }
    };
    let samples = [(-1, 1), (0, 2), (1, 3), (2, 4), (3, 1), (4, 2)].map(sample);
    let labels = [("__name__", "save_seconds"), ("instance", "a"), ("job", "shop")];
    server.write(&labels, &samples).await.unwrap();
    let read = read(timed(&server, "save_seconds{job=\"shop\"}"), 1, None).await.unwrap().remove(0);
    assert_eq!(read.counters[SAVED], 800);
    assert_eq!(buckets(&read), "[[1000.0,2000.0,640],[2000.0,4000.0,160]]");
    let unsure = judged(&read, "A");
    assert_eq!((unsure.threshold, unsure.verdict, unsure.reason), (2.5, Verdict::Insufficient, RESOLUTION));
    let certain = judged(&read, "B");
    assert_eq!((certain.threshold, certain.verdict, certain.reason), (2.0, Verdict::Violation, None));
}
