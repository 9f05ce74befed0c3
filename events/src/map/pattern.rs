//! What a value may look like: a text, the start of one, a range of numbers, or none of these.

use std::fmt;
use std::str::FromStr;

/// How a map names values. Written `payment ok`, `payment*` (begins so), `500..599` (a number from 500 to 599; either end may be
/// left out), `*` (any value), and each of these with `!` before it (anything else, or nothing at all).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    not: bool,
    form: Form,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Exactly(String),
    Begins(String),
    Between(i64, i64),
}

/// Not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("an empty pattern fits nothing; `*` fits any value")]
    Empty,
    #[error("a range must begin below its end: {0}")]
    Upside(String),
}

impl Pattern {
    /// That of this value alone. `None`: written down it would be read as another.
    #[must_use]
    pub fn exactly(value: &str) -> Option<Self> {
        value.parse().ok().filter(|it: &Self| !it.not && it.form == Form::Exactly(value.to_owned()))
    }

    /// That of all that begins so. `None` as [`Self::exactly`].
    #[must_use]
    pub fn beginning(start: &str) -> Option<Self> {
        let pattern = format!("{start}*").parse().ok();
        pattern.filter(|it: &Self| !it.not && it.form == Form::Begins(start.to_owned()))
    }

    /// Which pattern is asked first: a whole value before a beginning, a longer beginning before a shorter, the opposite of
    /// something last.
    #[must_use]
    pub fn rank(&self) -> impl Ord + use<> {
        let shortness = match &self.form {
            Form::Begins(start) => usize::MAX - start.len(),
            Form::Exactly(_) | Form::Between(..) => 0,
        };
        (self.not, shortness, self.text.clone())
    }

    /// Whether a value fits.
    #[must_use]
    pub fn fits(&self, value: &str) -> bool {
        self.fits_what_may_be_absent(Some(value))
    }

    /// Where there is no value only what begins with `!` fits.
    pub(crate) fn fits_what_may_be_absent(&self, value: Option<&str>) -> bool {
        let fits = value.is_some_and(|value| match &self.form {
            Form::Exactly(text) => value == text,
            Form::Begins(start) => value.starts_with(start),
            Form::Between(least, most) => {
                value.parse().is_ok_and(|number: f64| is_between(number, *least, *most))
            }
        });
        fits != self.not
    }
}

#[expect(clippy::cast_precision_loss, reason = "the bounds are written by hand")]
fn is_between(number: f64, least: i64, most: i64) -> bool {
    number >= least as f64 && number <= most as f64
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (not, bare) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        if bare.is_empty() {
            return Err(PatternError::Empty);
        }
        let form = match (bare.split_once("..").and_then(range), bare.strip_suffix('*')) {
            (Some((least, most)), _) if least > most => return Err(PatternError::Upside(bare.to_owned())),
            (Some((least, most)), _) => Form::Between(least, most),
            (None, Some(start)) => Form::Begins(start.to_owned()),
            (None, None) => Form::Exactly(bare.to_owned()),
        };
        Ok(Self { text: text.to_owned(), not, form })
    }
}

fn range((from, to): (&str, &str)) -> Option<(i64, i64)> {
    let end = |text: &str, open: i64| if text.is_empty() { Some(open) } else { text.parse().ok() };
    let is_range = !(from.is_empty() && to.is_empty());
    is_range.then_some((end(from, i64::MIN)?, end(to, i64::MAX)?))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TE-7: texts, beginnings, ranges of numbers, and the opposite of each.
    #[test]
    fn values_fit_as_they_are_written() {
        let check = |pattern: &str, yes: &[&str], no: &[&str]| {
            let pattern: Pattern = pattern.parse().unwrap();
            assert!(yes.iter().all(|value| pattern.fits(value)), "{pattern} {yes:?}");
            assert!(!no.iter().any(|value| pattern.fits(value)), "{pattern} {no:?}");
        };
        check("payment ok", &["payment ok"], &["payment", "payment ok "]);
        check("payment*", &["payment", "payment failed"], &["a payment"]);
        check("*", &["", "x"], &[]);
        check("500..599", &["500", "599", "503.0"], &["499", "600", "", "x"]);
        check("400..", &["400", "1e9"], &["399.9", "-1"]);
        check("..10", &["-5", "10"], &["11"]);
        check("!500..599", &["200", "x"], &["503"]);
        check("!health*", &["pay"], &["healthz"]);
        check("a..b", &["a..b"], &["a"]);
    }

    /// TE-7: a value that would be read as another pattern has none.
    #[test]
    fn a_value_is_written_as_what_it_is_or_not_at_all() {
        let exactly = |value: &str| Pattern::exactly(value).is_some();
        assert_eq!(
            ["ok", "a..b", "x*", "!ok", "1..5", ""].map(exactly),
            [true, true, false, false, false, false]
        );
        let begins = |start: &str| Pattern::beginning(start).is_some();
        assert_eq!(["pay", "1..", "!pay", ""].map(begins), [true, true, false, true]);
    }

    /// TE-7: what is not there fits only what must not be there.
    #[test]
    fn nothing_fits_only_the_opposite() {
        let fits = |pattern: &str| pattern.parse::<Pattern>().unwrap().fits_what_may_be_absent(None);
        assert_eq!([fits("*"), fits("x"), fits("!x"), fits("!*")], [false, false, true, true]);
    }

    #[test]
    fn what_fits_nothing_is_refused() {
        let error = |text: &str| text.parse::<Pattern>().unwrap_err();
        assert_eq!([error(""), error("!")], [PatternError::Empty, PatternError::Empty]);
        assert_eq!(error("9..1"), PatternError::Upside("9..1".to_owned()));
    }
}
