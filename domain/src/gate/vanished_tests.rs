//! Which events are missed, and from when on (TE-6).

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Poisson};

use super::super::fixture::window;
use super::*;

const TOLERATED: u64 = 3;

/// The numbers of the windows from which on the event was missed; a row is how often it came, and how often the others.
fn missed(rows: impl IntoIterator<Item = (u64, u64)>) -> Vec<u32> {
    let (mut known, mut found) = (vec![], vec![]);
    for (n, (came, others)) in (0..).zip(rows) {
        let seen = [EventSeen { event: "e".into(), came, others }];
        let (next, vanished) = after(&known, &seen, window(n), TOLERATED);
        found.extend(vanished.iter().map(|_| n));
        known = next;
    }
    found
}

fn rows(parts: &[(usize, (u64, u64))]) -> Vec<(u64, u64)> {
    parts.iter().flat_map(|(windows, row)| std::iter::repeat_n(*row, *windows)).collect()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a Poisson is a count")]
fn drawn(mean: f64, rng: &mut SmallRng) -> u64 {
    Poisson::new(mean).unwrap().sample(rng) as u64
}

/// TE-6: what came in every window is missed after as many without it as are tolerated, once; when it came again, once more.
#[test]
fn what_came_regularly_is_missed_once() {
    assert_eq!(missed(rows(&[(10, (10, 1000)), (20, (0, 1000))])), [12]);
    assert_eq!(missed(rows(&[(10, (10, 1000)), (4, (0, 1000)), (1, (10, 1000)), (2, (0, 1000))])), [12]);
    let again = [(20, (10, 1000)), (4, (0, 1000)), (20, (10, 1000)), (9, (0, 1000))];
    let found = missed(rows(&again));
    assert_eq!((found.len(), found[0]), (2, 22), "{found:?}");
    assert!(missed(rows(&[(30, (0, 1000))])).is_empty(), "what never came is not missed");
    assert!(missed(rows(&[(7, (10, 1000)), (30, (0, 1000))])).is_empty(), "nobody knows what is regular");
}

/// TE-6: only windows with traffic count, and at night there has to be enough of it.
#[test]
fn a_quiet_night_misses_nothing() {
    assert!(missed(rows(&[(10, (10, 1000)), (50, (0, 0))])).is_empty());
    let night = [(10, (10, 1000)), (20, (0, 5)), (1, (10, 1000)), (20, (0, 5))];
    assert!(missed(rows(&night)).is_empty());
    assert_eq!(missed(rows(&[(10, (10, 1000)), (20, (0, 5)), (3, (0, 1000))])), [31]);
}

/// TE-6: an error that comes rarely is no error that is missed, however long it stays away; nor one that came in a burst.
#[test]
fn a_rare_error_is_never_missed() {
    let mut rng = SmallRng::seed_from_u64(6);
    for rate in [0.01, 0.3, 1.0, 3.0] {
        for _ in 0..40 {
            let mut windows: Vec<_> = (0..300).map(|_| (drawn(rate, &mut rng), 1000)).collect();
            windows.extend(rows(&[(3000, (0, 1000))]));
            assert!(missed(windows).is_empty(), "{rate}");
        }
    }
    for at in [0, 5, 40] {
        let burst = [(at, (0, 1000)), (2, (400, 1000)), (500, (0, 1000)), (1, (300, 1000)), (500, (0, 1000))];
        assert!(missed(rows(&burst)).is_empty());
    }
}

/// TE-6: an event whose rate only wanders, by day and by night, is not missed while it still comes.
#[test]
fn what_comes_is_not_missed() {
    let mut rng = SmallRng::seed_from_u64(7);
    for mean in [0.5, 2.0, 6.0, 12.0] {
        let mut found = 0;
        for _ in 0..300 {
            let windows = (0..480).map(|n| {
                let (busy, others) = if n % 96 < 48 { (1.0, 1000) } else { (0.05, 50) };
                let wanders = rng.random_range(0.5..1.5);
                (drawn(mean * busy * wanders, &mut rng), others)
            });
            found += missed(windows.collect::<Vec<_>>()).len();
        }
        assert_eq!(found, 0, "{mean}");
    }
}

/// TE-6: most of the traffic is missed by what is left of it.
#[test]
fn what_is_most_of_the_traffic_is_missed_too() {
    let found = missed(rows(&[(20, (990, 10)), (10, (0, 10))]));
    assert_eq!(found, [22]);
}
