//! `phasegate generate`: telemetry from a seed, for trying out and measuring.

use std::io::{BufWriter, IntoInnerError};
use std::path::PathBuf;
use std::time::Duration;

use collector_svc::generate::Generator;
use domain::policy::units::{parse_duration, parse_ratio};
use service_kit::files::Writing;
use shared_types::{TargetName, Timestamp};

use crate::exit::{Exit, error};

const EXAMPLES: &str = "\
Examples:
  phasegate generate --events 1M --seed 7 --output events.jsonl
  phasegate generate --events 5k --span 15m --errors 2% | phasegate analyze --dry-run --fixture - --phase A

The same arguments give the same bytes, always. A summary goes to standard error.";

/// Write telemetry events from a seed: the same seed gives the same bytes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How many lines; 10k and 1M are understood
    #[arg(long, value_parser = count, default_value = "10k", value_name = "NUMBER")]
    events: u64,
    /// Any number
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Event names begin with it
    #[arg(long, default_value = "autosave")]
    target: TargetName,
    /// Time of the first event (RFC 3339)
    #[arg(long, value_parser = moment, default_value = "2026-11-22T10:00:00Z", value_name = "TIME")]
    start: Timestamp,
    /// The events are spread evenly over it
    #[arg(long, value_parser = duration, default_value = "24h", value_name = "DURATION")]
    span: Duration,
    /// Median duration of a save
    #[arg(long, value_parser = duration, default_value = "600ms", value_name = "DURATION")]
    median: Duration,
    /// Share of errors
    #[arg(long, value_parser = share, default_value = "0.4%", value_name = "RATIO")]
    errors: f64,
    /// Where to; `-` is standard output
    #[arg(long, default_value = "-", value_name = "FILE")]
    output: PathBuf,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let mut generator = Generator::new(self.events, self.seed, self.target.as_str(), self.start);
        generator.span = self.span;
        generator.median_ms = self.median.as_secs_f64() * 1000.0;
        generator.error_ratio = self.errors;
        let written = if self.output.as_os_str() == "-" {
            generator.write(&mut BufWriter::with_capacity(1 << 20, std::io::stdout().lock()))
        } else {
            Writing::begin(&self.output).and_then(|file| {
                let mut out = BufWriter::with_capacity(1 << 20, file);
                let generated = generator.write(&mut out)?;
                out.into_inner().map_err(IntoInnerError::into_error)?.finish()?;
                Ok(generated)
            })
        };
        match written {
            Ok(generated) => eprintln!(
                "{} completed, {} errors, {} duplicates, {} unknown, {} malformed; {} bytes",
                generated.completed,
                generated.errors,
                generated.duplicates,
                generated.unknown,
                generated.malformed,
                generated.bytes
            ),
            // `| head` is no failure.
            Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(cause) => return Err(error(Exit::Failed, format!("{}: {cause}", self.output.display()))),
        }
        Ok(Exit::Ok)
    }
}

/// `1000000`, `10k`, `1M`, `2G`.
fn count(text: &str) -> Result<u64, String> {
    let expected = || "expected a number such as 5000, 10k or 1M".to_owned();
    let (digits, factor) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 1_000),
        Some('m' | 'M') => (&text[..text.len() - 1], 1_000_000),
        Some('g' | 'G') => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    let number: u64 = digits.parse().map_err(|_| expected())?;
    number.checked_mul(factor).ok_or_else(expected)
}

fn share(text: &str) -> Result<f64, String> {
    parse_ratio(text)
        .filter(|ratio| (0.0..=0.9).contains(ratio))
        .ok_or_else(|| "expected a share such as 0.004 or 0.4%, at most 90%".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a duration such as 500ms, 30s, 15m or 24h".to_owned())
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_with_their_suffix() {
        assert_eq!(
            ["7", "10k", "1M", "2G"].map(count),
            [Ok(7), Ok(10_000), Ok(1_000_000), Ok(2_000_000_000)]
        );
        assert!(
            ["", "k", "1.5M", "-3", "99999999999999999999", "99999999999G"]
                .iter()
                .all(|text| count(text).is_err())
        );
    }
}
