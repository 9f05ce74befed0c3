//! Times and their quantiles.

use std::time::Duration;

/// So many measurements of one thing.
#[derive(Debug, Default)]
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// Nearest rank, in milliseconds.
    fn quantile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
    }

    pub(crate) fn line(&self, name: &str, floor: &Self) {
        if self.0.is_empty() {
            return;
        }
        println!(
            "{name:<52} {:>6} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
            self.0.len(),
            self.quantile(50),
            self.quantile(99),
            self.quantile(100),
            self.quantile(50) / floor.quantile(50)
        );
    }
}
