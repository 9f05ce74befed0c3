//! What every kind of source keeps: the same cursor gives the same again, a cursor that moved on gives nothing twice, `caught_up`
//! is true, and pieces are bounded. A kind that needs a server of others is tried with it, in `lab/sources`.

use std::sync::Arc;

use collector_svc::sources::{Asked, AskedWindow, Contribution, Cursor, Input, Source, WindowTotals};
use shared_types::{PhaseId, Timestamp, Window};

/// A place that a source reads, with somebody who writes there.
pub(crate) trait Trial {
    /// So many saves more, each its own.
    fn write(&mut self, saves: u64);
    /// A source that knows nothing but its settings.
    fn opened(&self) -> Box<dyn Source>;
    /// The windows that are open.
    fn windows(&self) -> Vec<Window> {
        vec![Window { start: at("10:00:00"), end: at("10:15:00") }]
    }
    /// Whether an uncommitted read is asked for again by its cursor, and not handed back by `take_back`.
    fn reads_again(&self) -> bool {
        true
    }
}

/// Reads with a cursor that only a commit moves.
pub(crate) struct Reading {
    source: Box<dyn Source>,
    cursor: Arc<Cursor>,
}

impl Reading {
    fn of(trial: &dyn Trial) -> Self {
        Self { source: trial.opened(), cursor: Arc::default() }
    }

    async fn read(&mut self, trial: &dyn Trial) -> Input {
        let asked = Asked {
            cursor: Arc::clone(&self.cursor),
            now: at("10:16:00"),
            windows: asked_for(trial.windows()),
        };
        self.source.read(&asked).await.unwrap()
    }

    fn commit(&mut self, input: &Input) {
        let moved = input.moved.iter().map(|moved| (moved.place.clone(), moved.cursor.clone()));
        Arc::make_mut(&mut self.cursor).extend(moved);
    }

    /// Saves of all pieces up to the end, each committed.
    async fn read_all(&mut self, trial: &dyn Trial) -> u64 {
        let mut saves = 0;
        for _ in 0..1000 {
            let input = self.read(trial).await;
            self.commit(&input);
            saves += counted(&input);
            if input.caught_up {
                return saves;
            }
        }
        panic!("{}: never caught up", self.source.kind());
    }
}

fn counted(input: &Input) -> u64 {
    let count = |it: &Contribution| match it {
        Contribution::Records(part) => part.records.events.len() as u64,
        Contribution::Totals(WindowTotals { totals, .. }) => {
            let given = totals.values.values().map(|value| value.to_string().parse::<u64>().unwrap());
            totals.counters.values().copied().chain(given).sum()
        }
        Contribution::Delivery(delivery) => delivery.readings.len() as u64,
        Contribution::Lost(_) => 0,
    };
    input.contributions.iter().map(count).sum()
}

fn asked_for(windows: Vec<Window>) -> Vec<AskedWindow> {
    let phase = PhaseId::parse("A").unwrap();
    let asked = |window| AskedWindow { window, phase: phase.clone(), begins_stay: false };
    windows.into_iter().map(asked).collect()
}

fn at(time: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-11-22T{time}Z")).unwrap()
}

/// TE-5: replayed from what was committed, each record comes once, whatever else was read in between.
pub(crate) async fn a_cursor_gives_each_record_once(key: &str, trial: &mut dyn Trial) {
    let mut reading = Reading::of(trial);
    // What is pushed comes through one queue, whatever the target's source.
    assert!(reading.source.kind() == key || !trial.reads_again(), "{key}");
    assert_eq!(reading.read_all(trial).await, 0, "{key}");
    for saves in [3, 1, 0, 40] {
        trial.write(saves);
        assert_eq!(reading.read_all(trial).await, saves, "{key}");
        assert_eq!(reading.read_all(trial).await, 0, "{key}");
        // A restart: only what was committed is known.
        reading.source = trial.opened();
        assert_eq!(reading.read_all(trial).await, 0, "{key}");
    }
}

/// TE-5: what was read and not committed is read again, by the same process and by the next.
pub(crate) async fn a_crash_between_read_and_commit_reads_again(key: &str, trial: &mut dyn Trial) {
    let mut reading = Reading::of(trial);
    trial.write(5);
    let lost = reading.read(trial).await;
    assert_eq!(counted(&lost), 5, "{key}");
    if trial.reads_again() {
        let again = reading.read(trial).await;
        assert_eq!((counted(&again), &again.moved), (5, &lost.moved), "{key}");
        reading.source = trial.opened();
    } else {
        reading.source.take_back(lost.contributions);
    }
    assert_eq!(reading.read_all(trial).await, 5, "{key}");
    assert_eq!(reading.read_all(trial).await, 0, "{key}");
}

/// One read is bounded, and says that there is more exactly when there is.
pub(crate) async fn pieces_are_bounded_and_caught_up_is_true(key: &str, trial: &mut dyn Trial) {
    let mut reading = Reading::of(trial);
    let (mut written, mut read, mut pieces, mut gave_records) = (0, 0, 0, false);
    for _ in 0..6 {
        trial.write(30_000);
        written += 30_000;
    }
    loop {
        let input = reading.read(trial).await;
        reading.commit(&input);
        read += counted(&input);
        pieces += 1;
        let records = input.contributions.iter().any(|it| matches!(it, Contribution::Records(_)));
        gave_records |= records;
        assert!(!records || counted(&input) <= 120_000, "{key}: {} at once", counted(&input));
        assert_eq!(input.caught_up, read == written, "{key}: {read} of {written}");
        if input.caught_up {
            break;
        }
    }
    assert!(pieces > 1 || !gave_records, "{key}: all in one piece");
}
