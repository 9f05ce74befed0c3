//! The published vectors of the judgement: another implementation made them.

use super::*;

/// Levels are rounded to 1e-9 after each window.
const CLOSE: f64 = 1e-8;

/// A metric's windows, one after the other.
#[derive(Default)]
struct Stay {
    detector: Detector,
    neighbours: Neighbours,
    sessions: Vec<(u64, u64)>,
    last: Option<Counts>,
    design_effect: f64,
}

impl Stay {
    fn take(&mut self, (bad, attempts, squares): Row, limit: Limit) {
        let counts = Counts { bad, attempts };
        if attempts == 0 {
            return;
        }
        self.design_effect = match squares {
            Some(squares) => {
                self.sessions.push((bad, squares));
                of_sessions(&self.sessions)
            }
            None => of_neighbours(self.neighbours.sums()),
        };
        if let Some(last) = self.last.replace(counts) {
            self.neighbours.take(last, counts);
        }
        self.detector = self.detector.after(counts, self.design_effect, limit, SHIPPED);
    }
}

const SHIPPED: Settings = Settings { certainty: 1000.0, spread: 0.15 };

fn close(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{found}, not {expected}");
}

/// One window: bad, attempts, sum of squares.
type Row = (u64, u64, Option<u64>);

/// Every error of another session.
const fn single(bad: u64, attempts: u64) -> Row {
    (bad, attempts, Some(bad))
}

fn check(limit: Limit, rows: &[Row], expected: &[f64]) -> Vec<f64> {
    let mut stay = Stay::default();
    let mut designs = vec![];
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in std::iter::zip(rows, expected) {
        stay.take(*row, limit);
        close(stay.detector.evidence().unwrap(), *expected, CLOSE);
        designs.push(stay.design_effect);
    }
    designs
}

fn share(percent: f64) -> Limit {
    Limit::Share(Share::of(percent, 2).unwrap())
}

fn floor(percent: f64) -> Limit {
    Limit::Share(Share::of(percent, 2).unwrap().rest().unwrap())
}

/// JU-9, JU-11: exact odds.
#[test]
fn binomial_tails() {
    for (bad, attempts, p, expected) in [
        (1, 50, 0.01, 0.394_993_932_862_5),
        (2, 100, 0.01, 0.264_238_021_077_0),
        (7, 100, 0.01, 7.108_366_137_124e-5),
        (16, 500, 0.01, 6.145_856_581_592e-5),
        (25, 1000, 0.01, 4.202_920_844_836e-5),
        (13, 129, 0.05, 0.012_820_553_915_16),
        (1, 86, 0.003, 0.227_704_303_505_3),
        (51, 53, 0.964, 0.702_051_633_265_3),
    ] {
        let found = at_least(bad, attempts, p);
        assert!((found / expected - 1.0).abs() < 1e-9, "{bad} of {attempts} at {p}: {found}, not {expected}");
    }
    close(at_least(0, 0, 0.5), 1.0, 0.0);
    close(at_least(1, 0, 0.5), 0.0, 0.0);
    close(at_least(1, 10, 0.0), 0.0, 0.0);
    close(at_least(10, 10, 1.0), 1.0, 0.0);
}

/// JU-2: windows in a row.
#[test]
fn evidence_of_windows() {
    let rows = [single(0, 100), single(3, 100), single(3, 100), single(3, 100), single(0, 0), single(1, 100)];
    let expected = [
        -0.896_198_225_154,
        0.981_971_002_413,
        2.105_028_526_5,
        3.145_269_909_89,
        3.145_269_909_89,
        2.645_258_150_32,
    ];
    check(share(1.0), &rows, &expected);
    check(share(1.0), &[single(30, 1000)], &[8.022_205_156_53]);
    check(share(1.0), &[single(6, 50)], &[7.279_060_539_82]);
    check(share(1.0), &[single(7, 100)], &[5.764_938_408_73]);
    check(share(1.0), &[single(8, 100)], &[7.537_116_660_36]);
    check(share(1.0), &[single(49, 49)], &[13.487_712_190_6]);
    check(share(1.0), &[single(3, 3), single(3, 3)], &[4.856_542_228_05, 11.319_350_712_6]);
    check(share(0.3), &[single(2, 2), single(2, 2)], &[2.972_415_370_61, 7.241_001_461_41]);
    let rows = [single(14, 100), single(14, 100), single(5, 100)];
    check(share(5.0), &rows, &[3.343_165_373_15, 7.627_454_113_56, 5.343_706_758_99]);
    let rows = [8, 12, 12, 14, 13].map(|bad| single(bad, 2600));
    let expected =
        [-0.980_533_311_22, 0.518_721_470_57, 1.391_036_197_84, 2.759_899_434_79, 3.769_634_471_56];
    check(share(0.3), &rows, &expected);
}

/// JU-1, JU-2: shares above a fifth, floors, and rates that may exceed 1.
#[test]
fn evidence_of_other_limits() {
    check(share(50.0), &[single(70, 100); 2], &[1.633_344_152_67, 3.879_619_238_41]);
    let expected = [0.120_257_816_579, 0.877_324_597_264, 1.349_360_870_52];
    check(floor(8.0), &[single(99, 100); 3], &expected);
    let expected = [-1.245_151_130_81, 4.685_648_704_57];
    check(floor(99.9), &[single(0, 2000), single(9, 2000)], &expected);
    let rate = Limit::Rate(Share::of(1.5, 0).unwrap());
    check(rate, &[single(300, 100)], &[9.268_010_159_02]);
}

