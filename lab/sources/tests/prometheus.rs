//! The source of Prometheus on Prometheus itself.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use collector_svc::sources::{Asked, AskedWindow, Contribution, Cursor, Opening, SHIPPED, SourceError, open};
use domain::kinds::Chosen;
use domain::policy::Policy;
use domain::sources::prometheus::{Counter, Prometheus as Settings};
use domain::telemetry::event_specs;
use domain::telemetry::totals::Totals;
use phasegate_sources::prometheus::{Prometheus, Samples};
use shared_types::{Timestamp, Window};

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

/// The totals of windows of a minute from ten on, as the source reads them; a stay may begin with one of them.
async fn totals(
    server: &Prometheus,
    minutes: i64,
    stay_begins: Option<i64>,
) -> Result<Vec<Totals>, SourceError> {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../governance/policy.yaml");
    let policy = Policy::load(std::path::Path::new(policy)).unwrap();
    let mut policy = policy.targets.into_values().next().unwrap();
    policy.collection.source = Chosen(Arc::new(Settings {
        url: server.url.clone(),
        headers: BTreeMap::new(),
        auth: None,
        settle: Duration::from_secs(30),
        lookback: Duration::from_secs(300),
        up: Some("up{job=\"shop\"}".to_owned()),
        started: Some("process_start_time_seconds".to_owned()),
        counters: BTreeMap::from([
            ("autosave.save.completed".to_owned(), count_of("saves_total", false)),
            ("autosave.save.error".to_owned(), count_of("errors_total{job=\"shop\"}", true)),
        ]),
        values: BTreeMap::from([(
            "saved".to_owned(),
            "sum(max_over_time(saves_total[{window}]))".to_owned(),
        )]),
    }));
    let specs = Arc::new(event_specs(&policy).unwrap());
    let mut source = open(&SHIPPED, &Opening { policy: &policy, specs: &specs, threads: 1 }).unwrap();
    let minute = |at: i64| Timestamp::from_millis((TEN + 60 * at) * 1000);
    let windows = (0..minutes).map(|at| AskedWindow {
        window: Window { start: minute(at), end: minute(at + 1) },
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

/// TE-5: what the samples show is what is counted, over a restart and an error that was never there before; `increase()` of the
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
    assert!(!read[1].breakdowns.contains_key("autosave.save.error"));
    let increase =
        async |series: &str| server.value(&format!("increase({series}[1m])"), Some(TEN + 60)).await.unwrap();
    let (saves, errors) = (increase("saves_total").await, increase("errors_total").await);
    println!(
        "first minute: saves 55 counted, {saves:.2} by increase(); errors 9 counted, {errors:.2} by increase()"
    );
    assert!(errors < 8.0, "{errors}");
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
