//! What holds for any telemetry: neither order nor repetition changes what is counted, and every event is counted in
//! the one window that holds its time, wherever a transition cuts.

use proptest::prelude::*;
use shared_types::PhaseId;

use super::*;
use crate::schedule::Change;
use events::EventSpec;

const START_MS: i64 = 1_795_341_600_000;
const WINDOW: Duration = Duration::from_secs(900);

fn specs() -> Arc<EventSpecs> {
    Arc::new(
        EventSpecs::new([EventSpec::timed("save", "ms"), EventSpec::failure("fail", &["save", "fail"])])
            .unwrap(),
    )
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(START_MS).plus(Duration::from_secs(second))
}

/// Windows of 15 min, cut by a change to 5 min at some second.
fn schedule(cut: u64) -> Schedule {
    let mut schedule = Schedule::initial(WINDOW);
    let change = Change {
        phase: PhaseId::parse("A").unwrap(),
        epoch: 1,
        cadence: Duration::from_secs(300),
        until: None,
        base_window: WINDOW,
    };
    schedule.change(&change, at(cut), at(0));
    schedule
}

/// The event of an id: an id always comes with the same event.
fn line(id: usize, second: u64) -> String {
    let ts = at(second);
    if id.is_multiple_of(4) {
        let code = id % 3;
        format!(
            "{{\"ts\":\"{ts}\",\"name\":\"fail\",\"event_id\":\"{id}\",\"code\":\"E{code}\",\"retryable\":true}}\n"
        )
    } else {
        format!("{{\"ts\":\"{ts}\",\"name\":\"save\",\"event_id\":\"{id}\",\"ms\":{id}}}\n")
    }
}

fn count(schedule: &Schedule, lines: impl Iterator<Item = String>) -> (Counts, BTreeMap<Timestamp, Totals>) {
    let mut intake = Intake::new(specs(), schedule.clone(), at(0), Timestamp::from_millis(0));
    let mut counts = Counts::default();
    let mut windows: BTreeMap<Timestamp, Totals> = BTreeMap::new();
    for line in lines {
        let records = Records::of_lines(line.as_bytes(), &specs());
        assert_eq!(intake.apply(&records, 0, at(3600), &mut counts), Applied::All);
        // Flushes between them change nothing either.
        if counts.accepted.is_multiple_of(7) {
            merge(&mut windows, intake.take_changes());
        }
    }
    merge(&mut windows, intake.take_changes());
    (counts, windows)
}

fn merge(windows: &mut BTreeMap<Timestamp, Totals>, changes: Vec<WindowChange>) {
    for change in changes {
        windows.entry(change.start).or_default().merge(&change.totals);
    }
}

fn without_intake(mut windows: BTreeMap<Timestamp, Totals>) -> BTreeMap<Timestamp, Totals> {
    windows.values_mut().for_each(|totals| totals.intake = IntakeCounts::default());
    windows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// TE-3, TE-4, CO-1: shuffled, repeated and flushed at any point, the same events give the same windows.
    #[test]
    fn order_and_repetition_change_nothing(
        seconds in prop::collection::vec(0..3600_u64, 1..40),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        cut in 0..3600_u64,
    ) {
        let schedule = schedule(cut);
        let whole = |id: usize| line(id, seconds[id]);
        let repeats = again.iter().map(|index| index.index(seconds.len()));
        let (once, expected) = count(&schedule, (0..seconds.len()).map(whole));
        let (often, windows) = count(&schedule, repeats.chain((0..seconds.len()).rev()).map(whole));
        prop_assert_eq!(once.accepted, u64::try_from(seconds.len()).unwrap());
        prop_assert_eq!((often.accepted, often.duplicates), (once.accepted, u64::try_from(again.len()).unwrap()));
        prop_assert_eq!(without_intake(windows), without_intake(expected));
    }

    /// TE-3: of each window exactly the events are counted whose time lies in it.
    #[test]
    fn every_event_is_counted_in_the_window_that_holds_its_time(
        seconds in prop::collection::vec(0..3600_u64, 1..40),
        cut in 0..3600_u64,
    ) {
        let schedule = schedule(cut);
        let (_, windows) = count(&schedule, seconds.iter().enumerate().map(|(id, second)| line(id, *second)));
        for (start, totals) in &windows {
            let window = schedule.at(*start).window;
            prop_assert_eq!(window.start, *start);
            let inside = seconds.iter().filter(|second| window.contains(at(**second))).count();
            prop_assert_eq!(totals.counters.values().sum::<u64>(), u64::try_from(inside).unwrap());
        }
    }
}
