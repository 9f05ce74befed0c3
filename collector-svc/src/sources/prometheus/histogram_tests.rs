use std::time::Duration;

use super::super::count::HistogramSample;
use super::*;

const START_S: f64 = 1_795_341_600.0;

fn window() -> Window {
    let start = Timestamp::from_millis(1_795_341_600_000);
    Window { start, end: start.plus(Duration::from_secs(60)) }
}

fn labels(le: Option<&str>) -> Labels {
    let labels = [("__name__", "save_seconds"), ("job", "shop"), ("instance", "a:80")];
    let labels = labels.into_iter().chain(le.map(|le| ("le", le)));
    labels.map(|(label, value)| (label.to_owned(), value.to_owned())).collect()
}

fn series(le: Option<&str>) -> Series {
    Series { metric: labels(le), values: Vec::new(), histograms: Vec::new() }
}

/// Series by `le`, of scrapes that say how many are up to each.
fn classic<const N: usize>(les: [&str; N], scrapes: &[(i32, [u32; N])]) -> Vec<Series> {
    let of = |(at, le): (usize, &str)| {
        let sample =
            |(second, counts): &(i32, [u32; N])| Sample(START_S + f64::from(*second), counts[at].to_string());
        Series { values: scrapes.iter().map(sample).collect(), ..series(Some(le)) }
    };
    les.into_iter().enumerate().map(of).collect()
}

type Scraped<'a> = (i32, &'a [(u8, &'a str, &'a str, &'a str)]);

/// A series of native samples, with one in each that is no number and in no bucket.
fn native(scrapes: &[Scraped<'_>]) -> Vec<Series> {
    let sample = |(second, buckets): &Scraped<'_>| {
        let all: u32 = buckets.iter().map(|(.., count)| count.parse::<u32>().unwrap()).sum();
        let text = |text: &str| text.to_owned();
        let bucket = |(rule, lower, upper, count): &(u8, &str, &str, &str)| {
            (*rule, text(lower), text(upper), text(count))
        };
        let buckets = buckets.iter().map(bucket).collect();
        HistogramSample(
            START_S + f64::from(*second),
            Native { count: (all + 1).to_string(), buckets, sum: None },
        )
    };
    vec![Series { histograms: scrapes.iter().map(sample).collect(), ..series(None) }]
}

/// The count, and the buckets in which something is; or what is wrong.
type Expected<'a> = Result<(f64, &'a [(f64, f64, f64)]), &'a str>;

#[track_caller]
fn grows(classic: &[Series], native: &[Series], known: bool, expected: Expected<'_>) {
    let known = if known { BTreeSet::from([instance(&labels(None))]) } else { BTreeSet::new() };
    let grown = histograms(classic, native).and_then(|all| {
        assert_eq!(all.len(), 1, "one histogram, in whatever form");
        all[0].growth(window(), &known)
    });
    match (grown, expected) {
        (Ok(grown), Ok((count, buckets))) => {
            let counted = grown.buckets.iter().filter(|it| it.count > 0.0);
            let found: Vec<_> = counted.map(|it| (it.lower, it.upper, it.count)).collect();
            assert_eq!((grown.count, found.as_slice()), (count, buckets));
        }
        (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
        (grown, expected) => panic!("{grown:?}, not {expected:?}"),
    }
}

/// TE-5, SLO-2: buckets grow as counters do, over a restart that only some of them show and from the birth of an instance; `le` is
/// a number, however it is written.
#[test]
fn each_bucket_of_a_classic_histogram_is_counted_to_the_event() {
    let les = ["0.5", "1.0", "+Inf"];
    let saves = classic(les, &[(-10, [10, 20, 30]), (20, [15, 30, 45]), (70, [99, 99, 99])]);
    grows(&saves, &[], false, Ok((15.0, &[(0.0, 0.5, 5.0), (0.5, 1.0, 5.0), (1.0, f64::INFINITY, 5.0)])));
    // It has begun anew, though more are in its first bucket than were.
    let restarted = classic(les, &[(-10, [1, 20, 30]), (20, [6, 6, 8])]);
    grows(&restarted, &[], false, Ok((8.0, &[(0.0, 0.5, 6.0), (1.0, f64::INFINITY, 2.0)])));
    // And though more are in it than were.
    let restarted = classic(les, &[(-10, [1, 3, 4]), (20, [6, 6, 8])]);
    grows(&restarted, &[], false, Ok((8.0, &[(0.0, 0.5, 6.0), (1.0, f64::INFINITY, 2.0)])));
    let born = classic(les, &[(20, [1, 1, 1]), (40, [1, 3, 3])]);
    grows(&born, &[], true, Ok((3.0, &[(0.0, 0.5, 1.0), (0.5, 1.0, 2.0)])));
    grows(&born, &[], false, Ok((2.0, &[(0.5, 1.0, 2.0)])));
    grows(&classic(["0", "+Inf"], &[(20, [2, 2])]), &[], true, Ok((2.0, &[(0.0, 0.0, 2.0)])));
}

/// TE-5: of a native histogram the same; a client that joins its buckets loses nothing, and what is no number is in none.
#[test]
fn each_bucket_of_a_native_histogram_is_counted_to_the_event() {
    let saves = [
        (-10, &[(3, "-0.1", "0.1", "1"), (0, "1", "2", "4")][..]),
        (20, &[(3, "-0.1", "0.1", "1"), (0, "1", "2", "6"), (0, "2", "4", "1")]),
        (40, &[(3, "-0.1", "0.1", "1"), (0, "1", "4", "9")]),
    ];
    let joined = [(1.0, 2.0, 2.0), (1.0, 4.0, 2.0), (2.0, 4.0, 1.0)];
    grows(&[], &native(&saves), false, Ok((5.0, &joined)));
    let restarted = [(-10, &[(0, "1", "2", "9")][..]), (20, &[(0, "0.5", "1", "2")])];
    grows(&[], &native(&restarted), false, Ok((3.0, &[(0.5, 1.0, 2.0)])));
    let others = [(-10, &[(0, "1", "4", "2")][..]), (20, &[(0, "1", "2", "9")])];
    grows(&[], &native(&others), false, Err("its buckets are others"));
}

/// What is scraped in both forms is counted once.
#[test]
fn of_both_forms_the_native_one_counts() {
    let native = native(&[(-10, &[(0, "1", "2", "4")]), (20, &[(0, "1", "2", "6")])]);
    let classic = classic(["5", "+Inf"], &[(-10, [4, 5]), (20, [6, 7])]);
    grows(&classic, &native, false, Ok((2.0, &[(1.0, 2.0, 2.0)])));
}

/// What is no histogram of durations is told, and never a zero.
#[test]
fn what_is_no_histogram_is_refused() {
    grows(&classic(["1", "2"], &[(20, [1, 2])]), &[], true, Err("no bucket `+Inf`"));
    grows(&classic(["1", "+Inf"], &[(20, [2, 1])]), &[], true, Err("holds less"));
    grows(&classic(["x", "+Inf"], &[(20, [1, 1])]), &[], true, Err("a bucket is no count: le x"));
    grows(&classic(["-1", "+Inf"], &[(20, [1, 1])]), &[], true, Err("durations below 0"));
    grows(&[], &native(&[(20, &[(1, "-2", "-1", "1")])]), true, Err("durations below 0"));
    let counter = Series { values: vec![Sample(START_S + 20.0, "5".to_owned())], ..series(None) };
    grows(&[], std::slice::from_ref(&counter), true, Err("a series is no histogram"));
    grows(&[counter], &[], true, Err("no label `le`"));
}