/// JU-14: the design effect, of sessions and of neighbours.
#[test]
fn evidence_of_bunches() {
    let rows = [(6, 300, Some(12)), (9, 300, Some(35)), (9, 300, Some(9))];
    let designs = check(share(1.0), &rows, &[0.110_350_367_996, 1.533_549_019_64, 2.937_959_717_04]);
    for (found, expected) in std::iter::zip(designs, [1.75, 2.882_352_941_176, 2.230_769_230_769]) {
        close(found, expected, 1e-9);
    }
    let rows = [14, 14, 5, 20, 9].map(|bad| (bad, 100, None));
    let expected = [3.343_165_373_15, 7.627_454_113_56, 5.343_706_758_99, 12.338_559_998_6, 12.568_951_418_3];
    let designs = check(share(5.0), &rows, &expected);
    for (found, expected) in std::iter::zip(designs, [1.0, 1.0, 1.0, 1.226_32, 1.933_01]) {
        close(found, expected, 1e-5);
    }
}

/// JU-14: the seventeen windows that are looked at move on.
#[test]
fn evidence_of_a_long_stay() {
    let rows = [
        (1, 1),
        (0, 0),
        (1, 1),
        (3, 5),
        (2, 4),
        (3, 5),
        (0, 0),
        (2, 4),
        (3, 9),
        (0, 0),
        (0, 0),
        (5, 9),
        (1, 1),
        (4, 10),
        (9, 19),
        (1, 1),
        (5, 11),
        (2, 4),
        (3, 9),
        (0, 0),
        (6, 14),
        (2, 4),
        (1, 1),
        (0, 0),
        (2, 2),
        (7, 19),
        (1, 1),
        (3, 9),
        (4, 8),
        (0, 0),
        (0, 0),
        (2, 2),
        (2, 4),
        (6, 18),
        (1, 1),
        (1, 1),
        (10, 30),
        (2, 4),
        (7, 19),
        (2, 4),
    ];
    let mut stay = Stay::default();
    for (bad, squares) in rows {
        stay.take((bad, 600, Some(squares)), share(0.5));
    }
    close(stay.detector.evidence().unwrap(), 2.430_551_860_050, 1e-7);
    close(stay.design_effect, 2.384_615_384_615, 1e-9);
}

/// JU-9b: windows in a row.
#[test]
fn relative_evidence() {
    let mut detector = RelativeDetector::default();
    for ((k, n), (k_control, n_control), expected) in [
        ((3, 100), (1, 100), 0.178_242_748_693),
        ((0, 100), (0, 100), 0.178_242_748_693),
        ((30, 600), (5, 600), 7.127_055_911_35),
        ((5, 0), (1, 100), 7.127_055_911_35),
        ((4, 600), (4, 600), 5.082_394_085_76),
    ] {
        let counts = |bad, attempts| Counts { bad, attempts };
        detector.take(counts(k, n), counts(k_control, n_control));
        close(detector.evidence().unwrap(), expected, CLOSE);
    }
}

/// JU-12: what is kept is what goes on; a detector reads back as it was written, also from the levels of a decision.
#[test]
fn a_stored_detector_goes_on() {
    let mut stay = Stay::default();
    for row in [(3, 200, Some(3)), (5, 200, None), (2, 200, None)] {
        stay.take(row, share(1.0));
    }
    let text = serde_json::to_string(&stay.detector).unwrap();
    assert_eq!(serde_json::from_str::<Detector>(&text).unwrap(), stay.detector);
    assert_eq!(Detector::resume(&stay.detector.levels()), stay.detector);
    assert_eq!(serde_json::to_string(&Detector::default()).unwrap().matches("null").count(), 7);
    assert_eq!(Detector::resume(&[]), Detector::default());
}

/// JU-9b, JU-12: relative evidence goes on from the levels of a decision.
#[test]
fn relative_evidence_goes_on() {
    let counts = |bad, attempts| Counts { bad, attempts };
    let mut detector = RelativeDetector::default();
    detector.take(counts(30, 600), counts(5, 600));
    assert_eq!(RelativeDetector::resume(&detector.levels()), detector);
    assert_eq!(RelativeDetector::resume(&[]), RelativeDetector::default());
}

/// JU-9a: tails of rates, as sums of the terms have them.
#[test]
fn tails_of_rates() {
    close(at_least_of_rate(3, 1.0), 0.080_301_397_071_394, 1e-12);
    close(at_least_of_rate(12, 20.0), 0.978_613_178_412_7, 1e-12);
    close(at_least_of_rate(0, 3.0), 1.0, 0.0);
    close(at_least_of_rate(1, 0.0), 0.0, 0.0);
}

/// JU-14: a replay that knows pairs by their sum alone goes on from it, and forgets them first.
#[test]
fn neighbours_go_on_from_sums() {
    let counts = |bad| Counts { bad, attempts: 100 };
    let mut whole = Neighbours::default();
    let mut resumed = None;
    for n in 0..200_u64 {
        if n == 150 {
            resumed = Some(Neighbours::resume(whole.sums()));
        }
        for it in std::iter::once(&mut whole).chain(&mut resumed) {
            it.take(counts(n % 7 + 1), counts((n + 1) % 7 + 1));
        }
    }
    let (whole, resumed) = (whole.sums(), resumed.unwrap().sums());
    assert_eq!((whole.pairs, resumed.pairs), (96, 96));
    close(resumed.differences, whole.differences, 0.05 * whole.differences);
}
