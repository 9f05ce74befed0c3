//! What is sampled, and what of it grows.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::traffic::Traffic;
use crate::measure::{bounded, descriptors, processor_seconds, resident_mib};
use crate::tables;

const MIB: f64 = 1_048_576.0;
/// The share of a run that is left out: caches fill, and what is kept comes to its length.
const WARM_UP: f64 = 0.1;

/// Samples of which quarters say something.
const ENOUGH: usize = 8;

/// What is sampled, in this order.
const NAMES: [&str; 6] =
    ["memory MiB", "descriptors", "CPU ms a window", "CPU, cores", "database MiB", "rows of all tables"];
/// Those of them that must not grow.
const HELD: [usize; 3] = [0, 1, 2];

/// One look.
#[derive(Debug, Clone, Copy)]
struct Sample {
    hours: f64,
    values: [f64; NAMES.len()],
}

/// See the module.
pub(super) struct Samples {
    directory: PathBuf,
    database: Option<String>,
    begun: Instant,
    /// When, with how many windows and how much processor time, the last one was taken.
    last: (Instant, usize, f64),
    taken: Vec<Sample>,
}

impl Samples {
    pub(super) fn begin(directory: &Path, database: Option<&str>, traffic: &Traffic) -> anyhow::Result<Self> {
        println!("{:>9} {}", "minutes", NAMES.map(|name| format!("{name:>19}")).join(""));
        let begun = Instant::now();
        let last = (begun, traffic.windows(), processor_seconds()?);
        let (directory, database) = (directory.to_owned(), database.map(str::to_owned));
        Ok(Self { directory, database, begun, last, taken: Vec::new() })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts and sizes of one run")]
    pub(super) async fn take(&mut self, traffic: &Traffic) -> anyhow::Result<()> {
        // Before the look at the tables, which is none of the services' doing.
        let now = (Instant::now(), traffic.windows(), processor_seconds()?);
        let seconds = now.0.duration_since(self.last.0).as_secs_f64();
        let (windows, spent) = ((now.1 - self.last.1) as f64, now.2 - self.last.2);
        let (memory, open) = (resident_mib()?, descriptors()? as f64);
        let all = tables::sum(&tables::look(&self.directory, self.database.as_deref()).await?);
        self.last = (Instant::now(), traffic.windows(), processor_seconds()?);
        let values = [
            memory,
            open,
            spent * 1000.0 / windows,
            spent / seconds,
            all.bytes as f64 / MIB,
            all.rows as f64,
        ];
        let hours = now.0.duration_since(self.begun).as_secs_f64() / 3600.0;
        println!("{:>9.1} {}", hours * 60.0, values.map(|value| format!("{value:>19.2}")).join(""));
        self.taken.push(Sample { hours, values });
        Ok(())
    }

    /// First, last and slope of each; an error where one that must not has grown by more than `growth_most`: the mean of the
    /// last quarter over that of the second.
    pub(super) fn report(&self, growth_most: Option<f64>) -> anyhow::Result<()> {
        let begins = self.taken.last().map_or(0.0, |it| it.hours) * WARM_UP;
        let warm: Vec<Sample> = self.taken.iter().copied().filter(|it| it.hours >= begins).collect();
        let (Some(first), Some(last)) = (warm.first(), warm.last()) else {
            anyhow::bail!("too short for a sample")
        };
        println!("\n{:<20} {:>12} {:>12} {:>14} {:>12}", "", "first", "last", "slope an hour", "of the mean");
        for (number, name) in NAMES.iter().enumerate() {
            let of = |sample: &Sample| sample.values[number];
            let points: Vec<(f64, f64)> = warm.iter().map(|it| (it.hours, of(it))).collect();
            let (slope, mean) = (slope(&points), mean(points.iter().map(|(_, y)| *y)));
            println!(
                "{name:<20} {:>12.2} {:>12.2} {slope:>14.3} {:>11.1}%",
                of(first),
                of(last),
                100.0 * slope / mean
            );
        }
        if self.taken.len() < ENOUGH {
            anyhow::ensure!(growth_most.is_none(), "too short to tell a growth: {ENOUGH} samples at least");
            return Ok(());
        }
        // All are told before the first one ends it.
        let held = HELD.map(|number| {
            let what = format!("{}, last quarter over second", NAMES[number]);
            bounded(&what, self.growth(number), growth_most)
        });
        held.into_iter().collect()
    }

    fn growth(&self, number: usize) -> f64 {
        let quarter = self.taken.len() / 4;
        let of = |samples: &[Sample]| mean(samples.iter().map(|it| it.values[number]));
        of(&self.taken[3 * quarter..]) / of(&self.taken[quarter..2 * quarter])
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// By least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let (x, y) = (mean(points.iter().map(|it| it.0)), mean(points.iter().map(|it| it.1)));
    let over: f64 = points.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
    over / points.iter().map(|it| (it.0 - x).powi(2)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn the_slope_of_what_grows_evenly_is_its_growth() {
        let points: Vec<(f64, f64)> =
            (0..10).map(|it| f64::from(it) / 10.0).map(|x| (x, 7.0 + 3.0 * x)).collect();
        assert!((slope(&points) - 3.0).abs() < 1e-9);
        assert!(slope(&[(0.0, 5.0), (1.0, 5.0)]).abs() < 1e-9);
    }
}
